"""few-weights: how few weights does a network need to reach a target accuracy?

One module a concern; the entry points that the workflow's rules call lie one folder up.
"""
