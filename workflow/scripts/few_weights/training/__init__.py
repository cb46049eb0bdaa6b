"""Training: one run, from its place in the study to its metrics, predictions and weights on disk.

In: a `Run`, its recipe and a `Dataset`. Out: metrics.json, predictions.npz and
weights.npz, and checkpoints on the way.
May import: plan, data, networks, engine.
"""
