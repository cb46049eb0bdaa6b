"""Data sets: fetched, read from many file formats, converted, and verified by content.

In: the name of a data set and its sources. Out: four uint8 arrays (`Dataset`), or one sentence that says what
is wrong with the data.
May import: plan. No TensorFlow (Keras only to download).
"""
