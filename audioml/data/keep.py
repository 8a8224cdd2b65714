"""Some rows of a table alone: one speaker of many, some classes.  Metadata only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from audioml.data.table import Table
from audioml.errors import RequestError


def keep_rows(table: Table, only: Mapping[str, Any]) -> Table:
    """The rows whose cells in the columns of `only` are the value given, or one of several.  RequestError where none is."""
    rows = table.rows
    for column, wanted in only.items():
        values = {str(v) for v in (wanted if isinstance(wanted, list) else [wanted])}
        if column not in table.columns:
            raise RequestError(f"data.only.{column}: {table.where} has no such column; its columns are {', '.join(table.columns)}")
        there = {row.get(column, "") for row in table.rows}
        if not values <= there:
            lost, some = ", ".join(sorted(values - there)), ", ".join(sorted(there)[:12]) + (" …" if len(there) > 12 else "")
            raise RequestError(f"data.only.{column}={lost} is in no row of {table.where}; it has {some}")
        rows = tuple(row for row in rows if row.get(column, "") in values)
    if not rows:
        raise RequestError(f"data.only leaves no row of {table.where}")
    return replace(table, rows=rows)
