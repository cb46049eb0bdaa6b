"""The entry point makes the page of what is there, and fails in one plain sentence."""

import json

import pytest
from samples.figures import spaced
from samples.pages import EMPTY_SVG, Attributes, notice_of, page_of, page_of_files, run_script, write_inputs
from samples.runs import STUDY, study_of

from few_weights.analysis import read_tables


def test_what_is_missing_is_named_and_left_out(tmp_path, monkeypatch):
    """Each table and figure may be missing, from the arguments or from disk; and all of them together."""
    options = write_inputs(tmp_path)
    for path in options["--figures"]:
        path.write_text(EMPTY_SVG)
    kinds = {"--tables": "{}.csv", "--figures": "figures/{}.svg"}
    for option, name_of in kinds.items():
        for path in options[option]:
            name = name_of.format(path.stem)
            content = path.read_bytes()
            path.unlink()
            page = page_of_files(monkeypatch, options)
            assert notice_of(page) == [
                f"{name} is missing; the parts of this page that show it are left out."
            ]
            without = [other for other in options[option] if other != path]
            assert page_of_files(monkeypatch, options | {option: without}) == page
            path.write_bytes(content)
    page = page_of_files(monkeypatch, options | {"--tables": [], "--figures": []})
    (sentence,) = notice_of(page)
    assert all(
        name.format(path.stem) in sentence for option, name in kinds.items() for path in options[option]
    )
    assert "<svg" not in page and "409,600" in page
    links = [value[1:] for _, name, value in Attributes(page).found if name == "href" and value[0] == "#"]
    ids = [value for _, name, value in Attributes(page).found if name == "id"]
    assert links and set(links) <= set(ids)


def test_notes_head_the_page_and_name_what_is_missing_once(tmp_path, monkeypatch):
    options = write_inputs(tmp_path)
    notes = [
        "3 of 90 runs are missing: vgg width 2 seed <4>.",
        "counts.csv is missing: there are no weights.",
    ]
    file = tmp_path / "notes.json"
    file.write_text(json.dumps(notes))
    options["--tables"] = [path for path in options["--tables"] if path.stem != "counts"]
    for given in (file, json.dumps(notes)):
        page = page_of_files(monkeypatch, options | {"--notes": [given]})
        assert notice_of(page) == [notes[0].replace("<4>", "&lt;4&gt;"), notes[1]]


@pytest.mark.parametrize("content", ['{"a": 1}', "[1]", "[", "no JSON"])
def test_notes_that_are_not_a_list_of_sentences_are_refused(tmp_path, monkeypatch, capsys, content):
    (tmp_path / "notes.json").write_text(content)
    with pytest.raises(SystemExit):
        run_script(monkeypatch, write_inputs(tmp_path) | {"--notes": [tmp_path / "notes.json"]})
    assert "error: --notes" in capsys.readouterr().err


def test_damaged_tables_and_figures_are_one_sentence(tmp_path, monkeypatch, capsys):
    options = write_inputs(tmp_path)
    for path in [*options["--tables"], *options["--figures"], *options["--runs"], *options["--breakpoints"]]:
        content = path.read_bytes()
        for bad in (b"", b"\xff\x00", content[: len(content) // 2], content[:-3]):
            path.write_bytes(bad)
            with pytest.raises(SystemExit):
                run_script(monkeypatch, options)
            error = capsys.readouterr().err
            assert error.startswith("error: ") and path.name in error and error.count("\n") == 1, error
        path.write_bytes(content)
    run_script(monkeypatch, options)


def test_a_users_own_data_set_is_shown(tmp_path, monkeypatch):
    options = write_inputs(tmp_path)
    for name in ("runs", "breakpoints"):
        path = tmp_path / f"{name}.csv"
        path.write_text(path.read_text().replace("mnist", "mine"))
    assert notice_of(page_of_files(monkeypatch, options))[0].startswith("figures/data.svg is missing")
    data = tmp_path / "data.svg"
    data.write_text((tmp_path / "learning.svg").read_text())
    page = page_of_files(monkeypatch, options | {"--figures": [*options["--figures"], data]})
    assert notice_of(page) == [] and "<h2>The data</h2>" in page and 'href="#data"' in page


def test_entry_point_writes_the_same_page_from_files(tmp_path, monkeypatch):
    run_script(monkeypatch, write_inputs(tmp_path))
    assert spaced((tmp_path / "report.html").read_text()) == page_of(study_of(STUDY))
    assert (tmp_path / "tables" / "runs.html").exists()
    assert not list(tmp_path.rglob(".*"))


def without_accuracy(options, folder):
    read_tables.read_runs(folder / "runs.csv").drop(columns="test_accuracy").to_csv(
        folder / "runs.csv", index=False
    )


def under_a_file(options, folder):
    options["--report"] = [folder / "runs.csv" / "report.html"]


def without_breakpoints(options, folder):
    (folder / "breakpoints.csv").unlink()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (without_accuracy, "runs.csv lacks test_accuracy"),
        (under_a_file, "could not write"),
        (without_breakpoints, "breakpoints.csv: No such file"),
    ],
)
def test_what_is_broken_is_named(tmp_path, monkeypatch, capsys, break_it, message):
    options = write_inputs(tmp_path)
    break_it(options, tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run_script(monkeypatch, options)
    error = capsys.readouterr().err
    assert stopped.value.code == 1 and error.startswith("error: ")
    assert message in error and "Traceback" not in error
