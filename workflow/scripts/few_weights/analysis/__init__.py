"""Analysis: from the files of the runs to the tables that hold the answer, and how certain it is.

In: metrics.json and predictions.npz of every run. Out: runs.csv, breakpoints.csv and the other tables.
May import: plan, data, training. No TensorFlow: it uses only training's files of a run.
"""
