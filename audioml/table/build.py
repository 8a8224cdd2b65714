"""Runs -> sections of comparable rows.  A section is one task on one set of data and test items: nothing else is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from audioml import stats
from audioml.errors import RequestError, did_you_mean
from audioml.records import Record
from audioml.table.cells import ABSENT, UNASKED, clean
from audioml.table.collect import Found, Run, fingerprint
from audioml.table.columns import COLUMNS, Column
from audioml.table.rows import Row, make_row, role_of
from audioml.table.seeds import Entry, entries, lost_seeds
from audioml.table.words import footnotes, summary


@dataclass
class Section:
    """Comparable rows, best first.  `absent` are the columns that no row fills; `notes` are footnotes.

    `rivals` are the rows' primary items by seed, {} for a row that is not compared with the others (floor, ceiling, a failed run);
    `pairs` how two of them compare, by their places in `rows`.
    """

    task: str
    data: str
    fingerprint: str
    measures: str
    budget: str
    share: float
    items: int | None
    primary: str
    unit: str
    better: str
    rows: list[Row]
    columns: list[Column] = field(default_factory=list)
    absent: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: str = ""
    rivals: list[stats.Seeds] = field(default_factory=list)
    pairs: dict[tuple[int, int], stats.Contrast] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Task and data in words."""
        data = f"{self.task} on {self.data}" if self.data else self.task
        part = f" · {self.share:.4g} of the training data" if self.share != 1 else ""
        return data + part + (f" · equal {self.budget}" if self.budget else "")

    @property
    def about(self) -> str:
        """What makes the rows comparable."""
        size = f"{self.items} test items" if self.items is not None else "no test items measured"
        said = f"{size} · data {self.fingerprint[:10]}" if self.fingerprint else f"{size} · data fingerprint not recorded"
        return f"{said} · measured by {self.measures}" if self.measures else said


@dataclass
class Table:
    """All sections, and what was passed over on the way."""

    sections: list[Section]
    notes: list[str]


def build_table(found: Found, task: str | None = None) -> Table:
    """Group, sort and word the rows.  Raises RequestError when no run is of `task`."""
    groups = comparable(found.runs)
    tasks = sorted({key.task for key in groups})
    if task is not None and task not in tasks:
        raise RequestError(f"no run of task '{task}'; there are runs of: {', '.join(tasks)}{did_you_mean(task, tasks)}")
    sections = [_section(key, runs) for key, runs in sorted(groups.items(), key=_order) if task in (None, key.task)]
    for section in sections:
        section.notes += _apart(section, sections)
    return Table(sections, found.notes)


APART = {"data": "data set", "fingerprint": "data", "measures": "version of metrics and probes", "budget": "budget",
         "share": "share of the training data", "items": "test items"}  # fmt: skip


def _apart(section: Section, sections: Sequence[Section]) -> list[str]:
    """A sentence where other runs of the task have a table of their own, naming what they differ in."""
    others = [other for other in sections if other.task == section.task and other is not section]
    differ = [words for name, words in APART.items() if any(getattr(o, name) != getattr(section, name) for o in others)]
    return [f"Other runs of this task have a table of their own, they differ in: {', '.join(differ)}."] if differ else []


# ---- which runs may be compared ------------------------------------------------------------------------------------
class Conditions(NamedTuple):
    """What runs must share to be rows of one table."""

    task: str
    data: str
    fingerprint: str
    measures: str
    budget: str
    share: float
    items: int | None


def comparable(runs: Iterable[Run]) -> dict[Conditions, list[Run]]:
    """Runs by what they were trained and measured under."""
    groups: dict[Conditions, list[Run]] = {}
    homeless: list[tuple[Conditions, Run]] = []
    for run in runs:
        record = run.record
        size = test_items(record)
        known = clean(record.axes["task"], 60), clean(record.axes.get("data", ""), 60), fingerprint(record)
        key = Conditions(*known, clean(record.provenance.get("measures") or "", 80), *_budget(record), size)
        if size is None and record.status != "done":
            homeless.append((key, run))
        else:
            groups.setdefault(key, []).append(run)
    for key, run in homeless:  # a run that ended early joins the largest table it could have been in
        fits = [other for other in groups if _may_join(key, other)]
        groups.setdefault(max(fits, key=lambda other: len(groups[other]), default=key), []).append(run)
    return groups


