"""How few weights does a network need? The Python behind the workflow's rules, in packages by stage.

A study flows through them in this order, and each may import only those before it (its own docstring says
which): plan (the study's YAML as a list of runs), data, networks, training, analysis, report. The engine,
which computes an epoch, stands alone and imports none of them. `errors.py` and `files.py` serve all.
tests/unit/test_packages.py holds these borders.
"""
