"""The engine: computes a training epoch with Keras' arithmetic, by machine code where it can.

In: a `keras.Model` and an optimizer's settings, or the code that was written for
them, and arrays in memory. Out: losses, predictions and new weights.
May import: nothing.
"""
