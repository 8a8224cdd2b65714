"""What was measured: per task one arena of comparable rows of the talk, each over its seeds, and learning curves beside it.

Of several sets of comparable runs of a task (other data, versions of the measures, budgets, presets) one is used, the one with
the most rows of several seeds; nothing is mixed, and what is left out is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from audioml import stats
from audioml.table.build import Conditions, comparable
from audioml.table.cells import clean
from audioml.table.collect import Run
from audioml.table.paired import Delta, seeds_delta
from audioml.table.seeds import Entry, entries, seed_of

Why = Callable[[str, str], str]  # (task, row) -> why the cell cannot be trained; "" where it could


@dataclass(frozen=True)
class Row:
    """A row of the talk on one task: the runs behind it, how it stands to the best of the ten, and to the trivial baseline."""

    name: str
    entry: Entry
    standing: str
    delta: Delta

    @property
    def seeds(self) -> int:
        """How often it was trained."""
        return len(self.entry.runs)


@dataclass
class Arena:
    """One task.  `curves`: row -> share of the training data -> runs.  `missing`: row -> why there is none."""

    conditions: Conditions
    preset: str
    primary: str
    unit: str
    better: str
    rows: dict[str, Row] = field(default_factory=dict)
    pairs: dict[tuple[str, str], stats.Contrast] = field(default_factory=dict)
    curves: dict[str, dict[float, Entry]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    place: int = 0

    @property
    def task(self) -> str:
        """The task's name."""
        return self.conditions.task

    @property
    def resamples(self) -> int:
        """The same number for every row of the arena, so that resamples can be compared one by one."""
        most = max((len(row.entry.seeds[seed]) for row in self.rows.values() for seed in row.entry.seeds), default=1)
        return stats.affordable(most)

    @property
    def seed(self) -> int:
        """Of the resamples: the rows of a task share them, the tasks do not."""
        return 1000 * self.place


def arenas(runs: Iterable[Run], names: Sequence[str], why: Why) -> list[Arena]:
    """One arena per task of which there are runs of `names`, in alphabetical order."""
    mine = [run for run in runs if run.record.axes.get("row") in names and isinstance(run.record.axes["row"], str)]
    sets: dict[tuple[Conditions, str], list[Run]] = defaultdict(list)
    for key, group in comparable(mine).items():
        for run in group:
            sets[key, clean(run.record.axes.get("preset") or "", 40)].append(run)
    found = []
    for task in sorted({key.task for key, _ in sets}):
        whole = {key: group for key, group in sets.items() if key[0].task == task and key[0].share == 1}
        if whole:
            chosen = max(whole, key=lambda key: (_worth(whole[key], names), str(key)))
            arena = _arena(chosen, whole[chosen], names, why)
            arena.place = len(found)
            arena.notes += _left_out(chosen, whole)
            _add_curves(arena, chosen, {key: group for key, group in sets.items() if key[0].task == task}, names)
            found.append(arena)
    return found


def _worth(runs: list[Run], names: Sequence[str]) -> tuple[int, int, int]:
    chosen = [_choose(runs, name) for name in names]
    present = [entry for entry in chosen if entry is not None]
    return sum(len(entry.runs) > 1 for entry in present), len(present), len(runs)


def _choose(runs: list[Run], name: str) -> Entry | None:
    """Of several settings of a row the one with the most seeds, then the newest."""
    mine = [run for run in runs if run.record.axes.get("row") == name and run.record.status == "done"]
    return max(entries(mine), key=lambda entry: (len(entry.runs), _age(entry)), default=None)


def _age(entry: Entry) -> str:
    return max(str(run.record.provenance.get("created", "")) for run in entry.runs)


