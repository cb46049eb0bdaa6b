"""The rounds that add seeds: they end, repeat nothing, and depend on nothing but the accuracies."""

import json

import numpy as np
import pandas as pd
import pytest
from samples.runs import runs_of

from few_weights.analysis import certainty
from few_weights.analysis.breakpoints import find_breakpoints
from few_weights.analysis.certainty import MISSES, OPEN, REACHES, answer_range, certainty_table, verdict
from few_weights.analysis.confidence import Estimate, estimate
from few_weights.plan.arguments import json_file
from few_weights.plan.certainty import (
    Certainty,
    Rules,
    certainty_rules,
    most_steps,
    read_rules,
    rules_as_values,
)
from few_weights.plan.finished_runs import planned_runs
from few_weights.plan.runs import first_seeds

RULES = Rules(0.95, 0.1, alpha=0.002, guard_seeds=20, at_most=40, most_added=10)
IMAGES = 1_000


def rounds_of(correct, given, targets=(0.9,), seeds=2, rules=RULES):
    return list(certainty.replay("net", correct, IMAGES, targets, given, seeds, rules))


def curve_of(rng, widths=40):
    """Correct images of each width's seeds: a rising curve that is flat in places, with collapses."""
    means = 0.9 + np.cumsum(rng.choice([0, 0.0005, 0.01], widths)) - 0.005 * rng.integers(0, widths)
    counts = np.clip(means[:, None] + 0.003 * rng.standard_normal((widths, 100)), 0, 1) * IMAGES
    collapsed = (rng.random((widths, 1)) < 0.3) & (rng.random((widths, 100)) < 0.1)
    counts = np.where(collapsed, IMAGES / 10, counts).astype(int).tolist()
    return lambda width, many: counts[width - 1][:many]


@pytest.mark.parametrize("seed", range(40))
def test_rounds_end_and_only_ever_add_runs(seed):
    rng = np.random.default_rng(seed)
    correct, given = curve_of(rng), sorted(rng.choice(np.arange(1, 41), 3, replace=False).tolist())
    targets = [0.88, 0.9, 0.92][: rng.integers(1, 4)]
    seeds = int(rng.choice([1, 2, 10]))
    rounds = rounds_of(correct, given, targets, seeds)
    before = {}
    for number, (judged, models) in enumerate(rounds):
        assert judged["round"] == number
        assert judged["finished"] == (number == len(rounds) - 1)
        trained = {width: found.seeds for width, found in models.items()}
        assert before.keys() <= trained.keys() and all(trained[width] >= before[width] for width in before)
        assert trained != before and max(trained.values()) <= RULES.at_most
        assert all(judged["plan"][width] == seeds for width in judged["next"])
        before = trained
    assert judged["plan"] == before and len(before.keys() - set(given)) <= RULES.most_added
    # The order of the targets and of the given widths changes nothing.
    again = rounds_of(correct, given[::-1], targets[::-1], seeds)
    assert [dict(sorted(each["plan"].items())) for each, _ in again] == [
        dict(sorted(each["plan"].items())) for each, _ in rounds
    ]
    for target in targets:
        verdicts = {width: verdict(found, target, RULES) for width, found in models.items()}
        low, high = answer_range(verdicts)
        if low != high:  # whatever is still open below the answer has as many seeds as it may have
            upper = high or max(models)
            open_widths = [w for w, said in verdicts.items() if said == OPEN and w <= upper]
            assert open_widths and all(models[width].seeds == RULES.at_most for width in open_widths)


def test_seeds_go_to_the_widths_that_decide_alone():
    far = {1: 0.5, 2: 0.6, 4: 0.897, 5: 0.903, 8: 0.95}
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.003, 100)
    rounds = rounds_of(
        lambda width, many: ((far[width] + noise[:many]) * IMAGES).astype(int).tolist(), list(far), seeds=10
    )
    _, models = rounds[-1]
    seeds = {width: found.seeds for width, found in models.items()}
    assert seeds[1] == seeds[2] == seeds[8] == 10
    assert seeds[4] > 10 and seeds[5] >= RULES.guard_seeds
    (target,) = rounds[-1][0]["targets"]
    assert target["message"].endswith("5 is certain")


