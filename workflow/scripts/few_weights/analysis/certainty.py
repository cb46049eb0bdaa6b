"""Which runs make a study certain: the rounds that add seeds to the widths that decide.

A round sees one architecture: all widths tried so far, each with its first seeds. First it bisects for the
exact width as any search does. Where that has ended, the widths that may still be the answer get more seeds.
A round depends on nothing but the accuracies of its runs, so a study always trains the same seeds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from few_weights.analysis.confidence import Estimate, estimate, least_seeds
from few_weights.analysis.rows import as_table, by_architecture, by_model
from few_weights.analysis.search import Round, Step, next_step
from few_weights.analysis.seeds import deciding_counts, selection_of
from few_weights.analysis.table_columns import CERTAINTY
from few_weights.plan.certainty import Rules
from few_weights.plan.runs import first_seeds

#: What is certain of a width and a target.
REACHES, MISSES, OPEN = "reaches", "misses", "open"


def verdict(found: Estimate, target: float, rules: Rules) -> str:
    """Whether a width certainly reaches a target, certainly misses it, or is open.

    No interval can tell with few seeds that collapses are rare. So a width has to have enough seeds to show
    at least one before it is certain to reach a target. One that shows is in the interval.
    """
    if found.high < target:
        return MISSES
    return REACHES if found.low >= target and found.seeds >= rules.guard_seeds else OPEN


def answer_range(verdicts: Mapping[int, str]) -> tuple[int | None, int | None]:
    """The smallest width that may reach a target, and the smallest that certainly does; None where none does.

    The answer is certain if they are the same.

    Args:
        verdicts: width -> what is certain of it.
    """
    may = min((width for width, certain in verdicts.items() if certain != MISSES), default=None)
    does = min((width for width, certain in verdicts.items() if certain == REACHES), default=None)
    return may, does


def estimates(group: pd.DataFrame, rules: Rules) -> dict[int, Estimate]:
    """Width -> the mean and interval over all seeds of an architecture's runs."""
    examples = int(group[f"{selection_of(group)}_examples"].iloc[0])
    return {
        width: estimate(deciding_counts(of_model), examples, rules.alpha)
        for _, width, of_model in by_model(group)
    }


