"""The page's table of runs, and its lists of recipes and versions."""

from dataclasses import dataclass

import pandas as pd

from few_weights.analysis.divergence import epochs_trained, has_collapsed, has_diverged
from few_weights.analysis.reproduction import ANY_MACHINE
from few_weights.analysis.rows import by_architecture, rows
from few_weights.analysis.table_columns import OPTIMIZER_SETTINGS, SCHEDULE_SETTINGS
from few_weights.report import wording
from few_weights.report.wording import distinct, enumeration, plural

#: The columns of runs.csv that say how an architecture was trained, in the order of the page.
RECIPE = [
    *("epochs", "batch_size", "loss", "optimizer", "learning_rate"),
    # Epsilon last: few studies set it.
    *sorted((column.name for column in OPTIMIZER_SETTINGS), key=lambda name: name == "epsilon"),
    *(column.name for column in SCHEDULE_SETTINGS),
    "code",
]

#: The columns of runs.csv that name the software and hardware of a run, and what the page calls them.
CIRCUMSTANCES = {
    "python": "Python",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "numpy": "NumPy",
    "llvmlite": "llvmlite",
    "platform": "Platform",
    "device": "Device",
    "path": "Computed by",
}


@dataclass(frozen=True)
class RunRow:
    """A run; a pair is a value to sort by and its text. `flag` is "diverged", "collapsed" or empty."""

    architecture: str
    width: int
    seed: int
    parameters: tuple[int, str]
    accuracy: tuple[float, str]
    errors: tuple[int, str]
    flag: str
    epochs: int
    seconds: tuple[float, str]
    memory: tuple[float, str]


def run_rows(runs: pd.DataFrame) -> list[RunRow]:
    """The rows of the table of runs, in the order of runs.csv."""
    flagged = runs.assign(
        collapsed=has_collapsed(runs), diverged=has_diverged(runs), trained=epochs_trained(runs)
    )
    return [
        RunRow(
            architecture=run.architecture,
            width=run.width,
            seed=run.seed,
            parameters=(run.parameters, wording.count(run.parameters)),
            accuracy=(run.test_accuracy, wording.accuracy(run.test_accuracy, run.test_examples)),
            errors=(
                run.test_examples - run.test_correct,
                wording.count(run.test_examples - run.test_correct),
            ),
            flag="diverged" if run.diverged else "collapsed" if run.collapsed else "",
            epochs=run.trained,
            seconds=(run.train_seconds, f"{run.train_seconds:,.1f}"),
            memory=(run.peak_memory_mib, wording.count(run.peak_memory_mib)),
        )
        for run in rows(flagged)
    ]


def recipes(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """How each architecture was trained: (its name, every setting that it has as "name value")."""
    columns = [column for column in RECIPE if column in runs.columns]
    return [
        (
            architecture,
            ", ".join(
                f"{column.replace('_', ' ')} {distinct(group[column])}"
                for column in columns
                if group[column].notna().any()
            ),
        )
        for architecture, group in by_architecture(runs)
    ]


def environments(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """(name, value) of software, device and the program that computed; several values where runs differ."""
    # Runs from before llvmlite was used do not name it.
    return [(name, distinct(runs[column])) for column, name in CIRCUMSTANCES.items() if column in runs]


def repeatability(runs: pd.DataFrame) -> str:
    """On which machines the runs give the same bits, and which runs do not and why, as one sentence.

    Empty for a table of an earlier version, which does not say it.
    """
    if "bits" not in runs or runs["bits"].isna().all():
        return ""
    anywhere = runs["bits"].str.startswith(ANY_MACHINE, na=False)
    parts = []
    if anywhere.any():
        machines = distinct(runs.loc[anywhere, "bits"])
        parts.append(f"for {plural(anywhere.sum(), 'run')} on {machines}")
    if not anywhere.all():
        reasons = [
            f"{architecture} was computed {distinct(group['path'])}"
            for architecture, group in by_architecture(runs[~anywhere])
        ]
        number = plural((~anywhere).sum(), "run")
        parts.append(f"for {number} only on the same kind of machine as before ({enumeration(reasons)})")
    return f"With the same versions, training again gives the same bits: {'; '.join(parts)}."
