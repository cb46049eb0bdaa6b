"""Reads the study's tables, and says so plainly where a column is missing."""

from pathlib import Path

import pandas as pd

from few_weights.errors import StudyError

RUNS = [
    "study",
    "dataset",
    "architecture",
    "width",
    "seed",
    "parameters",
    "epochs",
    "batch_size",
    "optimizer",
]
RUNS += ["learning_rate", "train_examples", "test_accuracy", "test_correct", "test_examples"]
RUNS += ["train_seconds", "overhead_seconds", "peak_memory_mib", "finished"]
RUNS += ["validation_examples", "multiply_adds"]
RUNS += ["baseline_architecture", "baseline_width", "baseline_parameters"]
RUNS += ["path", "device", "python", "tensorflow", "keras", "numpy", "platform", "code"]
LAYERS = ["architecture", "width", "position", "type", "output_shape", "parameters"]
HISTORY = ["architecture", "width", "seed", "epoch", "train_accuracy", "validation_accuracy", "test_accuracy"]
BREAKPOINTS = ["architecture", "target", "reached", "width", "parameters", "test_accuracy", "seeds"]
BREAKPOINTS += ["baseline_architecture", "baseline_width", "baseline_parameters", "compression"]
BREAKPOINTS += ["selection", "selection_accuracy", "selection_low", "selection_high", "certain"]
BREAKPOINTS += ["reaching", "share_low", "share_high", "larger_missing"]
BREAKPOINTS += ["article_width", "article_parameters", "article_test_accuracy", "article_compression"]

# Names are read as text: an architecture may be called "nan" or "1e3".
TEXT = dict.fromkeys(["study", "dataset", "architecture", "baseline_architecture", "code"], str)
WHOLE = ["width", "parameters", "seeds", "baseline_width", "baseline_parameters", "article_width"]
WHOLE += ["article_parameters", "reaching", "larger_missing"]


def read_runs(path: Path | str) -> pd.DataFrame:
    """runs.csv: one row a run."""
    return _read(path, RUNS, TEXT)


def read_layers(path: Path | str) -> pd.DataFrame:
    """layers.csv: one row a layer of a model."""
    return _read(path, LAYERS, TEXT | {"output_shape": str})


def read_history(path: Path | str) -> pd.DataFrame:
    """history.csv: one row an epoch of each run."""
    return _read(path, HISTORY, TEXT)


def read_breakpoints(path: Path | str) -> pd.DataFrame:
    """breakpoints.csv: one row an architecture and target; whole numbers stay whole beside empty cells."""
    numbers = dict.fromkeys(WHOLE, "Int64")
    floats = dict.fromkeys(
        ["test_accuracy", "article_test_accuracy", "compression", "article_compression"], float
    )
    return _read(path, BREAKPOINTS, TEXT | numbers | floats | {"certain": "boolean"})


def read_evidence(path: Path | str) -> pd.DataFrame:
    """A table of models, pareto, targets, bootstrap, neighbours, counts or search; it may have no rows."""
    columns = pd.read_csv(path, nrows=0).columns
    whole = {"width", "smaller_width", "seed", "to_parameters"} & set(columns)
    types = TEXT | dict.fromkeys(whole, "Int64")
    return pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])


def _read(path: Path | str, columns: list[str], types: dict) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
    except pd.errors.EmptyDataError:
        raise StudyError(f"{path} is empty; delete it and start again, it is made again") from None
    missing = [column for column in columns if column not in table.columns]
    if missing or table.empty:
        problem = f"lacks {', '.join(missing)}" if missing else "has no rows"
        raise StudyError(f"{path} {problem}; delete it and start again, it is made again")
    return table
