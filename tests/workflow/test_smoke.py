"""The whole workflow on the real MNIST, shrunk: config/smoke.yaml from nothing to its report."""

import json
import re

import pandas as pd
import yaml

from few_weights.plan.outputs import figures_of_study, tables_of_study

ARCHITECTURES = ["mlp", "pooled_mlp", "cnn", "vgg"]


def test_every_output_of_the_contract_is_there(finished_smoke):
    results = finished_smoke.folder / "results" / "smoke"
    study = yaml.safe_load((finished_smoke.folder / "config" / "smoke.yaml").read_text())
    for architecture in ARCHITECTURES:
        for width in study["architectures"][architecture]["widths"]:
            run = results / "runs" / architecture / f"width-{width}" / "seed-0"
            metrics = json.loads((run / "metrics.json").read_text())
            assert (metrics["architecture"], metrics["width"], metrics["seed"]) == (architecture, width, 0)
            assert metrics["test_correct"] == round(metrics["test_accuracy"] * 10_000)
            assert "epoch   1/1" in (run / "train.log").read_text()
            assert (run / "benchmark.tsv").exists()
    assert len(pd.read_csv(results / "runs.csv")) == 8
    assert pd.read_csv(results / "breakpoints.csv")["architecture"].tolist() == ARCHITECTURES
    for name in tables_of_study(refine=False, certainty=False, halving=False, quantised=False):
        assert (results / f"{name}.csv").stat().st_size > 0
    for name in figures_of_study(ARCHITECTURES, own_data=False):
        for suffix in (".svg", ".png"):
            assert (results / "figures" / f"{name}{suffix}").stat().st_size > 1000


def test_training_learns(finished_smoke):
    """After one epoch a perceptron of width 32 is right far more often than chance: near 90 %."""
    runs = pd.read_csv(finished_smoke.folder / "results" / "smoke" / "runs.csv")
    accuracy = runs.set_index(["architecture", "width"])["test_accuracy"]
    assert accuracy["mlp", 32] > 0.85


def test_nothing_is_left_to_do_and_nothing_half_written(finished_smoke):
    assert finished_smoke.planned_jobs("--configfile", "config/smoke.yaml") == {}
    assert not list((finished_smoke.folder / "results").rglob("*.tmp"))


def test_the_run_ends_with_the_answer_and_where_the_report_lies(finished_smoke):
    end = finished_smoke.output[-2500:]
    assert re.search(r"architecture +target +reached", end)
    assert str(finished_smoke.folder / "results" / "smoke" / "report.html") in end


def test_the_report_stands_alone(finished_smoke):
    page = (finished_smoke.folder / "results" / "smoke" / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page)
    assert page.count("<svg") == len(figures_of_study(ARCHITECTURES, own_data=False))


def test_snakemakes_own_report_is_made_without_complaint(smoke):
    job = smoke.snakemake("--configfile", "config/smoke.yaml", "--report", "provenance.html")
    page = (smoke.folder / "provenance.html").read_text()
    for text in (page, job.stderr):
        assert "(ERROR/" not in text
        assert "(WARNING/" not in text
    assert "comparison" in page
