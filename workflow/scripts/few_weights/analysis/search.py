"""The search for the exact breakpoint: from the mean accuracies so far to the next width, or to the end.

It bisects the integer widths between the smallest that reaches the target and the largest below it that
misses it. Width 0, which cannot be built, stands for "misses" where no smaller width was tried.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from few_weights.errors import StudyError


@dataclass(frozen=True)
class Step:
    """Where the search for one target stands. `verdict` is one of the four below; `message` puts it in words.

    `missing_width` is the largest width below `reaching_width` that misses the target, None where none was
    tried.

    searching: train `next_width`, which lies between the other two.
    found: `reaching_width` reaches the target, one width less does not, and all larger ones tried do.
    not_monotone: likewise, but a larger width misses the target, so a smaller one might reach it.
    not_reached: no width tried reaches the target; there is nothing to bisect.
    """

    missing_width: int | None
    reaching_width: int | None
    next_width: int | None
    verdict: str
    message: str


def next_step(means: Mapping[int, float], target: float) -> Step:
    """Judge what is known so far. `means` holds the mean accuracy over seeds of each width tried.

    Each step names a width that is not in `means` or ends the search. The next bracket is half as wide, so
    that a search ends after at most log2 of the first one's width, rounded up, whatever the curve looks like.
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


def judge_round(architecture: str, number: int, means: Mapping[int, float], targets: Iterable[float]) -> dict:
    """What a round of the search found, for all targets at once, as it is written to JSON.

    `visited` are the widths it judged, `next` those to be trained before the next round, and `finished` says
    that there is none.
    """
    steps = {target: next_step(means, target) for target in targets}
    following = {step.next_width for step in steps.values()} - {None}
    return {
        "architecture": architecture,
        "round": number,
        "visited": list(means),
        "targets": [{"target": target, **vars(step)} for target, step in steps.items()],
        "next": sorted(following),
        "finished": not following,
    }


def search_table(rounds: Iterable[Mapping]) -> pd.DataFrame:
    """search.csv: one row for each architecture, round and target; `visited` lists the widths judged."""
    table = pd.DataFrame(
        [
            {
                "architecture": found["architecture"],
                "round": found["round"],
                **target,
                "visited": " ".join(map(str, sorted(found["visited"]))),
            }
            for found in rounds
            for target in found["targets"]
        ]
    )
    return table.astype(dict.fromkeys(["missing_width", "reaching_width", "next_width"], "Int64"))


def require_growth(architecture: str, parameters: Mapping[int, int]) -> None:
    """Check that wider means larger: the search walks along widths, the breakpoint is about parameters.

    Raises:
        StudyError: a wider model does not have more parameters than a narrower one.
    """
    widths = sorted(parameters)
    for narrower, wider in zip(widths, widths[1:], strict=False):
        if parameters[wider] <= parameters[narrower]:
            raise StudyError(
                f"refine: {architecture} of width {wider} has {parameters[wider]} parameters, no more than "
                f"width {narrower} with {parameters[narrower]}; a search along widths needs them to grow: "
                "take `refine` out of the study"
            )
