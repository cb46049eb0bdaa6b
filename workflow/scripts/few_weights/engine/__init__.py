"""The engine: computes a training epoch with Keras' arithmetic, by machine code where it can.

In: a `keras.Model`, an optimizer's settings and arrays in memory. Out: losses,
predictions, and new weights in the model.
May import: nothing.
"""
