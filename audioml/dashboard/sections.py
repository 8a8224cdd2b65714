"""A section of the table as the page reads it: columns, rows of cells, badges, who is tied with whom."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from audioml import stats
from audioml.dashboard.ties import tied
from audioml.records import Value
from audioml.table.build import Section
from audioml.table.cells import ABSENT, UNASKED, Cell, clean, number, plain_cell
from audioml.table.collect import Run, fingerprint
from audioml.table.columns import Column
from audioml.table.paired import BEATS, EVEN, WORSE
from audioml.table.rows import Row
from audioml.table.seeds import seed_of

# what the page adds to the table's columns, because a choice is made by it
DELAY = Column(
    "delay", "Delay ms", (),
    "What a listener waits for: algorithmic latency and the computing time of a block (p95, one CPU thread). "
    "Only where streaming was proven and p95 is shorter than the block.",
    unit="ms", better="low",
)  # fmt: skip
EXAMPLES = Column("examples", "Examples seen", ("provenance:examples_seen",), "Training examples drawn.", "count", better="low")
SHARE = Column("share", "Share of data", (), "Share of the training data that was used.", better="low")
VERDICTS = {
    BEATS: ("beats baseline", "good", "paired over test items, the 95 % interval lies on the better side of zero"),
    EVEN: ("no better than baseline", "dull", "paired over test items, the 95 % interval holds zero"),
    WORSE: ("worse than baseline", "bad", "paired over test items, the 95 % interval lies on the worse side of zero"),
}
STANDINGS = {
    stats.BEST: ("best", "lead", "ahead of each other row of several seeds (paired over seeds and items, after Holm)"),
    stats.TIED: ("tie", "lead", "cannot be told from the best (paired over seeds and items, after Holm over all pairs)"),
}
ONLINE = "online"


def run_id(run: Run) -> str:
    """Twelve hex digits that name a run in the page's files and in votes: the same after a move, and never a path."""
    record = run.record
    known = f"{record.signature}|{fingerprint(record)}" if record.signature else str(run.path)
    return hashlib.sha256(known.encode()).hexdigest()[:12]


def section_data(section: Section, key: str, shares: bool = False) -> dict[str, Any]:
    """The section as plain JSON.  A cell is ``[text, number or text to sort by, reason, mark]``, or 0: not in the record.

    `shares`: other sections differ from it in the share of the training data alone, so the share is a column.
    """
    extra = _extra(section, shares)
    own = [column for column in extra if any(cells[column.key].value is not None for cells in extra[column].values())]
    rows = [_row(row, section.columns, {c.key: extra[c][id(row)][c.key] for c in own}) for row in section.rows]
    columns = [*map(_column, section.columns), *map(_column, own)]
    facts = {name: getattr(section, name) for name in ("title", "about", "summary", "task", "primary", "unit", "better", "notes")}
    return {
        "key": key,
        **facts,
        "data": section.data,
        "family": siblings(section),
        "absent": [column.title for column in section.absent],
        "columns": columns,
        "rows": rows,
        "tied": tied(section.rivals, section.pairs),
    }


def siblings(section: Section) -> str:
    """Equal for sections that may be set beside each other as more and less data: they differ in the share alone."""
    same = section.task, section.data, section.fingerprint, section.measures, section.budget, str(section.items), section.primary
    return hashlib.sha256("|".join(same).encode()).hexdigest()[:12]


def _extra(section: Section, shares: bool) -> dict[Column, dict[int, dict[str, Cell]]]:
    """The page's own columns, for each row (by identity)."""
    made: dict[Column, Callable[[Row], Cell]] = {DELAY: _delay, EXAMPLES: _examples}
    if shares:
        made[SHARE] = lambda _: plain_cell(section.share, SHARE)
    return {column: {id(row): {column.key: make(row)} for row in section.rows} for column, make in made.items()}


def _delay(row: Row) -> Cell:
    values = row.record.values
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
    return plain_cell(row.record.provenance.get("examples_seen"), EXAMPLES)


def _streams(row: Row) -> bool:
    """With every seed: a trained network that does not is enough to doubt the row."""
    classes = [run.record.values.get("streaming/class") for run in row.runs]
    return all(c is not None and isinstance(c.value, str) and c.value.startswith(ONLINE) for c in classes)


def _column(column: Column) -> dict[str, Any]:
    facts = ("key", "title", "help", "unit", "better", "form", "brief")
    return {name: getattr(column, name) for name in facts}


def _row(row: Row, columns: list[Column], own: dict[str, Cell]) -> dict[str, Any]:
    cells = {column.key: row.cells[column.key] for column in columns} | own
    return {
        "id": run_id(row.run),
        "name": row.name,
        "folder": clean(row.run.name, 120),
        "has": any(run.folder for run in row.runs),
        "role": row.role,
        "done": row.done,
        "status": row.record.status,
        "error": clean(row.record.error),
        "seed": clean(row.record.axes.get("seed", ""), 60),
        "runs": [{"id": run_id(run), "seed": seed_of(run.record), "has": run.folder is not None} for run in row.runs],
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
        badges.append(_badge(row.record.status, "bad", clean(row.record.error)))
    if row.role:
        badges.append(_badge(row.role, "dull", "needs no training: what the others are measured against"))
    if row.standing in STANDINGS:
        badges.append(_badge(*STANDINGS[row.standing]))
    if not row.role and row.delta.verdict in VERDICTS:
        badges.append(_badge(*VERDICTS[row.delta.verdict]))
    if _streams(row) and not row.role:
        why = row.record.values.get("streaming/reason")
        title = clean(why.value) if why is not None and isinstance(why.value, str) else ""
        badges.append(_badge("streaming proven", "info", f"{row.record.values['streaming/class'].value}: {title}"))
    return badges


def _badge(text: str, kind: str, title: str) -> dict[str, str]:
    return {"text": text, "kind": kind, "title": title}
