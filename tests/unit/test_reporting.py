"""The report says what the tables say, stands alone, and its entry point fails in one plain sentence."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import render_report as script
import yaml
from test_plotting import STUDY, breakpoints_of, history_of, layers_of, make_runs, spaced

from few_weights.analysis import read_tables
from few_weights.analysis.bootstrap import bootstrap_breakpoints
from few_weights.analysis.breakpoints import targets_table
from few_weights.analysis.mcnemar import compare_neighbours
from few_weights.analysis.model_tables import models_table, pareto_table
from few_weights.analysis.search import judge_round, search_table
from few_weights.analysis.seeds import models_with_intervals
from few_weights.plan.outputs import figures_of_study
from few_weights.report.answer import answer
from few_weights.report.figures import style
from few_weights.report.figures.comparison import plot_comparison
from few_weights.report.figures.curve import plot_curve
from few_weights.report.figures.first_layer import plot_first_layer
from few_weights.report.figures.learning import plot_learning
from few_weights.report.figures.mistakes import plot_mistakes
from few_weights.report.figures.smallest_network import choose_network
from few_weights.report.figures.timeline import plot_timeline
from few_weights.report.figures.weights_by_layer import plot_weights
from few_weights.report.page import render_report, render_table
from few_weights.report.study_tables import RECIPE, remark
from few_weights.report.svg import inline_svg

TEMPLATES = Path(script.__file__).parents[1] / "report"


def complete(runs: pd.DataFrame) -> pd.DataFrame:
    """The columns of runs.csv that only the report reads."""
    recipe = {"epochs": 12, "batch_size": 128, "optimizer": "adadelta", "learning_rate": 1.0}
    origin = {"train_examples": 60_000, "path": "keras", "device": "a CPU, 1 thread"}
    origin |= {"train_seconds": 30.25, "overhead_seconds": 4.5, "peak_memory_mib": 700}
    origin |= {"finished": "2026-01-01T00:01:00.000+00:00"}
    versions = {"python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6"}
    return runs.assign(**recipe, **origin, **versions, platform="Linux", code="abc123", host="node-7")


def drawings(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> dict[str, str]:
    shown = choose_network(runs, breakpoints)
    figures = {
        "comparison": plot_comparison(runs, breakpoints),
        "weights-by-layer": plot_weights(layers_of(runs), runs, breakpoints),
        "learning": plot_learning(history_of(runs), runs, breakpoints),
        "mistakes": plot_mistakes(shown, np.zeros((4, 28, 28, 1), np.uint8), np.arange(4), np.zeros(4, int)),
        "first-layer": plot_first_layer(shown, {"conv/kernel": np.ones((3, 3, 1, 2))}, (28, 28, 1)),
        "timeline": plot_timeline(runs),
    }
    figures |= {
        f"curve-{name}": plot_curve(runs, breakpoints, name) for name in runs["architecture"].unique()
    }
    return {
        name: style.figure_bytes(figure, "svg", title).decode() for name, (figure, title) in figures.items()
    }


def evidence_of(runs: pd.DataFrame, breakpoints: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables that say how sure the breakpoints are; every prediction was right at half of four images."""
    targets = breakpoints["target"].unique()
    return {
        "models": models_table(runs),
        "pareto": pareto_table(runs),
        "targets": targets_table(breakpoints),
        "bootstrap": bootstrap_breakpoints(runs, targets),
        "neighbours": compare_neighbours(runs, breakpoints, lambda run: np.array([True, False] * 2)),
        "counts": counts_of(runs),
    }


def counts_of(runs: pd.DataFrame) -> pd.DataFrame:
    """counts.csv, had every network one weight in ten at 0 and used each twice."""
    counts = runs.drop_duplicates(["architecture", "width"])[["architecture", "width"]].copy()
    counts["trainable"] = runs["parameters"]
    counts["non_zero"] = 0.9 * runs["parameters"]
    counts["at_each_use"] = 2 * runs["parameters"]
    return counts.assign(
        non_trainable=12, non_trainable_names="moving_mean", bytes=4 * counts["trainable"] + 48
    )


