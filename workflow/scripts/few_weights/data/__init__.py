"""Data sets: found, read in whatever form they are brought, converted, and verified by content.

In: the name of a data set and where to look for it. Out: four uint8 arrays (`Dataset`) or the sentence that
says what is wrong with them.
May import: plan. No TensorFlow (Keras only to download).
"""
