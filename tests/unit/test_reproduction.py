"""Two executions of a study are compared bit for bit; a damaged table is one sentence."""

import sys
from pathlib import Path

import compare_runs as compare_script
import numpy as np
import pytest
import reproduce_runs as reproduce_script
from samples.runs import execution_of, metrics_of, runs_of

from few_weights.analysis.breakpoints import find_breakpoints
from few_weights.analysis.merge import history_table, runs_table
from few_weights.analysis.read_tables import read_runs
from few_weights.analysis.reproduction import (
    RESULTS,
    SETTINGS,
    Results,
    compare_circumstances,
    draw_runs,
    find_differences,
    moved_breakpoints,
    name_of,
    records_of,
    uncompared_columns,
    why_bits_may_differ,
)
from few_weights.engine.compilation import OWN_BITS, where_bits_are_equal
from few_weights.errors import StudyError
from few_weights.files import read_rows
from few_weights.plan.runs import Run

CNN, VGG = Run("cnn", 2, 0), Run("vgg", 1, 0)


def results_of(*runs: Run, **changes) -> Results:
    """The results of runs that differ from made-up ones in the given keys of metrics.json."""
    records = [metrics_of(run, **changes) for run in runs]
    return Results(runs_table(records), history_table(records))


def difference(fresh: Results, reference: Results | None = None) -> str:
    """The only difference there is, as it is printed, to the run as it was."""
    found = find_differences(fresh, reference or results_of(CNN))
    assert len(found) == 1
    return next(f"{name_of(run)}: {each.text}" for run, each in found.items())


def history(**changes) -> list[dict]:
    """A history of two epochs, with changes in the second."""
    first, second = metrics_of(CNN)["history"]
    return [first, second | changes]


def test_equal_results_have_no_difference_even_where_values_are_empty():
    # No images are held out, so that the validation's figures are empty.
    assert find_differences(results_of(CNN, VGG), results_of(CNN, VGG)) == {}
    diverged = {"test_loss": None, "history": history(train_loss=None), "diverged_in_epoch": 2}
    assert find_differences(results_of(CNN, **diverged), results_of(CNN, **diverged)) == {}


def test_what_may_differ_is_no_difference_and_is_listed():
    changes = {"study": "other", "path": "by Keras", "code": "4567"}
    execution = execution_of(train_seconds=7.0, host="node-8", bits=OWN_BITS, started="today")
    fresh, reference = results_of(CNN, **changes, execution=execution), results_of(CNN)
    assert find_differences(fresh, reference) == {}
    assert compare_circumstances(fresh.runs, reference.runs) == [
        "code: 4567; reference 0123",
        "host: node-8; reference node-7",
        "path: by Keras; reference general",
        f"bits: {OWN_BITS}; reference any x86-64 with AVX2 and FMA",
        "seconds of training: 7.0; reference 3.5",
    ]


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"parameters": 1001}, "parameters 1001 / 1000"),
        ({"batch_size": 64, "test_loss": 0.2}, "batch_size 64 / 128"),
        ({"optimizer": {"name": "adadelta", "learning_rate": 1.0, "rho": 0.95}}, "epsilon none / 1e-07"),
        (
            {"schedule": {"name": "warmup_cosine", "warmup": 0.1}},
            "schedule warmup_cosine / none; warmup 0.1 / none",
        ),
        (
            {"history": history(train_loss=0.2 + 2**-55)},
            "history from epoch 2, train_loss 0.20000000000000004 / 0.20000000000000001",
        ),
        ({"history": history(test_accuracy=0.9)}, "history from epoch 2, test_accuracy 0.9 / 0.97"),
        ({"history": history(test_loss=None)}, "history from epoch 2, test_loss none / 0.1"),
        ({"history": history(validation_loss=0.1)}, "history from epoch 2, validation_loss 0.1 / none"),
        ({"history": history()[:1]}, "history of 1 / 2 epochs"),
        ({"history": []}, "history of 0 / 2 epochs"),
        (
            {"history": history(train_loss=0.3), "test_correct": 9_690, "predictions_sha256": "0"},
            "history from epoch 2, train_loss 0.3 / 0.2; test_correct 9690 / 9700",
        ),
        ({"test_correct": 9_690}, "test_correct 9690 / 9700"),
        ({"test_loss": 0.1001}, "test_loss 0.1001 / 0.1"),
        ({"test_loss": None}, "test_loss none / 0.1"),
        ({"validation_correct": 4_500}, "validation_correct 4500 / none"),
        ({"validation_loss": 0.3}, "validation_loss 0.3 / none"),
        ({"diverged_in_epoch": 2}, "diverged_in_epoch 2 / none"),
        ({"predictions_sha256": "0"}, "predictions differ"),
        ({"weights_sha256": "0"}, "weights differ"),
    ],
)
def test_each_kind_of_difference_is_found_and_named(changes, text):
    assert difference(results_of(CNN, **changes)) == f"cnn 2, seed 0: {text}"
    (found,) = find_differences(results_of(CNN, **changes), results_of(CNN)).values()
    assert found.in_bits == (text.split()[0] not in SETTINGS)


