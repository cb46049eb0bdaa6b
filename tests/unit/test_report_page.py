"""The page says what the tables say, and stands alone."""

import re

import pandas as pd
import pytest
import yaml
from samples.figures import spaced
from samples.pages import TEMPLATES, Attributes, notice_of, page_of
from samples.runs import STUDY, breakpoints_of, hold_out, study_of

from few_weights.analysis.search import judge_round, search_table
from few_weights.analysis.seeds import models_with_intervals
from few_weights.report.breakpoint_table import remark
from few_weights.report.page import render_table
from few_weights.report.run_tables import RECIPE
from few_weights.report.svg import inline_svg


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(study_of(STUDY))


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
    assert len(names) == 9 and "vgg: 400 weights are enough for 97 %" in names


def test_numbers_are_those_of_the_tables(page):
    assert (
        "On MNIST the smallest network that reaches 97 % is vgg of width 2 with 400 weights "
        "(97.05 %, 1 seed); the perceptron mlp needs 409,600, 1,024 times as many."
    ) in page
    assert "±0.33 percentage points (96.67 % to 97.33 %" in page
    for run in study_of(STUDY).itertuples():
        assert f'<td data-value="{run.test_accuracy}">{100 * run.test_accuracy:.2f} %' in page
    assert page.count('<span class="flag">collapsed</span>') == 1  # vgg of width 1, at 11 %
    assert "counted like any other: vgg 1 (seed 0)." in page
    assert "optimizer adadelta, learning rate 1, rho 0.95, epsilon 1e-07, code abc123" in page
    assert "node-7" not in page  # no part of the recipe
    assert "trained for 3 minutes in total" in page  # six runs of 30.25 seconds


def test_recipe_shows_every_optimizer_setting():
    schema = yaml.safe_load((TEMPLATES.parent / "schemas" / "study.schema.yaml").read_text())["$defs"]
    for name in schema["optimizer"]["properties"]["name"]["enum"]:
        assert set(schema[name]["properties"]) - {"name"} <= set(RECIPE), name


def test_recipe_shows_every_setting_of_what_a_recipe_may_leave_out():
    schema = yaml.safe_load((TEMPLATES.parent / "schemas" / "study.schema.yaml").read_text())["$defs"]
    section = schema["architecture"]["properties"]
    assert "schedule" in RECIPE
    assert set(section["schedule"]["properties"]) - {"name"} <= set(RECIPE)
    for key in ("augmentation", "quantisation"):
        assert set(section[key]["properties"]) <= set(RECIPE)


def test_page_says_where_the_runs_have_the_same_bits(page):
    promise = "With the same versions, training again gives the same bits: for"
    assert f"{promise} 6 runs on any x86-64 with AVX2 and FMA.</p>" in page
    runs = study_of(STUDY)
    by_keras = runs["architecture"] == "vgg"
    runs.loc[by_keras, ["bits", "path"]] = [
        "this kind of machine",
        "by Keras, and not by machine code, since",
    ]
    assert (
        f"{promise} 3 runs on any x86-64 with AVX2 and FMA; for 3 runs only on the same kind of machine as "
        "before (vgg was computed by Keras, and not by machine code, since)."
    ) in page_of(runs)
    assert promise not in page_of(runs.drop(columns="bits"))


def test_same_input_same_page(page):
    assert page_of(study_of(STUDY)) == page


def test_breakpoint_that_moved_is_explained(page):
    assert (
        "The article&#39;s width 32 misses 97 % here with one seed (96.60 %; in the article 97.11 %), "
        "so the breakpoint moves to width 64."
    ) in page
    assert "The same width as in the article." in page


def test_remark_when_a_smaller_model_is_enough_and_when_the_width_was_not_tried():
    def remark_on(widths):
        runs = study_of({"mlp": widths})
        return spaced(remark(next(breakpoints_of(runs).itertuples()), models_with_intervals(runs), 10_000))

    assert (
        remark_on({16: 0.971, 32: 0.98}) == "A smaller model than the article's is enough here with one seed."
    )
    assert remark_on({48: 0.98}) == "The article's width 32 is not in this study."
    assert remark_on({32: 0.9, 64: 0.95}).endswith("and no other width reaches it.")


def test_other_studies_render():
    tiny = page_of(study_of({"tiny_net": {3: 0.91}}, dataset="digits", examples=360), [0.9], drawn=False)
    assert "article" not in re.sub(r"<style>.*?</style>", "", tiny, flags=re.DOTALL)
    several = page_of(study_of(STUDY, seeds=(0, 1, 2)), [0.95, 0.98], drawn=False)
    assert "<td>not reached</td><td>–</td><td>97.40 %" in several and several.count('class="answer"') == 2
    assert "&amp;" not in several


def test_text_from_the_tables_is_escaped():
    runs = study_of(STUDY, dataset="<b>mnist</b>")
    assert "<b>mnist" not in page_of(runs)


def test_tables_for_snakemake():
    runs = study_of(STUDY)
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


def test_a_complete_page_has_no_notice(page):
    assert notice_of(page) == []


def test_diverged_runs_are_named_marked_and_explained():
    runs = study_of(STUDY, seeds=(0, 1)).assign(diverged_in_epoch=pd.NA)
    runs.loc[[0, 1, 2], "diverged_in_epoch"] = [3, 1, 12]
    page = page_of(runs.astype({"diverged_in_epoch": "Int64"}), drawn=False)
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
    runs = study_of(STUDY, seeds=(0, 1))
    of_mlp = [1 if name == "mlp" else pd.NA for name in runs["architecture"]]
    page = page_of(
        runs.assign(diverged_in_epoch=pd.array(of_mlp, "Int64")), targets=[0.05, 0.999], drawn=False
    )
    assert page.count('<td>–<span class="interval">every run diverged</span></td>') == 2
    assert "the best is vgg of width 4" in page
    page = page_of(runs.assign(diverged_in_epoch=pd.array([1] * len(runs), "Int64")))
    assert "On MNIST no network tried reaches 97 %; every run diverged." in page


def test_page_says_what_chose_the_breakpoints_and_how_certain_they_are():
    runs = study_of(STUDY, seeds=(0, 1, 2))
    page = page_of(runs, drawn=False)
    assert "The breakpoints were chosen on the test set." in page
    assert "chosen on held-out images" not in page
    assert "width 2, p = 1.000" in page  # vgg 4 is the breakpoint: the mean of vgg 2 is 96.95 %
    assert "The best model for each budget of weights" in page
    assert "What each target costs" not in page and "The search for the exact width" not in page


def test_page_of_a_study_that_held_images_out_and_searched():
    runs = hold_out(study_of(STUDY, seeds=(0, 1)))
    search = search_table([judge_round("vgg", 0, {1: 0.9, 2: 0.98}, (0.95, 0.97))])
    page = page_of(runs, (0.95, 0.97), drawn=False, search=search)
    assert (
        "The breakpoints were chosen on held-out images." in page
        and "The last 5,000 training examples" in page
    )
    assert "2 reaches 0.97, 1 misses it" in page
    assert "What each target costs" in page
    # vgg 2 reaches 97 % on the test images and misses it on the selection images.
    breakpoints = breakpoints_of(runs, (0.95, 0.97))
    assert breakpoints.set_index(["architecture", "target"])["width"]["vgg", 0.97] == 4
    assert "The article's width 2 misses 97 % here" in page.replace("&#39;", "'").replace("’", "'")
    assert "on the held-out images" in page
