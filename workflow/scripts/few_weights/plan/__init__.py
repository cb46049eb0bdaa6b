"""The study: what there is to run, how long it takes, what is finished, and what the terminal shows.

In: a study's YAML. Out: a checked `Study`, its list of runs, and what the rules need to know about them.
May import: nothing. No TensorFlow, because the Snakefile imports this at every start.
"""
