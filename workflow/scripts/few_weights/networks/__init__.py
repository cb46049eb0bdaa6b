"""Networks: built by width, checked by one real step of training, counted, saved and read back.

In: what a study says of a network (`Network`). Out: a `keras.Model` that ends in probabilities, and counts.
May import: plan, engine.
"""
