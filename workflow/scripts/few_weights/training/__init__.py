"""Training: one run, from its recipe to its metrics, predictions and weights on disk.

In: a `Run`, its recipe and a `Dataset`. Out: metrics.json, predictions.npz and
weights.npz, and checkpoints while it trains. Only `prepare`, `device` and
`rebuild` import TensorFlow: a network that is prepared is trained without.
May import: plan, data, networks, engine.
"""
