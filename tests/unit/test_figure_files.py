"""A figure that cannot be drawn leaves a placeholder that says why, and the report says so, too."""

import sys

import numpy as np
import plot
import pytest
from samples.pages import page_of_files, write_inputs
from samples.runs import RULES, STUDY, breakpoints_of, certainty_of, history_of, layers_of, study_of

from few_weights.analysis.table_columns import TABLES
from few_weights.errors import StudyError
from few_weights.plan.outputs import EACH, FIGURES
from few_weights.report.figures.files import LONGEST, NOT_DRAWN, write_figure
from few_weights.report.svg import svg_title
from few_weights.training.run_files import arrays_sha256


def test_what_fails_in_any_way_leaves_a_placeholder_and_its_traceback(tmp_path, capsys):
    errors = [TypeError("Invalid shape (16, 16, 2) for image data"), StopIteration(), MemoryError()]
    errors += [
        ValueError("a $ sign & <b>brackets</b>\nand a line"),
        KeyError("x" * 10_000),
        AssertionError(""),
    ]
    for error in errors:

        def draw(error=error):
            raise error

        write_figure(tmp_path / "a.svg", tmp_path / "a.png", draw)
        title = svg_title((tmp_path / "a.svg").read_text())
        assert title.startswith(NOT_DRAWN + type(error).__name__)
        assert len(title) <= len(NOT_DRAWN) + LONGEST
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        assert "Traceback" in capsys.readouterr().err
    write_figure(tmp_path / "a.svg", tmp_path / "a.png", lambda: (None, "drawn, but not to be rendered"))
    assert "AttributeError" in svg_title((tmp_path / "a.svg").read_text())


def test_what_a_user_can_fix_stays_an_error(tmp_path):
    for error in (StudyError("it is damaged"), FileNotFoundError("runs.csv")):

        def draw(error=error):
            raise error

        with pytest.raises(type(error)):
            write_figure(tmp_path / "a.svg", tmp_path / "a.png", draw)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def inputs(tmp_path):
    """The files that the entry points read, and their arguments."""
    runs = study_of(STUDY)
    breakpoints = breakpoints_of(runs, rules=RULES)
    tables = {
        "runs": runs,
        "breakpoints": breakpoints,
        "layers": layers_of(runs),
        "history": history_of(runs),
        "certainty": certainty_of(runs, seeds=1),
    }
    run = tmp_path / "runs" / "vgg" / "width-2" / "seed-0"
    run.mkdir(parents=True)
    labels = np.arange(20, dtype=np.uint8) % 10
    files = {"predictions": {"test": labels[::-1]}, "weights": {"conv2d/kernel": np.ones((3, 3, 2, 4))}}
    for kind, arrays in files.items():
        np.savez(run / f"{kind}.npz", **arrays)
        runs[f"{kind}_sha256"] = arrays_sha256(arrays)
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    images = np.zeros((20, 8, 8, 2), np.uint8)
    np.savez(tmp_path / "own.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    return tmp_path


def draw(monkeypatch, figure, inputs):
    """Draw a figure by its entry point; the title of the file that it wrote."""
    output = FIGURES[figure]
    arguments = [figure, *(str(inputs / f"{table}.csv") for table in output.tables)]
    arguments += ["--architecture", "vgg"] if figure in EACH else []
    arguments += ["--data", str(inputs / "own.npz"), "--dataset", "own"] if output.data else []
    svg, png = inputs / f"{figure}.svg", inputs / f"{figure}.png"
    monkeypatch.setattr(sys, "argv", ["plot.py", *arguments, "--svg", str(svg), "--png", str(png)])
    plot.main()
    assert png.read_bytes().startswith(b"\x89PNG")
    return svg_title(svg.read_text())


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_drawn_or_leaves_a_placeholder(figure, inputs, monkeypatch):
    assert not draw(monkeypatch, figure, inputs).startswith(NOT_DRAWN)
    monkeypatch.setattr(plot.module_of(figure), "draw", lambda inputs: 1 / 0)
    assert draw(monkeypatch, figure, inputs) == f"{NOT_DRAWN}ZeroDivisionError: division by zero"


@pytest.mark.parametrize("figure", [name for name in FIGURES if FIGURES[name].tables])
def test_a_damaged_table_is_one_sentence_in_every_figure(figure, inputs, monkeypatch, capsys):
    """Emptied, cut short anywhere, without a column, or another file altogether."""
    for name in FIGURES[figure].tables:
        path = inputs / f"{name}.csv"
        content = path.read_bytes()
        lines = content.splitlines(keepends=True)
        column = 3 if name == "runs" else 0
        without_column = b"\n".join(
            b",".join(cell for index, cell in enumerate(line.split(b",")) if index != column)
            for line in content.splitlines()
        )
        damaged = [b"", b"\n", content[:-1], content[:-4], content[: len(content) // 2]]
        damaged += [] if TABLES[name].may_be_empty else [lines[0]]
        damaged += [without_column + b"\n", b"\x89PNG\r\n\x1a\n\x00\xff", content.replace(b",", b";")]
        for bad in damaged:
            path.write_bytes(bad)
            with pytest.raises(SystemExit):
                draw(monkeypatch, figure, inputs)
            said = capsys.readouterr().err
            assert said.startswith(f"error: {path} ") and said.count("\n") == 1, said
            assert "delete it and start again" in said
        path.write_bytes(content)


def test_the_report_names_a_placeholder(tmp_path, monkeypatch):
    flags = write_inputs(tmp_path)
    write_figure(tmp_path / "learning.svg", tmp_path / "learning.png", lambda: 1 / 0)
    page = page_of_files(monkeypatch, flags)
    assert "The figure learning could not be drawn: ZeroDivisionError: division by zero" in page
