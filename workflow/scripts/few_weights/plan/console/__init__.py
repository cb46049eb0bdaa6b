"""What the terminal says while a study runs: how far it is, which jobs failed and why, and what Ctrl-C does.

In: Snakemake's events and the jobs' logs. Out: lines on standard error.
May import: plan.
"""
