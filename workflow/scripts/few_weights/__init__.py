"""How few weights does a network need? The Python behind the workflow's rules, in packages by stage.

A study flows through them in this order: plan (the study's YAML as a list of runs), data, networks, training,
analysis, report. Each package may import only packages before it; its docstring says which. The engine, which
computes an epoch, stands alone and imports nothing else from here. Every package may import `errors.py` and
`files.py`. tests/unit/test_packages.py checks these rules.
"""
