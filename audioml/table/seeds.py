"""Runs that differ in the seed alone are one row: which they are, and the record that they make together."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audioml import stats
from audioml.records import Record, Value, plain
from audioml.table.cells import clean, number
from audioml.table.collect import Run


@dataclass(frozen=True)
class Entry:
    """One row to be: its `runs`, by seed, and the `record` that stands for them (a run's own where there is one)."""

    runs: list[Run]
    record: Record

    def numbers(self, name: str) -> stats.Seeds:
        """A metric's items by seed, as ``audioml.stats`` compares them."""
        return {seed_of(run.record): run.record.items.get(name, []) for run in self.runs}

    def baselines(self, name: str) -> stats.Seeds:
        """The trivial baseline's items by seed."""
        return {seed_of(run.record): run.record.baseline_items.get(name, []) for run in self.runs}


def entries(runs: Sequence[Run]) -> list[Entry]:
    """Finished runs joined over their seeds, in order of appearance; what did not finish stays by itself.

    Runs of one family and one seed differ in a setting that the records do not name: those of such a family stay apart.
    """
    families: dict[str, list[Run]] = defaultdict(list)
    for index, run in enumerate(runs):
        families[family(run.record) if run.record.status == "done" else f"#{index}"].append(run)
    out = []
    for alike in families.values():
        seeds = [seed_of(run.record) for run in alike]
        lengths = {len(run.record.items.get(run.record.primary, [])) for run in alike}
        apart = len(set(seeds)) < len(seeds) or len(lengths) > 1
        for group in [[run] for run in alike] if apart else [sorted(alike, key=lambda run: seed_of(run.record))]:
            out.append(Entry(group, pooled([run.record for run in group])))
    return out


def family(record: Record) -> str:
    """Equal for runs that differ in the seed alone: the run's own word for it, else all that the record says of its settings."""
    own = record.provenance.get("family")
    if isinstance(own, str) and own:
        return own
    axes = {name: value for name, value in record.axes.items() if name != "seed"}
    size = record.values.get("compute/parameters")
    more = [record.primary, record.provenance.get("name"), record.provenance.get("steps"), size.value if size else None]
    return json.dumps(plain([axes, more]), sort_keys=True)


def seed_of(record: Record) -> int:
    """The seed of a run, 0 where the record does not say."""
    for known in (record.axes.get("seed"), record.provenance.get("seed")):
        if isinstance(known, int) and not isinstance(known, bool):
            return known
    return 0


def pooled(records: Sequence[Record]) -> Record:
    """Means over the seeds; the interval is over seeds × items where every seed has its numbers per item."""
    first = records[0]
    if len(records) == 1:
        return first
    values, floors, tops = (
        {name: _value([getattr(r, table).get(name) for r in records], _numbers(records, name) if table == "values" else [])
         for name in _names(records, table)}
        for table in ("values", "baselines", "ceilings")
    )  # fmt: skip
    shared = {name: value for name, value in first.axes.items() if all(r.axes.get(name) == value for r in records)}
    kept = {name: value for name, value in first.provenance.items() if all(r.provenance.get(name) == value for r in records)}
    axes = shared | {"seed": ", ".join(str(seed_of(r)) for r in records)}
    signature = ", ".join(r.signature for r in records)
    return Record(signature, axes, values, floors, tops, {}, {}, first.primary, kept)


def _names(records: Sequence[Record], table: str) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in getattr(record, table)))


def _numbers(records: Sequence[Record], name: str) -> list[stats.Items]:
    found = [record.items.get(name, []) for record in records]
    return found if all(found) and len({len(items) for items in found}) == 1 else []


def _value(values: Sequence[Value | None], items: Sequence[stats.Items]) -> Value:
    known = [value for value in values if value is not None]
    measured = [value for value in known if value.value is not None]
    if not measured:
        return known[0]
    missing = len(values) - len(measured)
    why = next((value.reason for value in known if value.value is None), "not in the record")
    note = f"not measured for {missing} of {len(values)} seeds: {why}" if missing else measured[0].reason
    texts = list(dict.fromkeys(str(value.value) for value in measured))
    shown = measured[0]
    if any(isinstance(value.value, str) for value in measured):
        return Value(" / ".join(texts), shown.unit, shown.better, shown.n, reason=note)
    bound = next((value.reason for value in measured if value.reason.startswith("at least")), "")
    mean = sum(float(value.value) for value in measured) / len(measured)
    known_items = stats.estimate(items) if items and not missing else None
    ci = known_items.ci if known_items else None
    return Value(mean, shown.unit, shown.better, shown.n, ci, bound or note)


def spread_text(entry: Entry) -> tuple[str, float | None]:
    """``± 0.12 (4.71 … 4.95)``: standard deviation of the primary metric between seeds and its range; and that deviation."""
    found = [run.record.values.get(entry.record.primary) for run in entry.runs]
    numbers = [float(value.value) for value in found if value is not None and isinstance(value.value, int | float)]
    if len(numbers) < 2:
        return "", None
    mean = sum(numbers) / len(numbers)
    deviation = (sum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1)) ** 0.5
    size = max(map(abs, numbers))
    return f"± {number(deviation, size)} ({number(min(numbers), size)} … {number(max(numbers), size)})", deviation


def lost_seeds(found: Sequence[Entry], runs: Sequence[Run]) -> list[str]:
    """A note per row of which some seeds did not finish: its means are over those that did."""
    notes = []
    for entry in found:
        axes = _bare(entry.record.axes)
        lost = [run for run in runs if run.record.status != "done" and _bare(run.record.axes) == axes]
        if lost and entry.record.status == "done":
            name = clean(entry.record.axes.get("row") or entry.record.axes.get("model") or "a row", 80)
            seeds = ", ".join(map(str, sorted({seed_of(run.record) for run in lost})))
            notes.append(f"{name}: seed {seeds} did not finish; its row is of the seeds that did, which may flatter it.")
    return notes


def _bare(axes: Mapping[str, Any]) -> str:
    return json.dumps(plain({name: value for name, value in axes.items() if name != "seed"}), sort_keys=True)
