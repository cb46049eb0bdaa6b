"""Typed loops over the rows, architectures and models of a table.

pandas' type hints give a cell as any of fifteen types. Which one it is, `table_columns` says, and reading
checks.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import pandas as pd

from few_weights.analysis.table_columns import Table


class Row(Protocol):
    """A row of a table: each cell is an attribute with the name of its column."""

    def __getattr__(self, column: str) -> Any: ...


def rows(table: pd.DataFrame) -> Iterator[Row]:
    """Each row of a table in order, its cells as attributes, its index as `Index`."""
    yield from table.itertuples()


def by_architecture(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each architecture of a table and its rows, in the order of first appearance."""
    for architecture, group in table.groupby("architecture", sort=False):
        yield str(architecture), group


def by_model(table: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Each model (architecture, width) of a table and its rows, in the order of first appearance."""
    for _, group in table.groupby(["architecture", "width"], sort=False):
        yield str(group["architecture"].iloc[0]), int(group["width"].iloc[0]), group


def as_table(records: Iterable[Mapping[str, Any]], table: Table) -> pd.DataFrame:
    """Records as a table with the columns and types of its definition; what a record lacks is empty."""
    return pd.DataFrame(list(records)).reindex(columns=table.names).astype(table.types)
