"""Figures: one file per figure, each with a function from tables to a Matplotlib figure and its title.

In: the tables of the analysis, and one run's predictions and weights. Out: figures/<name>.svg and .png.
May import: plan, data, training, analysis, report. No TensorFlow.
"""