def test_a_width_reaches_a_target_only_with_enough_seeds_to_notice_collapses():
    surely = Estimate(RULES.guard_seeds, 0.95, 0.94, 0.96)
    assert verdict(surely, 0.9, RULES) == REACHES
    assert verdict(surely._replace(seeds=RULES.guard_seeds - 1), 0.9, RULES) == OPEN
    assert verdict(surely._replace(seeds=3), 0.97, RULES) == MISSES
    assert verdict(surely, 0.945, RULES) == OPEN
    # A collapse that is seen is in the interval.
    assert verdict(estimate([950] * 29 + [100], IMAGES, RULES.alpha), 0.9, RULES) == OPEN


def test_numbers_of_seeds_grow_by_a_quarter_and_stop_where_the_guard_is_satisfied():
    seeds, path = 10, []
    while (more := certainty.more_seeds(seeds, RULES)) > seeds:
        path.append(seeds := more)
    assert path == [12, 15, 18, 20, 25, 31, 38, 40]
    assert certainty.more_seeds(1, RULES) == certainty.least_seeds(RULES.alpha)
    assert certainty.more_seeds(60, RULES) == 60  # at_most was lowered


def test_a_search_that_may_add_no_width_ends():
    levels = {8: 0.8, 16: 0.95}
    (judged, _), *_, (last, models) = rounds_of(
        lambda width, many: [int(levels[width] * IMAGES)] * many,
        [8, 16],
        rules=Rules(0.95, 0.1, 0.002, 20, 40, most_added=0),
    )
    assert judged["targets"][0]["verdict"] == "ended" and judged["next"] == []
    assert "no more widths are added" in judged["targets"][0]["message"]
    assert last["finished"] and models.keys() == {8, 16}


def test_rules_share_the_error_among_all_models_that_can_be_compared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the file with the rules is written
    wanted = Certainty(level=0.95, at_most=100, collapse=0.1)
    assert [most_steps(widths) for widths in ([1, 2], [1, 3], [32], [2, 16], [32, 64])] == [0, 2, 10, 8, 10]
    widths = {"mlp": [32, 64], "vgg": [2, 4]}
    rules = certainty_rules(wanted, widths, targets=1, refine=True)
    assert {name: each.most_added for name, each in rules.items()} == {"mlp": 10, "vgg": 2}
    models = 2 + 10 + 2 + 2
    for each in rules.values():
        assert each.alpha == pytest.approx(0.025 / models)
        assert 0.9**each.guard_seeds <= each.alpha < 0.9 ** (each.guard_seeds - 1)
    alone = certainty_rules(wanted, widths, targets=3, refine=False)["mlp"]
    assert (alone.most_added, alone.alpha) == (0, pytest.approx(0.025 / 4))
    assert read_rules(json_file(rules_as_values(rules))) == rules


def test_further_seeds_are_the_next_whole_numbers():
    assert first_seeds([3, 7, 1], 3) == [3, 7, 1]
    assert first_seeds([3, 7, 1], 5) == [3, 7, 1, 8, 9]


def study_runs():
    """Runs of two widths, of which the first collapses once."""
    rng = np.random.default_rng(0)
    right = {("cnn", 1): [*rng.integers(9_500, 9_600, 8), 1_000], ("cnn", 2): rng.integers(9_790, 9_810, 40)}
    return runs_of(
        {model: counts.tolist() if hasattr(counts, "tolist") else counts for model, counts in right.items()}
    )


