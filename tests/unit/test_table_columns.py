"""The definitions of the tables' columns agree with what is written, committed and documented."""

import csv
import re
from pathlib import Path

import pytest
from conftest import ROOT
from samples.runs import RULES, STUDY, breakpoints_of, certainty_of, metrics_of, study_of, tables_of

from few_weights.analysis import merge, table_columns
from few_weights.analysis.model_tables import shares_table
from few_weights.analysis.search import judge_round, search_table
from few_weights.analysis.table_columns import TABLES
from few_weights.plan.runs import Run
from few_weights.report.run_tables import RECIPE

COMMITTED = sorted(path for path in (ROOT / "results" / "reference").glob("*/*.csv") if path.stem in TABLES)
#: Columns that other people's scripts may rely on.
CONTRACT = {
    "runs": "study dataset architecture width seed parameters epochs test_accuracy test_correct "
    "test_examples train_seconds",
    "breakpoints": "architecture target reached width parameters test_accuracy seeds baseline_parameters "
    "compression",
}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_committed_tables_have_the_columns_that_are_defined(path: Path):
    table = TABLES[path.stem]
    with path.open(newline="") as file:
        header = next(csv.reader(file))
    assert set(table.required) <= set(header)
    further = set(header) - set(table.names)
    if table is table_columns.TARGETS:  # one for each architecture
        further -= set(header[1:])
    assert further == set()


def test_tables_are_written_with_the_columns_that_are_defined():
    runs = study_of(STUDY, seeds=(0, 1))
    breakpoints = breakpoints_of(runs)
    records = [metrics_of(Run("vgg", 2, seed)) for seed in (0, 1)]
    written = tables_of(runs, breakpoints) | {
        "breakpoints": breakpoints_of(runs, rules=RULES),
        "certainty": certainty_of(runs),
        "layers": merge.layers_table(records),
        "history": merge.history_table(records),
        "shares": shares_table(runs, [0.97]),
        "search": search_table([judge_round("vgg", 0, {1: 0.9, 2: 0.98}, (0.97,))]),
    }
    del written["targets"]  # has a column for each architecture
    for name, table in written.items():
        assert table.columns.tolist() == TABLES[name].names, name
    further = [column.name for column in table_columns.OF_CERTAINTY]
    assert [*breakpoints.columns, *further] == table_columns.BREAKPOINTS.names
    assert set(runs.columns) <= set(table_columns.RUNS.names)
    assert set(table_columns.RUNS.required) <= set(runs.columns)


def test_every_recipe_column_is_a_column_of_runs():
    assert set(RECIPE) <= set(table_columns.RUNS.names)


@pytest.mark.parametrize("name", CONTRACT)
def test_columns_of_the_contract_are_always_there(name):
    assert set(CONTRACT[name].split()) <= set(TABLES[name].required)


def test_no_column_is_defined_twice_in_a_table():
    for table in TABLES.values():
        assert len(table.names) == len(set(table.names)), table.name


def test_the_documents_say_what_a_row_of_each_table_is():
    text = (ROOT / "config" / "README.md").read_text()
    documented = dict(re.findall(r"^\| `(\w+)\.csv` \| ([^|]+) \|", text, re.MULTILINE))
    rows = {name: table.row for name, table in TABLES.items() if name in documented}
    assert rows and rows == {name: row for name, row in documented.items() if name in TABLES}
