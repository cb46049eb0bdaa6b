"""Runs that went wrong: those that diverged, and those that collapsed."""

import pandas as pd

from few_weights.analysis.rows import by_model

#: How many models a sentence lists by name.
MOST_NAMED = 10


def has_diverged(runs: pd.DataFrame) -> pd.Series:
    """Whether each run diverged: its loss was no longer a finite number, and its training stopped there.

    Its accuracy is that of the network it ended with and counts in every mean, but it reaches no target.
    """
    if "diverged_in_epoch" not in runs:
        return pd.Series(False, index=runs.index)
    return runs["diverged_in_epoch"].notna()


def has_collapsed(runs: pd.DataFrame) -> pd.Series:
    """Whether each run collapsed: a test accuracy of at most twice chance, chance being 1 / classes.

    On MNIST that is 20 %; a network whose units died gives the same class for every image, which is right for
    9 to 11 %. With fewer than five classes twice chance may be a good accuracy, so there the bound is a
    quarter of the way from chance to 1. A run that diverged does not count as collapsed, whatever its
    accuracy.
    """
    chance = 1 / runs["classes"]
    return (runs["test_accuracy"] <= chance + chance.clip(upper=(1 - chance) / 4)) & ~has_diverged(runs)


def epochs_trained(runs: pd.DataFrame) -> pd.Series:
    """How many epochs each run was trained for: those planned, or those until it diverged."""
    diverged = has_diverged(runs)
    return runs["epochs"].mask(diverged, runs["diverged_in_epoch"]) if diverged.any() else runs["epochs"]


def diverged_sentence(runs: pd.DataFrame) -> str:
    """Which runs diverged, when, what follows and how to fix it; empty where none did."""
    diverged = runs[has_diverged(runs)]
    if diverged.empty:
        return ""
    named = []
    for architecture, width, group in by_model(diverged):
        seeds, epochs = group["seed"].tolist(), group["diverged_in_epoch"].drop_duplicates().tolist()
        which = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
        when = f"epoch{'s' * (len(epochs) > 1)} {', '.join(map(str, epochs))}"
        named.append(f"{architecture} width {width} {which} in {when}")
    if len(named) > MOST_NAMED:
        named[MOST_NAMED:] = [f"and {len(named) - MOST_NAMED} more models"]
    return (
        f"{len(diverged)} of {len(runs)} run{'s' * (len(runs) > 1)} diverged: {'; '.join(named)}. The loss "
        "was no longer a finite number, so training stopped there. The accuracy reached by then counts in "
        "every mean, but a diverged run reaches no target. A smaller learning_rate usually fixes it."
    )