def page_of(runs: pd.DataFrame, targets=(0.97,)) -> str:
    runs = complete(runs)
    breakpoints = breakpoints_of(runs, targets)
    figures, evidence = drawings(runs, breakpoints), evidence_of(runs, breakpoints)
    page = render_report(TEMPLATES / "report.html.j2", runs, breakpoints, figures, evidence)
    return spaced(page)


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(make_runs(STUDY))


class Attributes(HTMLParser):
    """Every (tag, attribute, value) of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, name, value or "") for name, value in attrs]


def test_page_asks_the_network_for_nothing(page):
    assert "http:" not in page and "https:" not in page and "@import" not in page
    links = [value for _, name, value in Attributes(page).found if name in ("src", "href", "srcset", "data")]
    assert links and all(link.startswith(("#", "data:")) for link in links)


def test_ids_are_unique_and_every_reference_resolves(page):
    found = Attributes(page).found
    ids = [value for _, name, value in found if name == "id"]
    assert len(ids) == len(set(ids))
    references = {value[1:] for _, name, value in found if name == "href" and value.startswith("#")}
    references |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert references and references <= set(ids)


def test_every_figure_has_a_text_alternative(page):
    names = [value for tag, name, value in Attributes(page).found if (tag, name) == ("svg", "aria-label")]
    assert len(names) == 8 and "vgg: 400 weights are enough for 97 %" in names


def test_numbers_are_those_of_the_tables(page):
    assert (
        "On mnist the smallest network that reaches 97 % is vgg of width 2 with 400 weights "
        "(97.05 %, 1 seed); the perceptron mlp needs 409,600, 1,024 times as many."
    ) in page
    assert "half-width of 0.33 percentage points (96.67 % to 97.33 %" in page
    for run in make_runs(STUDY).itertuples():
        assert f'<td data-value="{run.test_accuracy}">{100 * run.test_accuracy:.2f} %' in page
    assert page.count('<span class="flag">collapsed</span>') == 1  # vgg of width 1, at 11 %
    assert "counted like any other: vgg 1 (seed 0)." in page
    assert "epochs 12, batch size 128, optimizer adadelta, learning rate 1" in page
    assert "node-7" not in page  # no part of the recipe
    assert "trained for 3 minutes, added up" in page  # six runs of 30.25 seconds


def test_recipe_shows_every_optimizer_setting():
    schema = yaml.safe_load((TEMPLATES.parent / "schemas" / "study.schema.yaml").read_text())["$defs"]
    optimizers = [schema[name]["properties"] for name in ("adadelta", "rmsprop", "sgd", "adam")]
    assert {key for settings in optimizers for key in settings} - {"name"} <= set(RECIPE)


def test_same_input_same_page(page):
    assert page_of(make_runs(STUDY)) == page


def test_breakpoint_that_moved_is_explained(page):
    assert (
        "The article&#39;s width 32 misses 97 % here with its one seed (96.60 %; in the article 97.11 %), "
        "so the breakpoint moves to width 64."
    ) in page
    assert "The same width as in the article." in page


def test_remark_when_a_smaller_model_is_enough_and_when_the_width_was_not_tried():
    def remark_on(widths):
        runs = make_runs({"mlp": widths})
        return spaced(remark(next(breakpoints_of(runs).itertuples()), models_with_intervals(runs), 10_000))

    assert (
        remark_on({16: 0.971, 32: 0.98})
        == "A smaller model than the article's is enough here with its one seed."
    )
    assert remark_on({48: 0.98}) == "The article's width 32 is not in this study."
    assert remark_on({32: 0.9, 64: 0.95}).endswith("and no other width reaches it.")


@pytest.mark.parametrize(
    ("runs", "targets", "sentence"),
    [
        (
            make_runs({"tiny_net": {3: 0.9}}, dataset="digits", examples=360),
            [0.9],
            "On digits the smallest network that reaches 90 % is tiny_net of width 3 with 900 weights "
            "(90.0 %, 1 seed).",
        ),
        (
            make_runs(STUDY),
            [0.99],
            "On mnist no network tried reaches 99 %; the best is vgg of width 4 with 1,600 weights "
            "(98.40 %).",
        ),
        (
            make_runs(STUDY, seeds=(0, 1)),
            [0.98],
            "On mnist the smallest network that reaches 98 % is vgg of width 4 with 1,600 weights "
            "(98.35 %, 2 seeds); mlp does not reach it at any width tried.",
        ),
    ],
)
def test_answers(runs, targets, sentence):
    assert [spaced(said) for said in answer(runs, breakpoints_of(runs, targets))] == [sentence]


def test_other_studies_render():
    tiny = page_of(make_runs({"tiny_net": {3: 0.91}}, dataset="digits", examples=360), [0.9])
    assert "article" not in re.sub(r"<style>.*?</style>", "", tiny, flags=re.DOTALL)
    several = page_of(make_runs(STUDY, seeds=(0, 1, 2)), [0.95, 0.98])
    assert "<td>not reached</td><td>–</td><td>97.40 %" in several and several.count('class="answer"') == 2
    assert "&amp;" not in several


def test_text_from_the_tables_is_escaped():
    runs = make_runs(STUDY, dataset="<b>mnist</b>")
    assert "<b>mnist" not in page_of(runs)


def test_tables_for_snakemake():
    runs = complete(make_runs(STUDY))
    breakpoints = breakpoints_of(runs)
    for kind, text in (("breakpoints", "409,600"), ("runs", "98.40 %")):
        page = spaced(render_table(TEMPLATES / "table.html.j2", kind, runs, breakpoints))
        assert text in page and "http" not in page


def test_svg_keeps_its_shape_and_loses_its_preamble():
    svg = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9pt" viewBox="0 0 9 9">'
    svg += '<title>a</title><path id="p"/><use xlink:href="#p" clip-path="url(#p)"/></svg>'
    assert inline_svg(svg, "x-") == (
        '<svg viewBox="0 0 9 9" role="img" aria-label="a"><title>a</title>'
        '<path id="x-p"/><use href="#x-p" clip-path="url(#x-p)"/></svg>'
    )


def write_inputs(folder: Path) -> dict[str, list[Path]]:
    """A study's tables and figures as files; the entry point's flags for them and for its outputs."""
    runs = complete(make_runs(STUDY))
    breakpoints = breakpoints_of(runs)
    runs.to_csv(folder / "runs.csv", index=False)
    breakpoints.to_csv(folder / "breakpoints.csv", index=False)
    for name, svg in drawings(runs, breakpoints).items():
        (folder / f"{name}.svg").write_text(svg)
    evidence = evidence_of(runs, breakpoints)
    for name, table in evidence.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return {
        "--runs": [folder / "runs.csv"],
        "--breakpoints": [folder / "breakpoints.csv"],
        "--figures": [folder / f"{name}.svg" for name in figures_of_study(["mlp", "vgg"], own_data=False)],
        "--tables": [folder / f"{name}.csv" for name in evidence],
        "--templates": [TEMPLATES],
        "--report": [folder / "report.html"],
        "--breakpoints-table": [folder / "tables" / "breakpoints.html"],
        "--runs-table": [folder / "tables" / "runs.html"],
    }


def run_script(monkeypatch, flags: dict[str, list[Path]]) -> None:
    arguments = [str(word) for flag, values in flags.items() for word in (flag, *values)]
    monkeypatch.setattr(sys, "argv", ["render_report.py", *arguments])
    script.main()


def page_of_files(monkeypatch, flags: dict[str, list[Path]]) -> str:
    """The page that the entry point makes."""
    run_script(monkeypatch, flags)
    return spaced(flags["--report"][0].read_text())


def notice_of(page: str) -> list[str]:
    """The sentences of the notice at the top of a page."""
    notice = re.search(r'<aside class="notice".*?</aside>', page, re.DOTALL)
    return re.findall(r"<li>(.*?)</li>", notice[0]) if notice else []


def test_a_complete_page_has_no_notice(page):
    assert notice_of(page) == []


def test_the_page_is_made_of_what_there_is(tmp_path, monkeypatch):
    """Each table and figure may be absent, in the arguments or from its place; and all at once."""
    flags = write_inputs(tmp_path)
    kinds = {"--tables": "{}.csv", "--figures": "figures/{}.svg"}
    for flag, name_of in kinds.items():
        for path in flags[flag]:
            name = name_of.format(path.stem)
            content = path.read_bytes()
            path.unlink()
            page = page_of_files(monkeypatch, flags)
            assert notice_of(page) == [f"{name} is missing, and what this page shows of it is left out."]
            without = [other for other in flags[flag] if other != path]
            assert page_of_files(monkeypatch, flags | {flag: without}) == page
            path.write_bytes(content)
    page = page_of_files(monkeypatch, flags | {"--tables": [], "--figures": []})
    (sentence,) = notice_of(page)
    assert all(name.format(path.stem) in sentence for flag, name in kinds.items() for path in flags[flag])
    assert "<svg" not in page and "409,600" in page
    links = [value[1:] for _, name, value in Attributes(page).found if name == "href" and value[0] == "#"]
    ids = [value for _, name, value in Attributes(page).found if name == "id"]
    assert links and set(links) <= set(ids)


def test_notes_head_the_page_and_name_what_is_missing_once(tmp_path, monkeypatch):
    flags = write_inputs(tmp_path)
    notes = [
        "3 of 90 runs are missing: vgg width 2 seed <4>.",
        "counts.csv is missing: there are no weights.",
    ]
    file = tmp_path / "notes.json"
    file.write_text(json.dumps(notes))
    flags["--tables"] = [path for path in flags["--tables"] if path.stem != "counts"]
    for given in (file, json.dumps(notes)):
        page = page_of_files(monkeypatch, flags | {"--notes": [given]})
        assert notice_of(page) == [notes[0].replace("<4>", "&lt;4&gt;"), notes[1]]


@pytest.mark.parametrize("content", ['{"a": 1}', "[1]", "[", "no JSON"])
def test_notes_that_are_no_sentences_are_refused(tmp_path, monkeypatch, capsys, content):
    (tmp_path / "notes.json").write_text(content)
    with pytest.raises(SystemExit):
        run_script(monkeypatch, write_inputs(tmp_path) | {"--notes": [tmp_path / "notes.json"]})
    assert "error: --notes" in capsys.readouterr().err


def test_damaged_tables_and_figures_are_one_sentence(tmp_path, monkeypatch, capsys):
    flags = write_inputs(tmp_path)
    for path in [*flags["--tables"], *flags["--figures"], *flags["--runs"], *flags["--breakpoints"]]:
        content = path.read_bytes()
        for bad in (b"", b"\xff\x00", content[: len(content) // 2], content[:-3]):
            path.write_bytes(bad)
            with pytest.raises(SystemExit):
                run_script(monkeypatch, flags)
            said = capsys.readouterr().err
            assert said.startswith("error: ") and path.name in said and said.count("\n") == 1, said
        path.write_bytes(content)
    run_script(monkeypatch, flags)


def test_diverged_runs_are_named_marked_and_explained():
    runs = make_runs(STUDY, seeds=(0, 1)).assign(diverged_in_epoch=pd.NA)
    runs.loc[[0, 1, 2], "diverged_in_epoch"] = [3, 1, 12]
    page = page_of(runs.astype({"diverged_in_epoch": "Int64"}))
    (sentence,) = notice_of(page)
    assert sentence.startswith(
        "3 of 12 runs diverged: mlp width 16 seeds 0, 1 in epochs 3, 1; mlp width 32 seed 0 in epoch 12. "
    )
    assert "smaller learning_rate" in sentence
    assert page.count('<span class="flag">diverged</span>') == 3
    # Trained for three and for one of the twelve epochs in 30.25 seconds each.
    assert f"<td>{(30.25 / 3 + 30.25) / 2:.2f}</td>" in page
    assert '<th scope="col">Diverged</th>' in page


def test_where_every_run_diverged_there_is_no_best_one():
    runs = make_runs(STUDY, seeds=(0, 1))
    of_mlp = [1 if name == "mlp" else pd.NA for name in runs["architecture"]]
    page = page_of(runs.assign(diverged_in_epoch=pd.array(of_mlp, "Int64")), targets=[0.05, 0.999])
    assert page.count('<td>–<span class="interval">every run diverged</span></td>') == 2
    assert "the best is vgg of width 4" in page
    page = page_of(runs.assign(diverged_in_epoch=pd.array([1] * len(runs), "Int64")))
    assert "On mnist no network tried reaches 97 %; every run diverged." in page


def test_data_of_ones_own_are_shown(tmp_path, monkeypatch):
    flags = write_inputs(tmp_path)
    for name in ("runs", "breakpoints"):
        path = tmp_path / f"{name}.csv"
        path.write_text(path.read_text().replace("mnist", "mine"))
    assert notice_of(page_of_files(monkeypatch, flags))[0].startswith("figures/data.svg is missing")
    data = tmp_path / "data.svg"
    data.write_text((tmp_path / "learning.svg").read_text())
    page = page_of_files(monkeypatch, flags | {"--figures": [*flags["--figures"], data]})
    assert notice_of(page) == [] and "<h2>The data</h2>" in page and 'href="#data"' in page


def test_entry_point_writes_the_same_page_from_files(tmp_path, monkeypatch, page):
    run_script(monkeypatch, write_inputs(tmp_path))
    assert spaced((tmp_path / "report.html").read_text()) == page
    assert (tmp_path / "tables" / "runs.html").exists()
    assert not list(tmp_path.rglob(".*"))


def without_accuracy(flags, folder):
    read_tables.read_runs(folder / "runs.csv").drop(columns="test_accuracy").to_csv(
        folder / "runs.csv", index=False
    )


def under_a_file(flags, folder):
    flags["--report"] = [folder / "runs.csv" / "report.html"]


def without_breakpoints(flags, folder):
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
    flags = write_inputs(tmp_path)
    break_it(flags, tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run_script(monkeypatch, flags)
    said = capsys.readouterr().err
    assert (
        stopped.value.code == 1 and said.startswith("error: ") and message in said and "Traceback" not in said
    )


def test_page_says_what_chose_and_how_sure_it_is():
    runs = make_runs(STUDY, seeds=(0, 1, 2))
    page = page_of(runs)
    assert "The test set chose the breakpoints." in page
    assert "Images held out chose" not in page
    assert "width 2, p = 1.000" in page  # vgg 4 is the breakpoint: the mean of vgg 2 is 96.95 %
    assert "Which architecture owns which range" in page
    assert "What each target costs" not in page and "The search for the exact width" not in page


def test_page_of_a_study_that_held_images_out_and_searched():
    runs = make_runs(STUDY, seeds=(0, 1)).assign(validation_examples=5_000)
    runs["validation_correct"] = (5_000 * runs["test_accuracy"] - 25).round().astype(int)
    runs["validation_accuracy"] = runs["validation_correct"] / 5_000
    breakpoints = breakpoints_of(runs, (0.95, 0.97))
    runs = complete(runs)
    search = search_table([judge_round("vgg", 0, {1: 0.9, 2: 0.98}, (0.95, 0.97))])
    page = spaced(
        render_report(
            TEMPLATES / "report.html.j2",
            runs,
            breakpoints,
            drawings(runs, breakpoints),
            evidence_of(runs, breakpoints) | {"search": search},
        )
    )
    assert "Images held out chose the breakpoints." in page and "The last 5,000 training examples" in page
    assert "2 reaches 0.97, 1 misses it" in page
    assert "What each target costs" in page
    # vgg 2 reaches 97 % on the test images and misses it on those that choose.
    assert breakpoints.set_index(["architecture", "target"])["width"]["vgg", 0.97] == 4
    assert "The article's width 2 misses 97 % here" in page.replace("&#39;", "'").replace("’", "'")
    assert "on the images held out" in page
