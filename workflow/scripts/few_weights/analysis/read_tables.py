"""Reads the study's tables, and says so plainly where a column is missing."""

import io
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


#: The columns of the tables that the report shows besides; it may show none of them.
EVIDENCE = {
    "models": "architecture width parameters weight_bytes flops_per_image seeds collapsed test_examples "
    "test_accuracy test_accuracy_sd test_accuracy_low test_accuracy_high",
    "pareto": "architecture width from_parameters to_parameters weight_bytes flops_per_image selection "
    "selection_accuracy test_accuracy",
    "targets": "target",
    "bootstrap": "architecture target width times share",
    "neighbours": "architecture width smaller_width seed p_holm",
    "counts": "architecture width trainable non_zero at_each_use non_trainable bytes",
    "search": "architecture round target message",
}


#: A single seed, or no smaller model to compare with, leaves these without rows.
MAY_BE_EMPTY = ("bootstrap", "neighbours")


# Names are read as text: an architecture may be called "nan" or "1e3".
TEXT = dict.fromkeys(["study", "dataset", "architecture", "baseline_architecture", "code"], str)


WHOLE = ["width", "parameters", "seeds", "baseline_width", "baseline_parameters", "article_width"]


WHOLE += ["article_parameters", "reaching", "larger_missing"]


#: Of runs.csv, what is never empty.
RUN_NUMBERS = dict.fromkeys(
    ["width", "seed", "parameters", "epochs", "test_correct", "test_examples"], "int64"
)


RUN_NUMBERS |= dict.fromkeys(["validation_examples", "multiply_adds"], "int64")


RUN_NUMBERS |= dict.fromkeys(["test_accuracy", "train_seconds", "overhead_seconds"], float)


def read_runs(path: Path | str) -> pd.DataFrame:
    """runs.csv: one row a run."""
    runs = _read(path, RUNS, TEXT | RUN_NUMBERS | {"diverged_in_epoch": "Int64"})
    # Tables from before runs could diverge do not say so.
    if "diverged_in_epoch" not in runs:
        runs["diverged_in_epoch"] = pd.array([pd.NA] * len(runs), "Int64")
    return runs


def read_layers(path: Path | str) -> pd.DataFrame:
    """layers.csv: one row a layer of a model."""
    numbers = dict.fromkeys(["width", "position", "parameters"], "int64")
    return _read(path, LAYERS, TEXT | numbers | {"output_shape": str})


def read_history(path: Path | str) -> pd.DataFrame:
    """history.csv: one row an epoch of each run."""
    numbers = dict.fromkeys(["width", "seed", "epoch"], "int64")
    accuracies = dict.fromkeys(["train_accuracy", "validation_accuracy", "test_accuracy"], float)
    return _read(path, HISTORY, TEXT | numbers | accuracies)


def read_breakpoints(path: Path | str) -> pd.DataFrame:
    """breakpoints.csv: one row an architecture and target; whole numbers stay whole beside empty cells."""
    numbers = dict.fromkeys(WHOLE, "Int64")
    floats = dict.fromkeys(
        ["target", "test_accuracy", "article_test_accuracy", "compression", "article_compression"], float
    )
    return _read(path, BREAKPOINTS, TEXT | numbers | floats | {"certain": "boolean", "reached": bool})


def read_evidence(path: Path | str) -> pd.DataFrame:
    """A table of models, pareto, targets, bootstrap, neighbours, counts or search."""
    name = Path(path).stem
    columns = EVIDENCE.get(name, "").split()
    whole = {"width", "smaller_width", "seed", "to_parameters"} & set(columns)
    return _read(path, columns, TEXT | dict.fromkeys(whole, "Int64"), name in MAY_BE_EMPTY)


def _read(path: Path | str, columns: list[str], types: dict, may_be_empty: bool = False) -> pd.DataFrame:
    """A CSV with at least these columns.

    Raises:
        StudyError: the file is empty, cut short, or another table.
    """
    content = Path(path).read_bytes()
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=types, keep_default_na=False, na_values=[""])
        missing = [column for column in columns if column not in table.columns]
        if missing:
            problem = f"lacks {', '.join(missing)}"
        elif table.empty and not may_be_empty:
            problem = "has no rows"
        # Every table of the workflow ends with the end of a line; a last number that is cut may pass for one.
        elif not content.endswith(b"\n"):
            problem = "is cut short in its last line"
        else:
            return table
    except pd.errors.EmptyDataError:
        problem = "is empty"
    except (ValueError, TypeError, OverflowError) as error:  # what does not parse, or is no text at all
        problem = f"is not a table of this workflow ({' '.join(str(error).split())[:200]})"
    raise StudyError(f"{path} {problem}; delete it and start again, it is made again")
