"""Two executions of a study are compared line by line; a damaged table is one sentence."""

import sys

import compare_runs as compare_script
import pytest
from samples.runs import runs_of

from few_weights.analysis.breakpoints import find_breakpoints
from few_weights.analysis.reproduction import compare_breakpoints, compare_circumstances, compare_runs
from few_weights.errors import StudyError
from few_weights.files import read_rows


def test_comparison_shows_what_differs():
    reference = runs_of({("cnn", 2): [9_700], ("cnn", 1): [9_600]})
    fresh = runs_of({("cnn", 2): [9_690], ("vgg", 1): [9_600]})
    fresh["keras"] = "4.0"
    text = compare_runs(fresh, reference)
    assert "-10" in text
    assert "cnn width 1 seed 0                only in the reference" in text
    assert "vgg width 1 seed 0                only in the fresh study" in text
    assert compare_circumstances(fresh, reference) == "keras: 4.0; reference 3.15"
    assert "the same" in compare_circumstances(reference, reference)
    moved = compare_breakpoints(
        find_breakpoints(runs_of({("cnn", 8): [9_700]}), [0.97]),
        find_breakpoints(runs_of({("cnn", 8): [9_600]}), [0.97]),
    )
    assert moved.splitlines()[1].split() == ["cnn", "at", "0.97", "8", "none", "moved"]


def damaged(content: bytes) -> list[bytes]:
    """A CSV that is emptied, cut short, or of another kind."""
    header = content.splitlines(keepends=True)[0]
    return [
        b"",
        b"\n",
        b"\xff\xfe",
        header,
        content[:-3],
        content[:150],
        b"a,b\n1,2\n",
        content.replace(b",", b";"),
    ]


def test_a_damaged_table_is_one_sentence_for_comparing_and_for_counting(tmp_path, monkeypatch, capsys):
    runs = runs_of({("cnn", 2): [9_700], ("cnn", 1): [9_600]})
    study, reference = tmp_path / "tiny", tmp_path / "reference" / "tiny"
    for folder in (study, reference):
        folder.mkdir(parents=True)
        runs.to_csv(folder / "runs.csv", index=False)
        find_breakpoints(runs, [0.97]).to_csv(folder / "breakpoints.csv", index=False)
    path = study / "runs.csv"
    assert len(read_rows(path)) == 2
    monkeypatch.setattr(compare_script, "results_folder", lambda configfile: study)
    monkeypatch.setattr(sys, "argv", ["compare_runs.py", "--configfile", "tiny.yaml"])
    compare_script.main()
    assert "2 of 2 shared runs" in capsys.readouterr().out
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(StudyError, match="delete it and start again"):
            read_rows(path)
        with pytest.raises(SystemExit):
            compare_script.main()
        error = capsys.readouterr().err
        assert error.startswith(f"error: {path} ") and error.count("\n") == 1
