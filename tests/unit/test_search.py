"""The search for an exact width ends, at the breakpoint if the curve is monotone; if not, it says so."""

import itertools
import json
import math
import sys

import merge_searches
import pytest

from few_weights.analysis.search import judge_round, next_step, require_growth, search_table
from few_weights.errors import StudyError

TARGET = 0.97


def search(curve, widths, targets=(TARGET,)):
    """All rounds of a search on a curve, width -> accuracy, from the given widths."""
    means, rounds = {width: curve(width) for width in widths}, []
    while True:
        rounds.append(judge_round("vgg", len(rounds), means, targets))
        assert rounds[-1]["visited"] == list(means)
        if rounds[-1]["finished"]:
            return rounds
        assert rounds[-1]["next"] and not means.keys() & set(rounds[-1]["next"]), "a width is repeated"
        means |= {width: curve(width) for width in rounds[-1]["next"]}


@pytest.mark.parametrize("widths", [[64], [32, 16], [64, 8, 4], [1, 64], [5, 6, 7, 41], list(range(1, 65))])
def test_every_monotone_curve_ends_at_its_breakpoint(widths):
    for truth in range(1, 70):
        rounds = search(lambda width: 0.98 if width >= truth else 0.9, widths)  # noqa: B023
        (last,) = rounds[-1]["targets"]
        if truth > max(widths):
            assert last["verdict"] == "not_reached" and len(rounds) == 1
            assert last["reaching_width"] is None and str(max(widths)) in last["message"]
            continue
        assert (last["verdict"], last["reaching_width"]) == ("found", truth)
        assert last["missing_width"] == (truth - 1 or None)
        (first,) = rounds[0]["targets"]
        bracket = first["reaching_width"] - (first["missing_width"] or 0)
        assert len(rounds) - 1 <= math.ceil(math.log2(bracket))


@pytest.mark.parametrize("widths", [[8], [4, 8], [2, 5, 8], [1, 8]])
def test_the_verdict_is_true_for_every_curve(widths):
    for curve in itertools.product([0.9, 0.98], repeat=8):
        rounds = search(lambda width: curve[width - 1], widths)  # noqa: B023
        (last,) = rounds[-1]["targets"]
        visited = rounds[-1]["visited"]
        reaches = [width for width in visited if curve[width - 1] >= TARGET]
        if last["verdict"] == "not_reached":
            assert not reaches
            continue
        answer = last["reaching_width"]
        assert answer == min(reaches)
        assert answer == 1 or (answer - 1 in visited and curve[answer - 2] < TARGET)
        larger = [width for width in visited if width > answer and curve[width - 1] < TARGET]
        assert last["verdict"] == ("not_monotone" if larger else "found")
        assert all(str(width) in last["message"] for width in larger)


def test_several_targets_share_the_widths_and_end_together():
    for curve in itertools.product([0.9, 0.96, 0.98], repeat=6):
        rounds = search(lambda width: curve[width - 1], [3, 6], targets=(0.95, 0.97))  # noqa: B023
        assert len(rounds) <= 6
        for target in rounds[-1]["targets"]:
            assert target["verdict"] != "searching"


def test_a_rising_curve_with_four_targets():
    rounds = search(lambda width: 1 - 1 / width, [128], targets=(0.95, 0.97, 0.98, 0.99))
    found = {target["target"]: target["reaching_width"] for target in rounds[-1]["targets"]}
    assert found == {0.95: 20, 0.97: 34, 0.98: 50, 0.99: 100}
    assert len(rounds) - 1 <= 7


def test_messages():
    assert next_step({16: 0.96, 32: 0.98}, 0.97).message == "32 reaches 0.97, 16 misses it: try 24"
    assert next_step({16: 0.98}, 0.97).message == "16 reaches 0.97, nothing smaller was tried: try 8"
    assert next_step({1: 0.98}, 0.97).message == "1 reaches 0.97, there is no smaller width"
    assert next_step({1: 0.96, 2: 0.98}, 0.97).message == "2 reaches 0.97, 1 misses it"
    assert next_step({4: 0.96}, 0.97).message == "no width up to 4 reaches 0.97; give the study larger widths"
    message = next_step({1: 0.96, 2: 0.98, 3: 0.96, 4: 0.98}, 0.97).message
    assert message.startswith("2 reaches 0.97, 1 misses it, but so does 3: the curve is not monotone")


def test_the_rounds_as_a_table():
    table = search_table(search(lambda width: 0.98 if width >= 3 else 0.9, [4, 1]))
    assert table["round"].tolist() == [0, 1, 2]
    assert table["next_width"].fillna(0).tolist() == [2, 3, 0]
    assert table["visited"].tolist() == ["1 4", "1 2 4", "1 2 3 4"]


def test_a_width_must_mean_more_parameters():
    require_growth("vgg", {4: 400, 1: 100, 2: 200}, "refine")
    said = (
        "^certainty: vgg of width 4 has 200 parameters, no more than width 2 with 200; .* remove `certainty`"
    )
    with pytest.raises(StudyError, match=said):
        require_growth("vgg", {4: 200, 1: 100, 2: 200}, "certainty")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"targets": [{}]}', "null"])
def test_a_damaged_round_is_one_sentence(tmp_path, monkeypatch, capsys, content):
    good, bad = tmp_path / "round-0.json", tmp_path / "round-1.json"
    good.write_text(json.dumps(judge_round("vgg", 0, {1: 0.9, 2: 0.98}, (TARGET,))))
    bad.write_text(content)
    rounds = tmp_path / "rounds.json"
    rounds.write_text(json.dumps([str(good), str(bad)]))
    arguments = ["merge_searches.py", "--rounds", str(rounds), "--output", str(tmp_path / "search.csv")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        merge_searches.main()
    assert capsys.readouterr().err == (
        f"error: {bad} is not a complete round of a search; delete it and start again, and it is made again\n"
    )
