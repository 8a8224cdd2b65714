"""A section of the table as the page reads it: columns, rows of cells, badges, who is tied with whom."""

from __future__ import annotations

import hashlib
from typing import Any

from audioml.dashboard.ties import tied
from audioml.records import Value
from audioml.table.build import Section
from audioml.table.cells import ABSENT, UNASKED, Cell, clean, number, plain_cell
from audioml.table.collect import Run, fingerprint
from audioml.table.columns import Column
from audioml.table.paired import BEATS, EVEN, WORSE
from audioml.table.rows import Row

# what the page adds to the table's columns, because a choice is made by it
DELAY = Column(
    "delay", "Delay ms", (),
    "What a listener waits for: algorithmic latency and the computing time of a block (p95, one CPU thread). "
    "Only where streaming was proven and p95 is shorter than the block.",
    unit="ms", better="low",
)  # fmt: skip
EXAMPLES = Column("examples", "Examples seen", ("provenance:examples_seen",), "Training examples drawn.", "count", better="low")
SHARE = Column("share", "Share of data", ("axes:share",), "Share of the training data that was used.", better="low")
VERDICTS = {
    BEATS: ("beats baseline", "good", "paired over test items, the 95 % interval lies on the better side of zero"),
    EVEN: ("no better than baseline", "dull", "paired over test items, the 95 % interval holds zero"),
    WORSE: ("worse than baseline", "bad", "paired over test items, the 95 % interval lies on the worse side of zero"),
}
ONLINE = "online"


def run_id(run: Run) -> str:
    """Twelve hex digits that name a run in the page's files and in votes: the same after a move, and never a path."""
    record = run.record
    known = f"{record.signature}|{fingerprint(record)}" if record.signature else str(run.path)
    return hashlib.sha256(known.encode()).hexdigest()[:12]


def section_data(section: Section, key: str) -> dict[str, Any]:
    """The section as plain JSON.  A cell is ``[text, number or text to sort by, reason, mark]``, or 0: not in the record."""
    extra = _extra(section)
    own = [column for column in extra if any(cells[column.key].value is not None for cells in extra[column].values())]
    rows = [_row(row, section.columns, {c.key: extra[c][id(row)][c.key] for c in own}) for row in section.rows]
    columns = [*map(_column, section.columns), *map(_column, own)]
    facts = {name: getattr(section, name) for name in ("title", "about", "summary", "task", "primary", "unit", "better", "notes")}
    return {
        "key": key,
        **facts,
        "data": section.data,
        "absent": [column.title for column in section.absent],
        "columns": columns,
        "rows": rows,
        "tied": tied([row.run.record.items.get(section.primary, []) if row.done else [] for row in section.rows]),
    }


def _extra(section: Section) -> dict[Column, dict[int, dict[str, Cell]]]:
    """The page's own columns, for each row (by identity)."""
    made = {DELAY: _delay, EXAMPLES: _examples}
    if all(column.key != SHARE.key for column in (*section.columns, *section.absent)):
        made[SHARE] = _share
    return {column: {id(row): {column.key: make(row)} for row in section.rows} for column, make in made.items()}


def _delay(row: Row) -> Cell:
    values = row.run.record.values
    wait, p95, block = (_measured(values.get(f"latency/{name}")) for name in ("algorithmic_ms", "block_p95_ms", "block_ms"))
    if not _streams(row):
        return Cell(ABSENT, reason="it does not stream")
    if wait is None or p95 is None:
        return Cell(ABSENT, reason="algorithmic latency or computing time was not measured")
    if block is not None and p95 > block:
        return Cell(ABSENT, reason=f"computing a block takes {number(p95)} ms (p95), longer than the block")
    return Cell(number(wait + p95), wait + p95)


def _measured(value: Value | None) -> float | None:
    return float(value.value) if value is not None and isinstance(value.value, int | float) else None


def _examples(row: Row) -> Cell:
    return plain_cell(row.run.record.provenance.get("examples_seen"), EXAMPLES)


def _share(row: Row) -> Cell:
    share = row.run.record.axes.get("share")  # absent: all of it
    return plain_cell(1.0 if share is None else share, SHARE)


def _streams(row: Row) -> bool:
    value = row.run.record.values.get("streaming/class")
    return value is not None and isinstance(value.value, str) and value.value.startswith(ONLINE)


def _column(column: Column) -> dict[str, Any]:
    facts = ("key", "title", "help", "unit", "better", "form", "brief")
    return {name: getattr(column, name) for name in facts}


def _row(row: Row, columns: list[Column], own: dict[str, Cell]) -> dict[str, Any]:
    cells = {column.key: row.cells[column.key] for column in columns} | own
    return {
        "id": run_id(row.run),
        "name": row.name,
        "folder": clean(row.run.name, 120),
        "has": row.run.folder is not None,
        "role": row.role,
        "done": row.done,
        "status": row.run.record.status,
        "error": clean(row.run.record.error),
        "seed": clean(row.run.record.axes.get("seed", ""), 20),
        "seeds": 1,
        "badges": _badges(row),
        "cells": [_cell(cell) for cell in cells.values()],
    }


def _cell(cell: Cell) -> Any:
    if cell.value is None and cell.text == ABSENT and cell.reason in ("", UNASKED):
        return 0
    packed = [cell.text, cell.value, cell.reason, cell.mark]
    while len(packed) > 2 and not packed[-1]:
        packed.pop()
    return packed


def _badges(row: Row) -> list[dict[str, str]]:
    badges = []
    if not row.done:
        badges.append(_badge(row.run.record.status, "bad", clean(row.run.record.error)))
    if row.role:
        badges.append(_badge(row.role, "dull", "needs no training: what the others are measured against"))
    elif row.delta.verdict in VERDICTS:
        badges.append(_badge(*VERDICTS[row.delta.verdict]))
    if _streams(row) and not row.role:
        why = row.run.record.values.get("streaming/reason")
        title = clean(why.value) if why is not None and isinstance(why.value, str) else ""
        badges.append(_badge("streaming proven", "info", f"{row.run.record.values['streaming/class'].value}: {title}"))
    return badges


def _badge(text: str, kind: str, title: str) -> dict[str, str]:
    return {"text": text, "kind": kind, "title": title}