def _arena(key: tuple[Conditions, str], runs: list[Run], names: Sequence[str], why: Why) -> Arena:
    done = {name: entry for name in names if (entry := _choose(runs, name)) is not None}
    primaries = [entry.record.primary for entry in done.values()]
    primary = max(set(primaries), key=lambda name: (primaries.count(name), name), default="")
    done = {name: entry for name, entry in done.items() if entry.record.primary == primary and primary in entry.record.values}
    known = [entry.record.values[primary] for entry in done.values()]
    known.sort(key=lambda value: value.value is None)
    arena = Arena(*key, clean(primary, 80), known[0].unit if known else "", known[0].better if known else "")
    seeds = {name: entry.seeds for name, entry in done.items()}
    arena.pairs = stats.compare(seeds, arena.better)
    places = stats.standings(seeds, arena.better, arena.pairs)
    arena.rows = {name: Row(name, entry, places[name], _delta(entry, arena.better)) for name, entry in done.items()}
    arena.missing = {name: _absent(name, arena.task, runs, why) for name in names if name not in done}
    arena.notes += _lost(arena, runs)
    return arena


def _delta(entry: Entry, better: str) -> Delta:
    primary = entry.record.primary
    floors = {seed_of(run.record): run.record.baseline_items.get(primary, []) for run in entry.runs}
    return seeds_delta(entry.seeds, floors, better)


def _absent(name: str, task: str, runs: list[Run], why: Why) -> str:
    ended = [run.record for run in runs if run.record.axes.get("row") == name and run.record.status != "done"]
    if ended:
        return f"{ended[-1].status}: {clean(ended[-1].error, 200)}"
    reason = why(task, name)
    return f"does not fit: {clean(reason, 300)}" if reason else "not run"


def _lost(arena: Arena, runs: list[Run]) -> list[str]:
    out = []
    for name in arena.rows:
        ended = [run.record for run in runs if run.record.axes.get("row") == name and run.record.status != "done"]
        if ended:
            seeds = ", ".join(map(str, sorted({seed_of(record) for record in ended})))
            out.append(f"{name}: seed {seeds} did not finish; the row is of those that did, which may flatter it.")
    return out


def _left_out(chosen: tuple[Conditions, str], sets: dict[tuple[Conditions, str], list[Run]]) -> list[str]:
    others = {key: group for key, group in sets.items() if key != chosen}
    if not others:
        return []
    fields = {f: [getattr(key[0], f) for key in others] for f in Conditions._fields if f not in ("task", "share")}
    differ = [f for f, values in fields.items() if any(value != getattr(chosen[0], f) for value in values)]
    differ += ["preset"] if any(key[1] != chosen[1] for key in others) else []
    count = sum(map(len, others.values()))
    return [f"{count} other run(s) of the task are not comparable and left out; they differ in: {', '.join(differ)}."]


def _add_curves(arena: Arena, chosen: tuple[Conditions, str], sets: dict[Any, list[Run]], names: Sequence[str]) -> None:
    """Shares of the training data under else equal conditions; all of it is the arena's own row."""
    tested = _tested(arena.rows.values())
    for (key, preset), runs in sets.items():
        same = [key[:2], key.measures, key.budget, key.items, preset]
        here = [chosen[0][:2], chosen[0].measures, chosen[0].budget, chosen[0].items, chosen[1]]
        if same != here or key.share == 1:
            continue
        for name in names:
            entry = _choose(runs, name)
            if entry is None or name not in arena.rows or entry.record.primary != arena.primary:
                continue
            if key.fingerprint != chosen[0].fingerprint and not (tested and _tested([entry]) == tested):
                arena.notes.append(f"{name}: its runs on {key.share:.4g} of the data are left out, they were tested on other data.")
                continue
            arena.curves.setdefault(name, {1.0: arena.rows[name].entry})[key.share] = entry


def _tested(rows: Iterable[Row | Entry]) -> tuple[str, ...]:
    """The names of the test items where all records name the same, else ()."""
    runs = [run for row in rows for run in (row.entry if isinstance(row, Row) else row).runs]
    lists = {tuple(map(str, names)) if isinstance(names := run.record.provenance.get("test_items"), list) else () for run in runs}
    return lists.pop() if len(lists) == 1 else ()
