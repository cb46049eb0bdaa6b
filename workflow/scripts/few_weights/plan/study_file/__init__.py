"""A study's YAML: read with its line numbers, converted, checked, and resolved to a `Study`.

In: YAML or JSON files and `--config` settings. Out: a checked `Study`, or one message that lists
every mistake.
May import: plan.
"""