def test_other_data_are_a_difference():
    fresh, reference = (results_of(CNN, data_sha256=digest) for digest in ("a", "b"))
    assert difference(fresh, reference) == "cnn 2, seed 0: data differ"


def test_the_smallest_difference_in_a_table_on_disk_is_found(tmp_path):
    """Earlier versions of pandas read numbers that were off by the last bit."""
    rng, path = np.random.default_rng(0), tmp_path / "runs.csv"
    losses = rng.random(1_000)
    runs = runs_of({("cnn", 2): [9_700] * len(losses)}).assign(test_loss=losses)
    runs.to_csv(path, index=False)
    assert (read_runs(path)["test_loss"].to_numpy() == losses).all()


def test_runs_on_one_side_only_are_named():
    found = find_differences(results_of(CNN), results_of(VGG))
    assert {name_of(run): each.text for run, each in found.items()} == {
        "cnn 2, seed 0": "only in the fresh study",
        "vgg 1, seed 0": "only in the reference",
    }


def test_columns_that_an_older_table_lacks_are_not_compared_and_named():
    new, old = results_of(CNN), results_of(CNN)
    del old.runs["predictions_sha256"], old.runs["loss"], old.history["train_loss"]
    assert find_differences(new, old) == {} == find_differences(old, new)
    assert uncompared_columns(new, old) == ["loss", "predictions_sha256", "history: train_loss"]
    assert "predictions_sha256" in uncompared_columns(old, old)
    assert uncompared_columns(new, new) == []
    # Some runs of a table may be older than others.
    new.runs["predictions_sha256"] = None
    assert find_differences(new, results_of(CNN)) == {}


def test_every_result_is_compared():
    assert {"test_correct", "test_loss", "validation_correct", "validation_loss"} <= set(RESULTS)
    assert {"parameters", "epochs", "batch_size", "optimizer", "learning_rate", "schedule"} <= set(SETTINGS)


def test_breakpoints_that_moved_are_named():
    high, low = (find_breakpoints(runs_of({("cnn", 8): [right]}), [0.97]) for right in (9_700, 9_600))
    assert moved_breakpoints(high, high) == []
    assert moved_breakpoints(high, low) == ["cnn at 0.97: breakpoint 8 / none"]
    assert moved_breakpoints(low, low.iloc[:0]) == ["cnn at 0.97: breakpoint none / none"]


def test_the_same_seed_draws_the_same_runs_each_once():
    runs = runs_of({("cnn", 2): [9_700] * 5, ("vgg", 1): [9_700] * 5})
    drawn = draw_runs(runs, 4, seed=1)
    assert drawn == draw_runs(runs, 4, seed=1) and len(set(drawn)) == 4
    assert any(drawn != draw_runs(runs, 4, seed=seed) for seed in range(2, 9))
    assert set(draw_runs(runs, 100, seed=1)) == set(records_of(runs))


def test_bits_must_be_the_same_only_where_both_runs_say_so_with_the_same_versions():
    run = records_of(results_of(CNN).runs)[CNN]
    assert why_bits_may_differ(run, run) == ""
    assert where_bits_are_equal() in (run["bits"], OWN_BITS)
    own = {"bits": OWN_BITS, "path": "by Keras"}
    assert "of this run are those of its kind of machine; it was computed by Keras" in why_bits_may_differ(
        run | own, run
    )
    assert "of the committed run are those of its kind" in why_bits_may_differ(run, run | own)
    assert "the committed run does not say" in why_bits_may_differ(run, run | {"bits": float("nan")})
    assert "the same on any ARM, and here on any x86-64" in why_bits_may_differ(
        run, run | {"bits": "any ARM"}
    )
    assert why_bits_may_differ(run | {"numpy": "2.5"}, run) == "other versions: numpy 2.5 / 2.4"
    assert why_bits_may_differ(run | {"python": "3.12", "code": "4567"}, run) == ""


