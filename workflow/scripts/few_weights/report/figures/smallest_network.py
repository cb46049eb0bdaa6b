"""Which run the report shows as the smallest sufficient network: its mistakes and its first layer."""

from dataclasses import dataclass

import pandas as pd

from few_weights.analysis.divergence import has_diverged
from few_weights.analysis.seeds import first_target, most_accurate_model, with_selection
from few_weights.plan.runs import Run


@dataclass(frozen=True)
class SmallestNetwork:
    """The run that is shown.

    Attributes:
        run: a run of the smallest model that reaches the study's first target.
        sufficient: False where no model reaches it; then the run is one of the most accurate model.
    """

    run: Run
    sufficient: bool

    @property
    def model(self) -> str:
        """The model's name in a sentence: "vgg of width 2"."""
        return f"{self.run.architecture} of width {self.run.width}"


def choose_network(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> SmallestNetwork:
    """The smallest model of all that reaches the first target, at the seed that is closest to its mean."""
    reached = first_target(breakpoints)
    reached = reached[reached["reached"]].sort_values("parameters", kind="stable")
    model = most_accurate_model(runs) if reached.empty else reached.iloc[0]
    name, width = str(model["architecture"]), int(model["width"])
    group = with_selection(runs[(runs["architecture"] == name) & (runs["width"] == width)])
    distance = (group["selection_accuracy"] - group["selection_accuracy"].mean()).abs()
    # Rounded, so that of seeds equally far away the first is chosen and not the one with the smaller last
    # bit. A run that diverged is only shown if all did.
    ordered = group.assign(distance=distance.round(9), diverged=has_diverged(group))
    seed = ordered.sort_values(["diverged", "distance", "seed"])["seed"].iloc[0]
    return SmallestNetwork(Run(name, width, int(seed)), not reached.empty)
