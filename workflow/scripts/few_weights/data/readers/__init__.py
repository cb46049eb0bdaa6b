"""Readers of the forms in which people bring data, one file per form.

In: the path of a file or folder. Out: arrays by name, as they are stored.
May import: plan, data.
"""
