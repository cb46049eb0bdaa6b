"""Which run the report shows as the smallest sufficient network."""

from dataclasses import dataclass

import pandas as pd

from few_weights.analysis.seeds import first_target, has_diverged, summarise_models, with_selection
from few_weights.plan.runs import Run


@dataclass(frozen=True)
class SmallestNetwork:
    """The run that is shown."""

    run: Run
    #: Whether its model reaches the study's first target; where none does, it is the most accurate one.
    sufficient: bool

    @property
    def model(self) -> str:
        return f"{self.run.architecture} of width {self.run.width}"


def choose_network(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> SmallestNetwork:
    """The smallest model of all that reaches the first target, at the seed that is closest to its mean."""
    reached = first_target(breakpoints)
    reached = reached[reached["reached"]].sort_values("parameters", kind="stable")
    if reached.empty:
        models = summarise_models(runs)
        model = models.loc[models["deciding_accuracy"].idxmax()]
    else:
        model = reached.iloc[0]
    name, width = str(model["architecture"]), int(model["width"])
    its_runs = with_selection(runs[(runs["architecture"] == name) & (runs["width"] == width)])
    distance = (its_runs["selection_accuracy"] - its_runs["selection_accuracy"].mean()).abs()
    # Rounded, so that the order decides between seeds equally far away, not the last bit. One that
    # diverged has little to show.
    ordered = its_runs.assign(distance=distance.round(9), diverged=has_diverged(its_runs))
    seed = ordered.sort_values(["diverged", "distance", "seed"])["seed"].iloc[0]
    return SmallestNetwork(Run(name, width, int(seed)), not reached.empty)
