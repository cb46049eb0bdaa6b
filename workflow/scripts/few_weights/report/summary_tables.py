"""The page's tables of results: targets, Pareto front, all models, counts of weights, search and cost."""

from collections.abc import Iterable

import pandas as pd

from few_weights.analysis.divergence import epochs_trained
from few_weights.analysis.rows import by_model, rows
from few_weights.analysis.seeds import selection_of
from few_weights.report import wording
from few_weights.report.text_table import TextTable


def targets_as_text(targets: pd.DataFrame, architectures: Iterable[str]) -> TextTable:
    """targets.csv: the weights of each architecture's breakpoint, turned to one row per architecture: a study
    can have many of them, with long names, and a page is only so wide."""
    percents, *columns = (targets.iloc[:, position].tolist() for position in range(targets.shape[1]))
    texts = [
        [
            architecture,
            *(
                str(cell) if isinstance(cell, str) and not cell.isdigit() else wording.count(float(cell))
                for cell in cells
            ),
        ]
        for architecture, cells in zip(architectures, columns, strict=True)
    ]
    return TextTable(["Architecture", *map(wording.percent, percents)], texts)


def pareto_as_text(pareto: pd.DataFrame, runs: pd.DataFrame) -> TextTable:
    """pareto.csv: the best model for each range of weights."""
    headings = ["Architecture", "Width", "Weights from", "to", "Bytes", "FLOPs per image"]
    headings += ["Selection mean", "Test mean"]
    selection_examples = int(runs[f"{selection_of(runs)}_examples"].max())
    test_examples = int(runs["test_examples"].max())
    texts = [
        [
            row.architecture,
            str(row.width),
            wording.count(row.from_parameters),
            "any" if pd.isna(row.to_parameters) else wording.count(row.to_parameters),
            wording.count(row.weight_bytes),
            wording.count(row.flops_per_image),
            wording.accuracy(row.selection_accuracy, selection_examples),
            wording.accuracy(row.test_accuracy, test_examples),
        ]
        for row in rows(pareto)
    ]
    return TextTable(headings, texts)


def bytes_as_text(front: pd.DataFrame, runs: pd.DataFrame) -> TextTable:
    """bytes.csv: the best model for each range of bytes."""
    selection_examples = int(runs[f"{selection_of(runs)}_examples"].max())
    test_examples = int(runs["test_examples"].max())
    texts = [
        [
            row.architecture,
            str(row.width),
            wording.count(row.parameters),
            wording.count(row.from_bytes),
            "any" if pd.isna(row.to_bytes) else wording.count(row.to_bytes),
            wording.accuracy(row.selection_accuracy, selection_examples),
            wording.accuracy(row.test_accuracy, test_examples),
        ]
        for row in rows(front)
    ]
    headings = ["Architecture", "Width", "Weights", "Bytes from", "to", "Selection mean", "Test mean"]
    return TextTable(headings, texts)


def models_as_text(models: pd.DataFrame) -> TextTable:
    """models.csv in short: each model's size and what its seeds reach on the test images."""
    headings = ["Architecture", "Width", "Weights", "Bytes", "FLOPs per image", "Seeds", "Collapsed"]
    # Tables from before runs could diverge do not say so.
    some_diverged = "diverged" in models and models["diverged"].any()
    headings += ["Diverged"] if some_diverged else []
    headings += ["Test mean", "Standard deviation", "95 % interval"]
    texts = [
        [
            row.architecture,
            str(row.width),
            wording.count(row.parameters),
            wording.count(row.weight_bytes),
            wording.count(row.flops_per_image),
            str(row.seeds),
            str(row.collapsed),
            *([str(row.diverged)] if some_diverged else []),
            wording.accuracy(row.test_accuracy, row.test_examples),
            "–" if pd.isna(row.test_accuracy_sd) else wording.percent(row.test_accuracy_sd, 2),
            wording.interval(row.test_accuracy_low, row.test_accuracy_high, row.test_examples) or "–",
        ]
        for row in rows(models)
    ]
    return TextTable(headings, texts)