def test_the_table_and_the_answer_follow_from_runs_alone():
    runs = study_runs()
    rules = {"cnn": RULES}
    table = certainty_table(runs, [0.97], {"cnn": [1, 2]}, {"cnn": range(9)}, rules)
    last = table[table["round"] == table["round"].max()].set_index("width")
    # The collapsed run leaves the smaller width open, and the ninth seed was the last there is of it.
    assert last.loc[2, "seeds"] == 9 and last.loc[1, "verdict"] == OPEN
    assert last.loc[1, "next_seeds"] == 11
    (answer,) = find_breakpoints(runs, [0.97], rules).itertuples()
    assert (answer.range_low_width, answer.range_high_width, answer.width) == (1, 2, 2)
    assert (answer.certain, answer.level, answer.alpha, answer.guard_seeds) == (False, 0.95, 0.002, 20)
    counts = runs.loc[runs["width"] == 2, "test_correct"]
    assert answer.selection_low == estimate(counts.tolist(), 10_000, 0.002).low
    plain = find_breakpoints(runs, [0.97])
    assert "level" not in plain and plain["certain"].tolist() == [True]


def test_a_model_whose_runs_all_diverged_counts_as_0():
    runs = runs_of({("cnn", 1): [9_800] * 9, ("cnn", 2): [9_800] * 30})
    runs["diverged_in_epoch"] = pd.array([1] * 9 + [None] * 30, "Int64")
    (answer,) = find_breakpoints(runs, [0.05], {"cnn": RULES}).itertuples()
    assert (answer.range_low_width, answer.range_high_width, answer.certain) == (2, 2, True)


class Planned:
    """A study that has asked for one architecture, as far as its rounds depend on it."""

    refine, halving, targets = True, None, [0.9, 0.97]
    certainty = Certainty(level=0.95, at_most=6, collapse=0.1)
    architectures = {"vgg": type("Section", (), {"widths": [2, 8], "seeds": [4, 1]})}


#: What its rounds said, and then those that an earlier study has left.
ROUNDS = [
    {"visited": [2, 8], "plan": {"2": 2, "8": 4}, "finished": False},
    {"visited": [2, 8], "plan": {"2": 2, "8": 4, "5": 2}, "finished": False},
    {"visited": [2, 8, 5], "plan": {"2": 2, "8": 4, "5": 2}, "finished": True},
]


def planned_of(folder, rounds):
    search = folder / "search" / "vgg"
    search.mkdir(parents=True)
    for number, judged in enumerate(rounds):
        targets = [{"target": target} for target in Planned.targets]
        (search / f"round-{number}.json").write_text(json.dumps({"targets": targets, "next": []} | judged))
    runs = planned_runs(Planned, folder)
    widths = dict.fromkeys(run.width for run in runs)
    return {width: [run.seed for run in runs if run.width == width] for width in widths}


@pytest.mark.parametrize(
    ("rounds", "expected"),
    [
        ([], {2: [4, 1], 8: [4, 1]}),
        (ROUNDS[:1], {2: [4, 1], 8: [4, 1, 5, 6]}),
        (ROUNDS, {2: [4, 1], 8: [4, 1, 5, 6], 5: [4, 1]}),
        # Rounds that cannot be read, or that another study asked for, and what comes after them.
        ([ROUNDS[0], {"targets": 3}, *ROUNDS[1:]], {2: [4, 1], 8: [4, 1, 5, 6]}),
        ([*ROUNDS, {"visited": [2, 8, 5], "plan": {"3": 2}, "finished": False}], {2: 2, 8: 4, 5: 2}),
        ([{"visited": [2, 9], "plan": {"2": 2, "9": 4}, "finished": False}], {2: 2, 8: 2}),
        ([ROUNDS[0], {"visited": [2, 7], "plan": {"2": 2, "7": 4}, "finished": True}], {2: 2, 8: 4}),
        ([ROUNDS[0] | {"targets": [{"target": 0.9}]}], {2: 2, 8: 2}),
        ([ROUNDS[0] | {"plan": {"2": 2, "8": 7}}], {2: 2, 8: 2}),
        ([{"visited": [2, 8], "next": [5], "finished": False}], {2: 2, 8: 2}),  # without certainty
    ],
)
def test_planned_runs_are_those_of_the_rounds_of_this_search(rounds, expected, tmp_path):
    found = planned_of(tmp_path, rounds)
    numbers = {width: len(seeds) for width, seeds in found.items()}
    assert expected in (found, numbers)
