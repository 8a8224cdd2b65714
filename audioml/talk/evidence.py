"""What was measured: per task one arena of comparable rows of the talk, each over its seeds, and learning curves beside it.

One budget is looked at (by default none, each row at its preset's size).  Of several sets of comparable runs of a task (other data,
versions of the measures, presets) one is used, the one with the most rows of several seeds; nothing is mixed, and what is left
out is said.  Of several settings of one row, the row's own, as its file has them, are used; the others are kept beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from audioml import stats
from audioml.records import Record
from audioml.table.build import Conditions, comparable
from audioml.table.cells import clean
from audioml.table.collect import Run
from audioml.table.paired import Delta, seeds_delta
from audioml.table.seeds import Entry, entries, lost_seeds


class Planner:
    """What is asked of the planner; this one knows nothing, cli.py has the one that asks."""

    def misfit(self, task: str, row: str) -> str:
        """Why the two do not fit, "" where they do."""
        return ""

    def usual(self, record: Record) -> bool | None:
        """Whether a record is of its row's own settings; None where that cannot be told."""
        return None


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
    """One task.  `curves`: row -> share of the training data -> runs.  `missing`: row -> why there is none.
    `variants`: row -> its runs with other settings."""

    conditions: Conditions
    preset: str
    primary: str
    unit: str
    better: str
    rows: dict[str, Row] = field(default_factory=dict)
    pairs: dict[tuple[str, str], stats.Contrast] = field(default_factory=dict)
    curves: dict[str, dict[float, Entry]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    variants: dict[str, list[Entry]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    place: int = 0

    @property
    def task(self) -> str:
        """The task's name."""
        return self.conditions.task

    @property
    def resamples(self) -> int:
        """The same number for every row of the arena, so that resamples can be compared one by one."""
        items = [len(numbers) for row in self.rows.values() for numbers in row.entry.numbers(self.primary).values()]
        return stats.affordable(max(items, default=1))

    @property
    def seed(self) -> int:
        """Of the resamples: the rows of a task share them, the tasks do not."""
        return 1000 * self.place


def arenas(runs: Iterable[Run], names: Sequence[str], planner: Planner | None = None, budget: str = "") -> list[Arena]:
    """One arena per task of which there are runs of `names` under `budget`, in alphabetical order."""
    planner = planner or Planner()
    mine = [run for run in runs if run.record.axes.get("row") in names and isinstance(run.record.axes["row"], str)]
    sets: dict[tuple[Conditions, str], list[Run]] = defaultdict(list)
    for key, group in comparable(mine).items():
        for run in group:
            sets[key, clean(run.record.axes.get("preset") or "", 40)].append(run)
    found = []
    for task in sorted({key.task for key, _ in sets}):
        whole = {key: group for key, group in sets.items() if key[0].task == task and key[0].share == 1 and key[0].budget == budget}
        if whole:
            chosen = max(whole, key=lambda key: (_worth(whole[key], names), str(key)))
            arena = _arena(chosen, whole[chosen], names, planner)
            arena.place = len(found)
            arena.notes += _left_out(chosen, whole)
            _add_curves(arena, chosen, {key: group for key, group in sets.items() if key[0].task == task}, names, planner)
            found.append(arena)
    return found


def _worth(runs: list[Run], names: Sequence[str]) -> tuple[int, int, int]:
    most = [max((len(entry.runs) for entry in _settings(runs, name)), default=0) for name in names]
    return sum(seeds > 1 for seeds in most), sum(seeds > 0 for seeds in most), len(runs)


def _settings(runs: list[Run], name: str) -> list[Entry]:
    """The finished runs of a row, joined over seeds: one entry per settings."""
    return entries([run for run in runs if run.record.axes.get("row") == name and run.record.status == "done"])


def _choose(runs: list[Run], name: str, planner: Planner) -> tuple[Entry | None, list[Entry]]:
    """Of several settings of a row its own, and the others.  Where its own cannot be told, or were trained once while others were
    trained several times (a search chose those): the ones of most seeds, then the newest."""
    found = _settings(runs, name)
    if len(found) < 2:
        return (found[0] if found else None), []
    enough = min(2, max(len(entry.runs) for entry in found))
    own = [entry for entry in found if len(entry.runs) >= enough and planner.usual(entry.runs[0].record)]
    chosen = max(own or found, key=lambda entry: (len(entry.runs), _age(entry)))
    return chosen, [entry for entry in found if entry is not chosen]


def _age(entry: Entry) -> str:
    return max(str(run.record.provenance.get("created", "")) for run in entry.runs)


def _arena(key: tuple[Conditions, str], runs: list[Run], names: Sequence[str], planner: Planner) -> Arena:
    chosen = {name: _choose(runs, name, planner) for name in names}
    done = {name: entry for name, (entry, _) in chosen.items() if entry is not None}
    primaries = [entry.record.primary for entry in done.values()]
    primary = max(set(primaries), key=lambda name: (primaries.count(name), name), default="")
    done = {name: entry for name, entry in done.items() if entry.record.primary == primary and primary in entry.record.values}
    known = [entry.record.values[primary] for entry in done.values()]
    known.sort(key=lambda value: value.value is None)
    arena = Arena(*key, primary, known[0].unit if known else "", known[0].better if known else "")
    seeds = {name: entry.numbers(primary) for name, entry in done.items()}
    arena.pairs = stats.compare(seeds, arena.better)
    places = stats.standings(seeds, arena.better, arena.pairs)
    for name, entry in done.items():
        delta = seeds_delta(entry.numbers(primary), entry.baselines(primary), arena.better)
        arena.rows[name] = Row(name, entry, places[name], delta)
    arena.missing = {name: _absent(name, arena.task, runs, planner) for name in names if name not in done}
    arena.variants = {name: others for name, (_, others) in chosen.items() if others and name in done}
    arena.notes += lost_seeds(list(done.values()), runs) + [_beside(name, others) for name, others in arena.variants.items()]
    return arena


def _beside(name: str, others: list[Entry]) -> str:
    runs = clean(", ".join(entry.record.signature for entry in others), 200)
    count = sum(len(entry.runs) for entry in others)
    return f"{name}: {count} run(s) with other settings count for streaming only ({runs})."


def _absent(name: str, task: str, runs: list[Run], planner: Planner) -> str:
    ended = [run.record for run in runs if run.record.axes.get("row") == name and run.record.status != "done"]
    if ended:
        return f"{ended[-1].status}: {clean(ended[-1].error, 200)}"
    reason = planner.misfit(task, name)
    return f"does not fit: {clean(reason, 300)}" if reason else "not run"


def _left_out(chosen: tuple[Conditions, str], sets: dict[tuple[Conditions, str], list[Run]]) -> list[str]:
    others = {key: group for key, group in sets.items() if key != chosen}
    if not others:
        return []
    fields = {f: [getattr(key[0], f) for key in others] for f in Conditions._fields if f not in ("task", "share")}
    differ = [f for f, values in fields.items() if any(value != getattr(chosen[0], f) for value in values)]
    differ += ["preset"] if any(key[1] != chosen[1] for key in others) else []
    count = sum(map(len, others.values()))
    return [f"{count} other run(s) of the task are not comparable and left out; they differ in: {', '.join(differ)}."]


def _add_curves(
    arena: Arena, chosen: tuple[Conditions, str], sets: dict[Any, list[Run]], names: Sequence[str], planner: Planner
) -> None:
    """Shares of the training data under else equal conditions; all of it is the arena's own row."""
    tested = _tested(arena.rows.values())
    for (key, preset), runs in sets.items():
        same = [key[:2], key.measures, key.budget, key.items, preset]
        here = [chosen[0][:2], chosen[0].measures, chosen[0].budget, chosen[0].items, chosen[1]]
        if same != here or key.share == 1:
            continue
        for name in names:
            entry, _ = _choose(runs, name, planner)
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
