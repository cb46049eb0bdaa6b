"""Figures: one module per figure, and the modules they share.

The module of a study's figure has a function `draw`, which returns a Matplotlib figure and its title.

In: the tables of the analysis, and one run's predictions and weights. Out: figures/<name>.svg and .png.
May import: plan, data, training, analysis, report. No TensorFlow.
"""
