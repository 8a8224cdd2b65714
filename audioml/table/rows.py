"""One run as a row: each declared column looked up in its record, or derived from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from audioml.records import Record, Value
from audioml.table.cells import ABSENT, UNASKED, Cell, clean, plain_cell, value_cell, with_interval
from audioml.table.collect import Run
from audioml.table.columns import COLUMNS, ROLES, Column
from audioml.table.paired import BEATS, EVEN, WORSE, Delta, paired_delta

VERDICTS = {BEATS: "✓ beats", EVEN: "✗ does not beat", WORSE: "✗ worse"}


@dataclass
class Row:
    """One run: its cells by column key.  `role` is "floor", "ceiling" or ""."""

    run: Run
    name: str
    role: str
    delta: Delta
    cells: dict[str, Cell] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """What sets the row apart, in a word: its role, or how it ended."""
        return self.role if self.done else self.run.record.status

    @property
    def done(self) -> bool:
        """False for a failed or interrupted run."""
        return self.run.record.status == "done"


def make_row(run: Run, primary: str, better: str) -> Row:
    """All cells of a run; `primary` names the value that ranks the section, `better` its direction."""
    record = run.record
    role = next((ROLES[str(name)] for name in _called(record) if str(name) in ROLES), "")
    delta = paired_delta(record.items.get(primary, []), record.baseline_items.get(primary, []), better)
    row = Row(run, _name(record), role, delta)
    for column in COLUMNS:
        row.cells[column.key] = _cell(row, column, primary)
    return row


def _called(record: Record) -> list[Any]:
    return [record.axes.get(axis) for axis in ("row", "model", "method")]


def _name(record: Record) -> str:
    row, model = clean(record.axes.get("row") or "", 80), clean(record.axes.get("model") or "", 80)
    known = f"{row} ({model})" if row and model and row != model else row or model or "unnamed"
    given = record.provenance.get("name")  # what the user called the run
    return f"{known} “{clean(given, 60)}”" if isinstance(given, str) and given else known


def _cell(row: Row, column: Column, primary: str) -> Cell:
    record = row.run.record
    reasons = []
    for name in column.names:
        place, _, key = name.partition(":")
        if key:
            return PLACES[place](row, key, column, primary)
        for value in _matching(record, name):
            if value.value is not None:
                return _explained(value_cell(value, column), record, column)
            reasons.append(value.reason)
    ended = f"the run {_ENDED[record.status]}" if record.status != "done" else UNASKED
    return Cell(ABSENT, reason=clean(next(filter(None, reasons), ended)))


_ENDED = {"failed": "failed", "interrupted": "was interrupted", "done": "is done"}


def _explained(cell: Cell, record: Record, column: Column) -> Cell:
    why = record.values.get(column.why)
    return replace(cell, reason=clean(why.value or why.reason)) if why is not None else cell


def _matching(record: Record, name: str) -> list[Value]:
    if "*" not in name:
        return [record.values[name]] if name in record.values else []
    return [record.values[full] for full in sorted(record.values) if fnmatchcase(full, name)]


def _from_axes(row: Row, key: str, column: Column, _: str) -> Cell:
    return plain_cell(row.run.record.axes.get(key), column)


def _from_provenance(row: Row, key: str, column: Column, _: str) -> Cell:
    provenance = row.run.record.provenance
    keys = [key, *(name.partition(":")[2] for name in column.names)]
    return plain_cell(next((provenance[name] for name in keys if provenance.get(name) is not None), None), column)


def _derived(row: Row, key: str, column: Column, primary: str) -> Cell:
    return DERIVED[key](row, column, primary)


def _stated(values: dict[str, Value], row: Row, column: Column, primary: str) -> Cell:
    if primary in values:
        return value_cell(values[primary], column)
    return Cell(ABSENT, reason=UNASKED if row.done else f"the run {_ENDED[row.run.record.status]}")


def _representation(row: Row, column: Column, _: str) -> Cell:
    chosen = row.run.record.axes.get("representation")
    if not isinstance(chosen, dict):
        return plain_cell(chosen, column)
    kinds = {clean(kind, 60) for kind in chosen.values()}
    ports = ", ".join(f"{clean(port, 40)}: {clean(kind, 60)}" for port, kind in chosen.items())
    text = kinds.pop() if len(kinds) == 1 else ports
    return Cell(text, text) if text else Cell(ABSENT, reason=UNASKED)


def _delta(row: Row, column: Column, _: str) -> Cell:
    delta = row.delta
    if row.role == "floor":
        return Cell("floor", 0.0)
    if delta.mean is None or delta.ci is None:
        return Cell(ABSENT, reason=delta.reason if row.done else f"the run {_ENDED[row.run.record.status]}")
    text = f"{with_interval(delta.mean, delta.ci, plus=True)} {VERDICTS[delta.verdict]}"
    return Cell(text, delta.mean, delta.ci, delta.reason, "good" if delta.verdict == BEATS else "bad")


def _status(row: Row, _: Column, __: str) -> Cell:
    record = row.run.record
    text = f"{record.status}: {clean(record.error)}" if record.error else record.status
    return Cell(text, record.status, mark="" if row.done else "bad")


PLACES: dict[str, Callable[[Row, str, Column, str], Cell]] = {
    "axes": _from_axes,
    "provenance": _from_provenance,
    "row": _derived,
}
DERIVED: dict[str, Callable[[Row, Column, str], Cell]] = {
    "name": lambda row, column, _: Cell(row.name, row.name),
    "representation": _representation,
    "primary": lambda row, column, primary: _stated(row.run.record.values, row, column, primary),
    "baseline": lambda row, column, primary: _stated(row.run.record.baselines, row, column, primary),
    "ceiling": lambda row, column, primary: _stated(row.run.record.ceilings, row, column, primary),
    "delta": _delta,
    "signature": lambda row, column, _: plain_cell(row.run.record.signature, column),
    "status": _status,
}
