"""Compare two executions of one study: what differs in each run, and what might be why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import pandas as pd

from few_weights.analysis.rows import rows
from few_weights.analysis.table_columns import HISTORY, OPTIMIZER_SETTINGS, RUNS, SCHEDULE_SETTINGS
from few_weights.plan.runs import Run

#: The columns that identify a run.
RUN = ["architecture", "width", "seed"]

#: Columns of runs.csv that say under which circumstances a run was trained; they may differ.
CIRCUMSTANCES = [
    *("python", "tensorflow", "keras", "numpy", "llvmlite", "code"),
    *("host", "platform", "device", "path", "bits"),
]

#: Versions that the bits of a result may depend on.
VERSIONS = ["tensorflow", "keras", "numpy", "llvmlite"]

#: How the column `bits` begins if it does not name the kind of machine that trained the run.
ANY_MACHINE = "any "

#: What a training gave, in the order of its columns; the digests come last, as the history says more.
DIGESTS = ["predictions_sha256", "weights_sha256"]
RESULTS = [
    *("test_correct", "test_accuracy", "test_loss"),
    *("validation_correct", "validation_accuracy", "validation_loss", "diverged_in_epoch"),
    *DIGESTS,
]

#: The recipe, the data, the size of the network and its baseline: all columns that are left, except times.
_TIMES = [
    "train_seconds",
    "resumed_after_epoch",
    "started",
    "finished",
    "peak_memory_mib",
    "overhead_seconds",
]
SETTINGS = [name for name in RUNS.names if name not in {"study", *RUN, *CIRCUMSTANCES, *RESULTS, *_TIMES}]

#: Settings whose column is missing where no run has them.
_OPTIONAL = {column.name for column in (*OPTIMIZER_SETTINGS, *SCHEDULE_SETTINGS)}

_Record = Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """What an execution of a study gave: its runs.csv and history.csv."""

    runs: pd.DataFrame
    history: pd.DataFrame

    def of(self, chosen: Iterable[Run]) -> "Results":
        """The results of some of the runs."""
        keys = pd.DataFrame([vars(run) for run in chosen])
        return Results(self.runs.merge(keys, on=RUN), self.history.merge(keys, on=RUN))


@dataclass(frozen=True)
class Difference:
    """What differs first in a run, as text; `in_bits` if it was trained alike and only computed otherwise."""

    text: str
    in_bits: bool = False


def name_of(run: Run) -> str:
    """A run as "cnn 2, seed 0"."""
    return f"{run.architecture} {run.width}, seed {run.seed}"


def find_differences(fresh: Results, reference: Results) -> dict[Run, Difference]:
    """The runs that differ, in the order of the tables, and what differs first in each of them.

    Numbers must be the same to the last bit; empty equals empty. Two values are those of fresh and reference.
    A column that only one of the tables has is not compared; see `uncompared_columns`.
    """
    skipped = set(uncompared_columns(fresh, reference))
    settings = [column for column in SETTINGS if column not in skipped]
    results = [column for column in RESULTS if column not in skipped]
    of_epochs = [
        column for column in HISTORY.names if column in fresh.history and column in reference.history
    ]
    here, there = records_of(fresh.runs), records_of(reference.runs)
    epochs_here, epochs_there = _epochs(fresh.history), _epochs(reference.history)
    found = {}
    for run in dict.fromkeys([*here, *there]):
        if run not in here or run not in there:
            found[run] = Difference(f"only in the {'fresh study' if run in here else 'reference'}")
        elif unequal := _unequal(here[run], there[run], settings):
            found[run] = Difference("; ".join(unequal))
        else:
            history = _first_epoch(epochs_here.get(run, []), epochs_there.get(run, []), of_epochs)
            if unequal := [*history, *_unequal(here[run], there[run], results)][:2]:
                found[run] = Difference("; ".join(unequal), in_bits=True)
    return found


def uncompared_columns(fresh: Results, reference: Results) -> list[str]:
    """The columns that ought to be equal and are not compared, because one of the tables does not have them.

    Digests count even if both tables lack them. Columns of history.csv are named "history: …".
    """
    columns = [column for column in (*SETTINGS, *RESULTS) if column not in _OPTIONAL]
    return [
        *(
            column
            for column in columns
            if (column in fresh.runs) != (column in reference.runs)
            or (column in DIGESTS and column not in reference.runs)
        ),
        *(
            f"history: {column}"
            for column in HISTORY.names
            if (column in fresh.history) != (column in reference.history)
        ),
    ]


def records_of(runs: pd.DataFrame) -> dict[Run, dict[str, Any]]:
    """The rows of runs.csv by run, each a mapping from column to value."""
    return {_run(record): record for record in _records(runs)}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(column): value for column, value in record.items()} for record in table.to_dict("records")]


def _run(record: _Record) -> Run:
    return Run(record["architecture"], int(record["width"]), int(record["seed"]))


def _epochs(history: pd.DataFrame) -> dict[Run, list[dict[str, Any]]]:
    """The epochs of each run, in order."""
    epochs: dict[Run, list[dict[str, Any]]] = {}
    for record in _records(history.sort_values("epoch", kind="stable")):
        epochs.setdefault(_run(record), []).append(record)
    return epochs


def _first_epoch(here: list[dict[str, Any]], there: list[dict[str, Any]], columns: list[str]) -> list[str]:
    """The first epoch in which two histories differ, and the first column that does; empty if none does."""
    for ours, theirs in zip(here, there, strict=False):
        if unequal := _unequal(ours, theirs, columns):
            return [f"history from epoch {min(ours['epoch'], theirs['epoch'])}, {unequal[0]}"]
    if len(here) != len(there):
        return [f"history of {len(here)} / {len(there)} epochs"]
    return []


def _unequal(here: _Record, there: _Record, columns: Iterable[str]) -> list[str]:
    """The columns in which two records differ, each with both values."""
    return [
        f"{column.removesuffix('_sha256')} differ"
        if column.endswith("_sha256")
        else f"{column} {_pair(here.get(column), there.get(column))}"
        for column in columns
        if not _same(here.get(column), there.get(column), column)
    ]


def _is_empty(value: Any) -> bool:
    return value == "" or bool(pd.isna(value))


def _same(here: Any, there: Any, column: str) -> bool:
    empty = _is_empty(here), _is_empty(there)
    if any(empty):
        # A digest that a run of an earlier version lacks says nothing about it.
        return all(empty) or column.endswith("_sha256")
    return bool(here == there)


def _pair(here: Any, there: Any) -> str:
    """Two values, numbers with as few digits as tell them apart but at least four."""
    values = [here, there]
    if any(isinstance(value, str | bool) or _is_empty(value) for value in values):
        return " / ".join("none" if _is_empty(value) else str(value) for value in values)
    if all(float(value).is_integer() for value in values):
        return " / ".join(f"{value:.0f}" for value in values)
    pairs = ([f"{value:.{digits}g}" for value in values] for digits in range(4, 18))
    return " / ".join(next(pair for pair in pairs if pair[0] != pair[1]))


def moved_breakpoints(fresh: pd.DataFrame, reference: pd.DataFrame) -> list[str]:
    """One line for each architecture and target whose breakpoint has another width, or none on one side."""
    both = fresh.merge(
        reference, on=["architecture", "target"], how="outer", suffixes=("", "_reference"), indicator="rows"
    )
    lines = []
    for row in rows(both):
        widths = [f"{width:.0f}" if pd.notna(width) else "none" for width in (row.width, row.width_reference)]
        if row.rows != "both" or widths[0] != widths[1]:
            lines.append(f"{row.architecture} at {row.target}: breakpoint {' / '.join(widths)}")
    return lines


def compare_circumstances(fresh: pd.DataFrame, reference: pd.DataFrame) -> list[str]:
    """What may differ between both executions and does: versions, code, hardware and times, one line each."""
    lines = []
    for column in CIRCUMSTANCES:
        here, there = _values(fresh, column), _values(reference, column)
        if here != there:
            # Not commas, which values may have.
            lines.append(f"{column}: {' | '.join(here)}; reference {' | '.join(there)}")
    seconds = [f"{runs['train_seconds'].sum():.1f}" for runs in (fresh, reference)]
    return [*lines, f"seconds of training: {seconds[0]}; reference {seconds[1]}"]


def _values(runs: pd.DataFrame, column: str) -> list[str]:
    """The different values of a column, sorted; tables of earlier versions lack some columns."""
    return sorted(map(str, runs[column].dropna().unique())) if column in runs else ["not recorded"]


# Training some runs again


def draw_runs(runs: pd.DataFrame, number: int, seed: int) -> list[Run]:
    """Draw some of a study's runs at random, each at most once; the same ones for the same seed."""
    known = list(records_of(runs))
    return Random(seed).sample(known, min(number, len(known)))


def why_bits_may_differ(here: _Record, there: _Record) -> str:
    """Why two trainings of one run need not give the same bits; empty if they must.

    Args:
        here: the run's row of runs.csv as it was trained on this machine.
        there: its committed row.
    """
    for record, of in ((there, "the committed run"), (here, "this run")):
        bits = record.get("bits", "")
        if _is_empty(bits):
            return f"{of} does not say on which machines its bits are the same"
        if not bits.startswith(ANY_MACHINE):
            return f"the bits of {of} are those of its kind of machine; it was computed {record['path']}"
    if here["bits"] != there["bits"]:
        return f"its bits are the same on {there['bits']}, and here on {here['bits']}"
    unequal = _unequal(here, there, VERSIONS)
    return f"other versions: {', '.join(unequal)}" if unequal else ""