def more_seeds(seeds: int, rules: Rules) -> int:
    """How many seeds a width that decides has after the next round: a quarter more, and at least enough for
    an interval. It stops at the number that the guard against collapses needs."""
    more = max(seeds + max(1, seeds // 4), least_seeds(rules.alpha))
    if seeds < rules.guard_seeds < more:
        more = rules.guard_seeds
    return max(seeds, min(more, rules.at_most))


def judge_round(
    architecture: str,
    number: int,
    models: Mapping[int, Estimate],
    targets: Iterable[float],
    given: Sequence[int],
    seeds: int,
    rules: Rules,
) -> Round:
    """Judge one round of an architecture, for all targets.

    Args:
        architecture: name of the architecture.
        number: the number of the round, from 0.
        models: width -> its mean and interval over the seeds so far.
        targets: the accuracies to reach.
        given: the widths that the study gives.
        seeds: how many seeds the study gives.
        rules: of this architecture.
    """
    means = {width: found.mean for width, found in models.items()}
    steps = {target: next_step(means, target) for target in targets}
    wanted = {step.next_width for step in steps.values() if step.next_width is not None}
    room = max(0, rules.most_added - len(set(models) - set(given)))
    following = sorted(wanted)[:room]
    plan = {width: found.seeds for width, found in models.items()}
    judged = []
    for target, step in steps.items():
        if step.next_width is not None and step.next_width not in following:
            step = _ended(step)
        if step.next_width is None:
            asked = {
                width: more_seeds(models[width].seeds, rules) for width in _deciding(models, target, rules)
            }
            asked = {width: more for width, more in asked.items() if more > models[width].seeds}
            for width, more in asked.items():
                plan[width] = max(plan[width], more)
            step = replace(
                step, message=f"{step.message}; {_certainty_message(models, target, rules, asked)}"
            )
        judged.append({"target": target, **vars(step)})
    plan |= dict.fromkeys(following, seeds)
    return {
        "architecture": architecture,
        "round": number,
        "visited": list(models),
        "targets": judged,
        "next": following,
        "finished": plan == {width: found.seeds for width, found in models.items()},
        "plan": plan,
    }


def _ended(step: Step) -> Step:
    """The end of a search that may not add the width that it asks for."""
    message = f"{step.message.partition(': try ')[0]}; no more widths are added"
    return replace(step, next_width=None, verdict="ended", message=message)


def _deciding(models: Mapping[int, Estimate], target: float, rules: Rules) -> list[int]:
    """The widths whose seeds decide: open, and no larger than one that certainly reaches the target.

    While there is none, the smallest whose mean reaches it takes its place. If that stays open with all its
    seeds the next larger one does, so that the answer's range has an upper end.
    """
    verdicts = {width: verdict(found, target, rules) for width, found in models.items()}
    _, certain = answer_range(verdicts)
    likely = (
        width
        for width, found in sorted(models.items())
        if found.mean >= target and found.seeds < rules.at_most
    )
    largest = certain or next(likely, max(models))
    return [width for width in sorted(models) if verdicts[width] == OPEN and width <= largest]


def _certainty_message(
    models: Mapping[int, Estimate], target: float, rules: Rules, asked: Mapping[int, int]
) -> str:
    if asked:
        return "more seeds for " + ", ".join(f"{width} ({seeds})" for width, seeds in asked.items())
    may, does = answer_range({width: verdict(found, target, rules) for width, found in models.items()})
    if may is None:
        return "certainly no width tried reaches it"
    if may == does:
        return f"{does} is certain"
    return f"the answer is {may} or more" if does is None else f"the answer is {may} to {does}"


def replay(
    architecture: str,
    correct: Callable[[int, int], Sequence[int] | None],
    examples: int,
    targets: Iterable[float],
    given: Sequence[int],
    seeds: int,
    rules: Rules,
) -> Iterator[tuple[Round, dict[int, Estimate]]]:
    """All rounds of an architecture, with the estimates that each judged; ends early where a run is missing.

    Args:
        architecture: name of the architecture.
        correct: from a width and a number of seeds to how many images each of its first seeds gets right,
            None if one is missing.
        examples: how many images there are.
        targets, given, seeds, rules: as `judge_round` takes them.
    """
    targets, number, plan = list(targets), 0, dict.fromkeys(given, seeds)
    models: dict[int, Estimate] = {}
    while True:
        for width, many in plan.items():
            if width not in models or models[width].seeds < many:
                counts = correct(width, many)
                if counts is None:
                    return
                models[width] = estimate(counts, examples, rules.alpha)
        judged = judge_round(architecture, number, models, targets, given, seeds, rules)
        yield judged, dict(models)
        if judged["finished"]:
            return
        number, plan = number + 1, judged["plan"]


def certainty_table(
    runs: pd.DataFrame,
    targets: Iterable[float],
    given: Mapping[str, Sequence[int]],
    seeds: Mapping[str, Sequence[int]],
    rules: Mapping[str, Rules],
) -> pd.DataFrame:
    """certainty.csv: one row for each architecture, round, width and target, only from runs.csv.

    Args:
        runs: runs.csv.
        targets: the accuracies to reach.
        given: architecture -> the widths that the study gives.
        seeds: architecture -> the seeds that the study gives.
        rules: of each architecture.
    """
    targets, records = list(targets), []
    for architecture, group in by_architecture(runs):
        parameters = group.groupby("width")["parameters"].first()
        examples = int(group[f"{selection_of(runs)}_examples"].iloc[0])
        correct = _counts_of_first(group, seeds[architecture])
        rounds = replay(
            architecture,
            correct,
            examples,
            targets,
            given[architecture],
            len(seeds[architecture]),
            rules[architecture],
        )
        for judged, models in rounds:
            records += [
                {
                    "architecture": architecture,
                    "round": judged["round"],
                    "width": width,
                    "parameters": parameters[width],
                    "target": target,
                    **found._asdict(),
                    "alpha": rules[architecture].alpha,
                    "guard_seeds": rules[architecture].guard_seeds,
                    "verdict": verdict(found, target, rules[architecture]),
                    "next_seeds": judged["plan"][width],
                }
                for width, found in sorted(models.items())
                for target in targets
            ]
    return as_table(records, CERTAINTY)


def _counts_of_first(group: pd.DataFrame, given: Sequence[int]) -> Callable[[int, int], Sequence[int] | None]:
    """From a width and a number of seeds to the correct images of each of its first seeds; None if one is
    missing.

    Args:
        group: the runs of an architecture.
        given: the seeds that the study gives; the others follow them.
    """
    models = {width: of_model.set_index("seed", drop=False) for _, width, of_model in by_model(group)}

    def counts(width: int, many: int) -> list[int] | None:
        first = first_seeds(given, many)
        if width not in models or not set(first) <= set(models[width].index):
            return None
        return deciding_counts(models[width].loc[first])

    return counts
