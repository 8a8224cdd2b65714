"""One run as a row: each declared column looked up in its record, or derived from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from audioml import stats
from audioml.records import Record, Value
from audioml.table.cells import ABSENT, UNASKED, Cell, clean, plain_cell, value_cell, with_interval
from audioml.table.collect import Run
from audioml.table.columns import COLUMNS, ROLES, Column
from audioml.table.paired import BEATS, EVEN, WORSE, Delta, seeds_delta
from audioml.table.seeds import Entry, seed_of, spread_text

VERDICTS = {BEATS: "✓ beats", EVEN: "✗ does not beat", WORSE: "✗ worse"}


@dataclass
class Row:
    """One row: its cells by column key.  `record` is the run's, or the mean over the seeds of `runs`, of which `run` stands for
    all where only one can be shown.  `role` is "floor", "ceiling" or "", `standing` one of ``audioml.stats``' words."""

    run: Run
    runs: list[Run]
    record: Record
    name: str
    role: str
    delta: Delta
    standing: str = ""
    cells: dict[str, Cell] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """False for a failed or interrupted run."""
        return self.record.status == "done"


def make_row(entry: Entry, primary: str, better: str, standing: str = "") -> Row:
    """All cells of a row; `primary` names the value that ranks the section, `better` its direction."""
    record = entry.record
    delta = seeds_delta(entry.numbers(primary), entry.baselines(primary), better)
    shown = next((run for run in entry.runs if run.folder), entry.runs[0])
    row = Row(shown, entry.runs, record, _name(record), role_of(record), delta, standing)
    for column in COLUMNS:
        row.cells[column.key] = _cell(row, column, primary)
    return row


def role_of(record: Record) -> str:
    """ "floor" or "ceiling" for a predictor that needs no training, else ""."""
    return next((ROLES[str(name)] for name in _called(record) if str(name) in ROLES), "")


def by_run(rows: Sequence[Row]) -> list[Row]:
    """Each run of several seeds as a row of its own, for what is drawn and played run by run."""
    return [
        replace(row, run=run, name=f"{row.name} · seed {seed_of(run.record)}" if len(row.runs) > 1 else row.name)
        for row in rows
        for run in row.runs
    ]


def _called(record: Record) -> list[Any]:
    return [record.axes.get(axis) for axis in ("row", "model", "method")]


def _name(record: Record) -> str:
    row, model = clean(record.axes.get("row") or "", 80), clean(record.axes.get("model") or "", 80)
    known = f"{row} ({model})" if row and model and row != model else row or model or "unnamed"
    begun = clean(record.axes.get("init") or "", 60)  # weights that it did not learn here
    known = f"{known} · init {begun}" if begun else known
    given = record.provenance.get("name")  # what the user called the run
    return f"{known} “{clean(given, 60)}”" if isinstance(given, str) and given else known


def _cell(row: Row, column: Column, primary: str) -> Cell:
    record = row.record
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
    return plain_cell(row.record.axes.get(key), column)


def _from_provenance(row: Row, key: str, column: Column, _: str) -> Cell:
    provenance = row.record.provenance
    keys = [key, *(name.partition(":")[2] for name in column.names)]
    return plain_cell(next((provenance[name] for name in keys if provenance.get(name) is not None), None), column)


def _derived(row: Row, key: str, column: Column, primary: str) -> Cell:
    return DERIVED[key](row, column, primary)


def _stated(values: dict[str, Value], row: Row, column: Column, primary: str) -> Cell:
    if primary in values:
        return value_cell(values[primary], column)
    return Cell(ABSENT, reason=UNASKED if row.done else f"the run {_ENDED[row.record.status]}")


def _representation(row: Row, column: Column, _: str) -> Cell:
    chosen = row.record.axes.get("representation")
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
        return Cell(ABSENT, reason=delta.reason if row.done else f"the run {_ENDED[row.record.status]}")
    text = f"{with_interval(delta.mean, delta.ci, plus=True)} {VERDICTS[delta.verdict]}"
    return Cell(text, delta.mean, delta.ci, delta.reason, "good" if delta.verdict == BEATS else "bad")


def _standing(row: Row, _: Column, __: str) -> Cell:
    if not row.standing or row.role or not row.done:
        return Cell(ABSENT, reason=UNASKED)
    return Cell(row.standing, row.standing, mark="good" if row.standing in (stats.BEST, stats.TIED) else "")


def _seeds(row: Row, _: Column, __: str) -> Cell:
    return Cell(f"{len(row.runs)} seeds" if len(row.runs) > 1 else "1 seed", len(row.runs))


def _spread(row: Row, column: Column, _: str) -> Cell:
    text, deviation = spread_text(Entry(row.runs, row.record))
    return Cell(text, deviation) if text else Cell(ABSENT, reason=UNASKED)


def _status(row: Row, _: Column, __: str) -> Cell:
    record = row.record
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
    "primary": lambda row, column, primary: _stated(row.record.values, row, column, primary),
    "baseline": lambda row, column, primary: _stated(row.record.baselines, row, column, primary),
    "ceiling": lambda row, column, primary: _stated(row.record.ceilings, row, column, primary),
    "delta": _delta,
    "standing": _standing,
    "seeds": _seeds,
    "spread": _spread,
    "signature": lambda row, column, _: plain_cell(row.record.signature, column),
    "status": _status,
}
