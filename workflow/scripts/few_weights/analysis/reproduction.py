"""Compare two executions of one study, as text: which results differ, and what might be why."""

import pandas as pd

from few_weights.analysis.rows import rows

#: The columns that identify a run.
RUN = ["architecture", "width", "seed"]

#: Columns of runs.csv that say under which circumstances a run was trained.
CIRCUMSTANCES = ["python", "tensorflow", "keras", "numpy", "llvmlite", "code", "platform", "device", "path"]


def compare_runs(fresh: pd.DataFrame, reference: pd.DataFrame) -> str:
    """One line per run: both test accuracies, their difference in images, both training times in seconds."""
    columns = [*RUN, "parameters", "epochs", "test_correct", "test_accuracy", "train_seconds"]
    both = fresh[columns].merge(
        reference[columns], on=RUN, how="outer", suffixes=("", "_reference"), indicator="found_in"
    )
    header = ("fresh", "reference", "images", "seconds", "reference")
    lines = [f"{'run':<34}" + "".join(f"{title:>11}" for title in header)]
    for row in rows(both):
        name = f"{row.architecture} width {row.width} seed {row.seed}"
        if row.found_in != "both":
            where = "fresh study" if row.found_in == "left_only" else "reference"
            lines.append(f"{name:<34}only in the {where}")
            continue
        lines.append(
            f"{name:<34}{row.test_accuracy:>11.4f}{row.test_accuracy_reference:>11.4f}"
            f"{row.test_correct - row.test_correct_reference:>+11.0f}"
            f"{row.train_seconds:>11.1f}{row.train_seconds_reference:>11.1f}"
        )
        for column in ("parameters", "epochs"):
            here, there = getattr(row, column), getattr(row, f"{column}_reference")
            if here != there:
                lines.append(f"{'':<34}{column}: {here:.0f}, reference {there:.0f}")
    shared = both[both["found_in"] == "both"]
    same = (shared["test_correct"] == shared["test_correct_reference"]).sum()
    lines.append(f"{same} of {len(shared)} shared runs have the same number of correct test images")
    return "\n".join(lines)


def compare_breakpoints(fresh: pd.DataFrame, reference: pd.DataFrame) -> str:
    """One line for each architecture and target: the width of both breakpoints, and whether it moved."""
    both = fresh.merge(reference, on=["architecture", "target"], how="outer", suffixes=("", "_reference"))
    lines = [f"{'breakpoint':<34}{'fresh':>9}{'reference':>11}"]
    for row in rows(both):
        widths = [f"{w:.0f}" if pd.notna(w) else "none" for w in (row.width, row.width_reference)]
        moved = "" if widths[0] == widths[1] else "   moved"
        lines.append(f"{f'{row.architecture} at {row.target}':<34}{widths[0]:>9}{widths[1]:>11}{moved}")
    return "\n".join(lines)


def compare_circumstances(fresh: pd.DataFrame, reference: pd.DataFrame) -> str:
    """The versions, code and hardware that differ between both executions, one line per column."""
    lines = []
    for column in CIRCUMSTANCES:
        here, there = _values(fresh, column), _values(reference, column)
        if here != there:
            lines.append(f"{column}: {', '.join(here)}; reference {', '.join(there)}")
    return "\n".join(lines or ["Versions, code and hardware are the same."])


def _values(runs: pd.DataFrame, column: str) -> list[str]:
    """The different values of a column, sorted; runs from before llvmlite was used do not name it."""
    return sorted(map(str, runs[column].unique())) if column in runs else ["none"]
