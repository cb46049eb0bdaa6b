"""Read the study's tables, and report a file that is damaged, cut short or lacks a column."""

import io
from pathlib import Path

import pandas as pd

from few_weights.analysis import table_columns
from few_weights.analysis.table_columns import Table
from few_weights.errors import StudyError


def read_runs(path: Path | str) -> pd.DataFrame:
    """runs.csv: one row per run."""
    runs = read_table(path, table_columns.RUNS)
    # Tables from before runs could diverge do not say so.
    if "diverged_in_epoch" not in runs:
        runs["diverged_in_epoch"] = pd.array([pd.NA] * len(runs), "Int64")
    return runs


def read_layers(path: Path | str) -> pd.DataFrame:
    """layers.csv: one row for each layer of each model."""
    return read_table(path, table_columns.LAYERS)


def read_history(path: Path | str) -> pd.DataFrame:
    """history.csv: one row for each epoch of each run."""
    return read_table(path, table_columns.HISTORY)


def read_breakpoints(path: Path | str) -> pd.DataFrame:
    """breakpoints.csv: one row for each architecture and target."""
    return read_table(path, table_columns.BREAKPOINTS)


def read_certainty(path: Path | str) -> pd.DataFrame:
    """certainty.csv: one row for each architecture, round, width and target."""
    return read_table(path, table_columns.CERTAINTY)


def read_table(path: Path | str, table: Table) -> pd.DataFrame:
    """A table of the study, with at least the columns that its definition requires.

    Text that looks like something else stays text: an architecture may be called "nan" or "1e3".

    Raises:
        StudyError: the file is empty, cut short, or another table.
    """
    content = Path(path).read_bytes()
    try:
        read = pd.read_csv(io.BytesIO(content), dtype=table.types, keep_default_na=False, na_values=[""])
        missing = [column for column in table.required if column not in read.columns]
        if missing:
            problem = f"lacks {', '.join(missing)}"
        elif read.empty and not table.may_be_empty:
            problem = "has no rows"
        # Every table of the workflow ends with a line break; a last number that is cut short may still be
        # one.
        elif not content.endswith(b"\n"):
            problem = "is cut short in its last line"
        else:
            return read
    except pd.errors.EmptyDataError:
        problem = "is empty"
    except (ValueError, TypeError, OverflowError) as error:  # what cannot be parsed, or is not text
        problem = f"is not a valid {table.name}.csv ({' '.join(str(error).split())[:200]})"
    raise StudyError(f"{path} {problem}; delete it and start again, and it is made again")
