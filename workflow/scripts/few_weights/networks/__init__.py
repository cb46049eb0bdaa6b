"""Networks: built by width, checked by one real step of training, counted, saved and read back.

In: the description of a network (`Network`). Out: a `keras.Model` that ends in probabilities, and counts.
May import: plan, engine.
"""
