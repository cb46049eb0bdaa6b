"""Analysis: from the files of the runs to the tables that hold the answer, and how sure it is.

In: metrics.json and predictions.npz of every run. Out: runs.csv, breakpoints.csv and the tables beside them.
May import: plan, data, training. No TensorFlow: it uses only training's files of a run.
"""