def counts_as_text(counts: pd.DataFrame) -> TextTable:
    """counts.csv without the names of what is not trained: each model's weights by every way of counting."""
    headings = ["Architecture", "Width", "Trainable", "Not zero", "Once per use", "Not trained", "Bytes"]
    texts = [
        [
            row.architecture,
            str(row.width),
            wording.count(row.trainable),
            # A mean over seeds.
            f"{row.non_zero:,.1f}",
            wording.count(row.at_each_use),
            wording.count(row.non_trainable),
            wording.count(row.bytes),
        ]
        for row in rows(counts)
    ]
    return TextTable(headings, texts)


def certainty_as_text(certainty: pd.DataFrame) -> TextTable:
    """certainty.csv in short: each width after the last round, or after the one that decided it."""
    last = certainty.drop_duplicates(["architecture", "width", "target"], keep="last")
    ordered = last.sort_values(["architecture", "target", "width"], kind="stable")
    texts = [
        [
            row.architecture,
            wording.percent(row.target),
            str(row.width),
            wording.count(row.parameters),
            str(row.seeds),
            wording.percent(row.mean, 2),
            f"{100 * row.low:.2f} to {wording.percent(row.high, 2)}",
            row.verdict,
        ]
        for row in rows(ordered)
    ]
    headings = ["Architecture", "Target", "Width", "Weights", "Seeds", "Selection mean", "Interval"]
    headings += ["Certain"]
    return TextTable(headings, texts)


def search_as_text(search: pd.DataFrame) -> TextTable:
    """search.csv: the verdict of each round, in order."""
    ordered = search.sort_values(["architecture", "target", "round"], kind="stable")
    texts = [
        [row.architecture, wording.percent(row.target), str(row.round), row.message] for row in rows(ordered)
    ]
    return TextTable(["Architecture", "Target", "Round", "Verdict"], texts)


def stages_as_text(stages: pd.DataFrame) -> TextTable:
    """stages.csv: the models of each stage, the most accurate for their size first."""
    ordered = stages.sort_values(
        ["stage", "beaten_by", "validation_accuracy"], ascending=[True, True, False], kind="stable"
    )
    last = stages["stage"].max()
    texts = [
        [
            str(row.stage),
            str(row.epochs),
            row.architecture,
            str(row.width),
            wording.count(row.parameters),
            wording.count(row.weight_bytes),
            str(row.seeds),
            wording.percent(row.validation_accuracy, 2),
            str(row.beaten_by),
            "" if row.stage == last else "yes" if row.goes_on else "no",
            f"{row.train_seconds / 60:,.1f}",
        ]
        for row in rows(ordered)
    ]
    headings = ["Stage", "Epochs", "Architecture", "Width", "Weights", "Bytes", "Seeds", "Held-out mean"]
    return TextTable([*headings, "Beaten by", "Goes on", "Training, minutes"], texts)


def stages_sentence(stages: pd.DataFrame) -> str:
    """How many models each stage trained and how long that took, such as "6 models for 1 epoch (0.1 core
    hours), then 3 for 4 epochs (0.2 core hours)"."""
    parts: list[str] = []
    for _, models in stages.groupby("stage"):
        least, most = models["epochs"].min(), models["epochs"].max()
        epochs = f"{least} to {most} epochs" if least < most else f"{least} epoch{'s' if least > 1 else ''}"
        hours = models["train_seconds"].sum() / 3600
        parts.append(f"{len(models)}{'' if parts else ' models'} for {epochs} ({hours:.2f} core hours)")
    return ", then ".join(parts)


def cost_as_text(runs: pd.DataFrame) -> TextTable:
    """What a run of each model costs: means over its runs, and the most memory that any of them took."""
    headings = ["Architecture", "Width", "Weights", "Runs", "Epochs", "Seconds per epoch", "Training, s"]
    headings += ["Start-up, s", "Peak memory, MiB"]
    texts = [
        [
            architecture,
            str(width),
            wording.count(group["parameters"].iloc[0]),
            str(len(group)),
            str(group["epochs"].iloc[0]),
            f"{(group['train_seconds'] / epochs_trained(group)).mean():,.2f}",
            f"{group['train_seconds'].mean():,.1f}",
            f"{group['overhead_seconds'].mean():,.1f}",
            wording.count(group["peak_memory_mib"].max()),
        ]
        for architecture, width, group in by_model(runs)
    ]
    return TextTable(headings, texts)
