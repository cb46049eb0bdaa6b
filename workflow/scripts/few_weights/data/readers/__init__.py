"""Readers of the file formats of data sets, one module per format.

In: the path of a file or folder. Out: arrays by role, as they are stored, and what was done, in sentences.
May import: plan, data.
"""
