"""What the terminal shows while a study runs: progress, failed jobs and why they failed, and Ctrl-C.

In: Snakemake's events and the jobs' logs. Out: lines on standard error.
May import: plan.
"""