def test_items(record: Record) -> int | None:
    """How many test items the primary metric was asked of, measurable or not; None when it was not measured."""
    primary = record.values.get(record.primary)
    if primary is None or primary.value is None:
        return None
    return len(record.items.get(record.primary, [])) or primary.n


def _may_join(early: Conditions, other: Conditions) -> bool:
    same = all(getattr(early, name) == getattr(other, name) for name in ("task", "data", "budget", "share"))
    return same and early.fingerprint in ("", other.fingerprint)


def _budget(record: Record) -> tuple[str, float]:
    """The budget and the share of the training data of a run: rows under other conditions are no rivals."""
    share = record.axes.get("share")
    known = isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1
    return clean(record.axes.get("budget") or "", 60), float(share) if known else 1.0


def _order(entry: tuple[Conditions, list[Run]]) -> tuple[Any, ...]:
    key, runs = entry
    return key.task, key.data, key.budget, -key.share, -len(runs), key.fingerprint, key.measures, key.items or 0


def _section(key: Conditions, runs: list[Run]) -> Section:
    names = Counter(run.record.primary for run in runs if run.record.primary)
    primary = names.most_common(1)[0][0] if names else ""
    known = [run.record.values[primary] for run in runs if primary in run.record.values]
    known.sort(key=lambda value: value.value is None)  # a measured one states unit and direction for sure
    unit, better = (known[0].unit, known[0].better) if known else ("", "")
    section = Section(*key, clean(primary, 80), clean(unit, 20), better, [])
    found = entries(runs)
    _fill(section, found, primary)
    spoken = [column for column in COLUMNS if any(_speaks(row, column) for row in section.rows)]
    own = next((column for column in COLUMNS if primary in column.names), None)
    section.columns = [_titled(column, section, own) for column in spoken if column is not own]
    section.absent = [column for column in COLUMNS if column not in spoken]
    section.notes = [*footnotes(section.rows, section.primary), *lost_seeds(found, runs)]
    section.summary = summary(section.rows)
    return section


def _fill(section: Section, found: list[Entry], primary: str) -> None:
    """Rows, best first, and how those that are rivals compare."""
    rivals = {i: e.numbers(primary) for i, e in enumerate(found) if e.record.status == "done" and not role_of(e.record)}
    pairs = stats.compare(rivals, section.better, intervals=False)
    standings = stats.standings(rivals, section.better, pairs)
    rows = [make_row(entry, primary, section.better, standings.get(i, "")) for i, entry in enumerate(found)]
    sign = 1 if section.better == "low" else -1
    ranks = [(not row.done, *_rank(row.cells["primary"].value, sign), row.name, row.run.name) for row in rows]
    order = sorted(range(len(rows)), key=ranks.__getitem__)
    section.rows, section.rivals = [rows[i] for i in order], [rivals.get(i, {}) for i in order]
    place = {i: k for k, i in enumerate(order)}
    section.pairs = {(place[a], place[b]): contrast for (a, b), contrast in pairs.items()}


def _rank(value: Any, sign: int) -> tuple[bool, float]:
    return (False, sign * value) if isinstance(value, int | float) else (True, 0.0)


def _speaks(row: Row, column: Column) -> bool:
    """Something to show: a value, or the reason why a finished run has none."""
    cell = row.cells[column.key]
    return cell.text != ABSENT or (row.done and cell.reason != UNASKED)


def _titled(column: Column, section: Section, own: Column | None) -> Column:
    """The column as this section shows it: the primary one bears the name of its metric (`own`, where one is declared)."""
    if column.key != "primary":
        return column
    name = section.primary.rpartition("/")[2].replace("_", " ") or "primary metric"
    title = own.title if own else f"{name} {section.unit}".strip()
    way = {"high": "Higher is better.", "low": "Lower is better."}.get(section.better, "")
    help_ = " ".join(filter(None, (own.help if own else "", column.help, way)))
    return replace(column, title=title, help=help_, better=section.better)