def write(results: Results, folder: Path) -> None:
    """Write the tables of a study that are compared."""
    folder.mkdir(parents=True, exist_ok=True)
    baseline = {"baseline_architecture": "cnn", "baseline_width": 8, "baseline_parameters": 4_000}
    runs = results.runs.assign(**baseline)
    runs.to_csv(folder / "runs.csv", index=False)
    results.history.to_csv(folder / "history.csv", index=False)
    find_breakpoints(runs, [0.97]).to_csv(folder / "breakpoints.csv", index=False)


def test_comparing_ends_with_one_word_and_its_exit_status(tmp_path, monkeypatch, capsys):
    study, reference = tmp_path / "tiny", tmp_path / "reference" / "tiny"
    write(results_of(CNN, VGG), study)
    write(results_of(CNN, VGG), reference)
    monkeypatch.setattr(compare_script, "results_folder", lambda configfile: study)
    monkeypatch.setattr(sys, "argv", ["compare_runs.py", "--configfile", "tiny.yaml"])
    compare_script.main()
    lines = capsys.readouterr().out.splitlines()
    assert "2 of 2 shared runs are equal" in lines and lines[-1] == "equal"
    write(results_of(CNN, VGG, history=history(test_loss=0.0871)), study)
    with pytest.raises(SystemExit) as ended:
        compare_script.main()
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1 and lines[-1] == "different"
    assert "cnn 2, seed 0: history from epoch 2, test_loss 0.0871 / 0.1" in lines
    assert "0 of 2 shared runs are equal" in lines and "The breakpoints are the same" in lines


@pytest.fixture
def reproduce(tmp_path, monkeypatch, capsys):
    """Reproduces the runs of a study as a function of what is committed, and of what training gives."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tiny.yaml").write_text("study: tiny")
    (tmp_path / "config" / "broken.yaml").write_text("[")
    monkeypatch.chdir(tmp_path)

    def run(committed: Results, fresh: Results, *options: str) -> tuple[int, str]:
        write(committed, tmp_path / "results" / "reference" / "tiny")
        monkeypatch.setattr(reproduce_script, "train", lambda file, name, runs, cores: fresh.of(runs))
        monkeypatch.setattr(sys, "argv", ["reproduce_runs.py", *options])
        try:
            reproduce_script.main()
        except SystemExit as ended:
            return ended.code, capsys.readouterr().out
        return 0, capsys.readouterr().out

    return run


def test_reproducing_ends_with_one_word_and_its_exit_status(reproduce):
    fresh, other = results_of(CNN, VGG), results_of(CNN, VGG, test_loss=0.2)
    status, text = reproduce(fresh, fresh, "--seed", "7")
    assert status == 0 and text.splitlines()[-1] == "equal"
    assert "SEED=7 draws the same runs again" in text and "2 of 2 runs have the same bits" in text
    assert "Not compared" not in text
    status, text = reproduce(fresh, other, "--runs", "1")
    assert status == 1 and text.splitlines()[-1] == "different"
    assert "test_loss 0.2 / 0.1 (the bits must be the same)" in text
    # A run by Keras, or a table from before digests and bits were recorded: told, and no failure.
    by_keras = results_of(CNN, VGG, test_loss=0.2, execution=execution_of(bits=OWN_BITS), code="4567")
    status, text = reproduce(fresh, by_keras)
    assert status == 0 and text.splitlines()[-1] == "allowed"
    assert "(allowed: the bits of this run" in text and "code has changed since)" in text
    old = Results(fresh.runs.drop(columns=["bits", "predictions_sha256"]), fresh.history)
    status, text = reproduce(old, other)
    assert status == 0 and text.splitlines()[-1] == "allowed"
    assert "committed table does not record it: predictions_sha256" in text
    # Other settings are no matter of bits.
    status, text = reproduce(old, results_of(CNN, VGG, batch_size=64))
    assert status == 1 and "batch_size 64 / 128 (the settings must be the same)" in text


def test_what_cannot_be_reproduced_is_one_sentence(reproduce, tmp_path, capsys):
    results = results_of(CNN)
    assert reproduce(results, results, "--runs", "0")[0] == 1
    (tmp_path / "config" / "tiny.yaml").write_text("study: other")
    assert reproduce(results, results)[0] == 1
    assert reproduce(results, results, "--configfile", "config/tiny.yaml")[0] == 1


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
    study, reference = tmp_path / "tiny", tmp_path / "reference" / "tiny"
    for folder in (study, reference):
        write(results_of(CNN, VGG), folder)
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


def test_the_study_of_repeated_runs_has_a_name_that_a_study_may_have():
    assert reproduce_script.reproduced("article") == "article-reproduced"
    assert len(reproduce_script.reproduced("k" * 64)) == 64
