"""The study: what there is to run, what it costs, what is done already, and what the terminal says of it.

In: a study's YAML. Out: a checked `Study`, its list of runs, and what Snakemake asks about them.
May import: nothing. No TensorFlow, since the Snakefile calls this at every start.
"""
