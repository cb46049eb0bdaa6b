"""The search for the exact breakpoint: from the mean accuracies so far to the next width, or to the end.

It bisects the integer widths between the smallest that reaches the target and the largest below it that
misses it. Width 0, which cannot be built, stands for "misses" where no smaller width was tried.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pandas as pd

from few_weights.analysis.rows import as_table
from few_weights.analysis.table_columns import SEARCH
from few_weights.errors import StudyError


class Round(TypedDict):
    """One round of an architecture's search, as it is written to JSON.

    `visited` are the widths it judged, `targets` holds one `Step` with its target for each target, `next` are
    the widths to train before the next round, and `finished` says that there is nothing to train. In a study
    with `certainty`, `plan` says with how many seeds each width has been trained before the next round.
    """

    architecture: str
    round: int
    visited: list[int]
    targets: list[dict[str, Any]]
    next: list[int]
    finished: bool
    plan: NotRequired[dict[int, int]]


@dataclass(frozen=True)
class Step:
    """The state of the search for one target.

    Attributes:
        missing_width: the largest width below `reaching_width` that misses the target, or None.
        reaching_width: the smallest width that reaches the target, None where none does.
        next_width: the width to train next, None where the search has ended.
        verdict: one of
            searching: train `next_width`, which lies between the other two;
            found: `reaching_width` reaches the target, one width less does not, and all larger ones tried do;
            not_monotone: as found, but a larger width misses the target, so a smaller one might reach it;
            not_reached: no width tried reaches the target, so there is nothing to bisect;
            ended: only with `certainty`, the search may not add the next width.
        message: the verdict as a sentence.
    """

    missing_width: int | None
    reaching_width: int | None
    next_width: int | None
    verdict: str
    message: str


def next_step(means: Mapping[int, float], target: float) -> Step:
    """The next step of the search for one target.

    Each step names a width that is not in `means` or ends the search. It halves the bracket, so a search ends
    after at most log2 of the first bracket, rounded up, whatever the curve looks like.

    Args:
        means: width -> mean accuracy over seeds, of each width tried.
        target: the accuracy to reach.
    """
    misses = [width for width, mean in means.items() if mean < target]
    reaches = [width for width, mean in means.items() if mean >= target]
    if not reaches:
        message = f"no width up to {max(misses)} reaches {target:g}; give the study larger widths"
        return Step(max(misses), None, None, "not_reached", message)
    reaching = min(reaches)
    smaller = max((width for width in misses if width < reaching), default=0)
    larger = sorted(width for width in misses if width > reaching)
    below = f"{smaller} misses it" if smaller else "nothing smaller was tried"
    if reaching - smaller > 1:
        middle = (smaller + reaching) // 2
        message = f"{reaching} reaches {target:g}, {below}: try {middle}"
        return Step(smaller or None, reaching, middle, "searching", message)
    below = below if smaller else "there is no smaller width"
    if larger:
        message = (
            f"{reaching} reaches {target:g}, {below}, but so do{'es' * (len(larger) == 1)} "
            f"{', '.join(map(str, larger))}: the curve is not monotone, and a width below {reaching} that "
            "was not tried may reach the target too; more seeds would tell"
        )
        return Step(smaller or None, reaching, None, "not_monotone", message)
    return Step(smaller or None, reaching, None, "found", f"{reaching} reaches {target:g}, {below}")


def judge_round(
    architecture: str, number: int, means: Mapping[int, float], targets: Iterable[float]
) -> Round:
    """Judge one round of an architecture's search, for all targets.

    Args:
        architecture: name of the architecture.
        number: the number of the round, from 0.
        means: width -> mean accuracy over seeds, of each width tried.
        targets: the accuracies to reach.
    """
    steps = {target: next_step(means, target) for target in targets}
    following = {step.next_width for step in steps.values() if step.next_width is not None}
    return {
        "architecture": architecture,
        "round": number,
        "visited": list(means),
        "targets": [{"target": target, **vars(step)} for target, step in steps.items()],
        "next": sorted(following),
        "finished": not following,
    }


def search_table(rounds: Iterable[Round]) -> pd.DataFrame:
    """search.csv: one row for each architecture, round and target; `visited` lists the widths judged."""
    return as_table(
        [
            {
                "architecture": judged["architecture"],
                "round": judged["round"],
                **target,
                "visited": " ".join(map(str, sorted(judged["visited"]))),
            }
            for judged in rounds
            for target in judged["targets"]
        ],
        SEARCH,
    )


def require_growth(architecture: str, parameters: Mapping[int, int], key: str) -> None:
    """Check that wider models have more parameters, which a search along widths for few parameters needs.

    Args:
        architecture: name of the architecture.
        parameters: width -> parameters.
        key: of the study, which asks for the search: refine or certainty.

    Raises:
        StudyError: a wider model does not have more parameters than a narrower one.
    """
    widths = sorted(parameters)
    for narrower, wider in zip(widths, widths[1:], strict=False):
        if parameters[wider] <= parameters[narrower]:
            raise StudyError(
                f"{key}: {architecture} of width {wider} has {parameters[wider]} parameters, no more than "
                f"width {narrower} with {parameters[narrower]}; the search needs wider models to have more: "
                f"remove `{key}` from the study"
            )
