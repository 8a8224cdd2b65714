"""The talk's columns as measured: one function per column, from a row's runs on one task to a cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from audioml import stats
from audioml.lazy import LazyModule
from audioml.table.cells import clean, number
from audioml.table.paired import BEATS
from audioml.talk.evidence import Arena, Row
from audioml.talk.learning import data_needs
from audioml.talk.numbers import Number, bounded, floats_of, listed, number_of, numbers_of, resampled, values_of, why_not, with_unit
from audioml.talk.opinion import Rule

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

CLASSES = {"offline": 1.0, "online with look-ahead": 2.0, "online": 3.0}


@dataclass(frozen=True)
class Cell:
    """A cell: its `text`, the `numbers` behind it, or the `reason` why there is none.

    `amount` [R] are resamples of the one quantity that the column is ranked by, more being more of what its name says; its
    `best` estimate stands beside them.
    """

    text: str = ""
    numbers: list[Number] = field(default_factory=list)
    reason: str = ""
    best: float | None = None
    amount: np.ndarray | None = None
    fits: bool | None = None  # `suitable` alone: whether the row is fit for the task
    seeds: int | None = None  # where the cell rests on fewer seeds than the row has


Measure = Callable[[Arena, Row, Rule], Cell]


# ---- fidelity and quality --------------------------------------------------------------------------------------------
def fidelity(arena: Arena, row: Row, rule: Rule) -> Cell:
    """The task's signal distance beside the ceiling of the row's own representation."""
    names = sorted({name for each in arena.rows.values() for name in each.entry.record.values if name.startswith("fidelity/")})
    if not names:
        return Cell(reason="the task has no signal to be faithful to")
    name = arena.primary if arena.primary in names else names[0]
    main = number_of(row, name)
    if main is None or isinstance(main.value, str):
        return Cell(reason=why_not(row, name))
    value = row.entry.record.values[name]
    items = [run.record.items.get(name, []) for run in row.entry.runs]
    x = stats.matrix(items) if all(items) and len(set(map(len, items))) == 1 else None
    per_seed = floats_of(row, name)
    if x is not None and x.shape[1]:
        best, drawn = _drawn(arena, x)
    elif per_seed:
        best, drawn = resampled(arena, per_seed, False)
    else:
        return Cell(reason=why_not(row, name))
    sign = -1.0 if value.better == "low" else 1.0
    top = row.entry.record.ceilings.get(name)
    ceiling = [Number(f"ceiling {name}", float(top.value), top.unit)] if top and isinstance(top.value, int | float) else []
    beside = f", its ceiling {number(ceiling[0].value)}" if ceiling else ", no ceiling"
    text = f"{clean(name.partition('/')[2].replace('_', ' '), 60)} {with_unit(main)}{beside}"
    others = numbers_of(row, [other for other in names if other != name])
    return Cell(text, [main, *ceiling, *others], best=sign * best, amount=sign * drawn)


def _drawn(arena: Arena, x: np.ndarray) -> tuple[float, np.ndarray]:
    return float(x.mean()), stats.draws(x, resamples=arena.resamples, seed=arena.seed)


def skill_items(row: Row, primary: str) -> np.ndarray:
    """[S, I]: each item's (m − baseline) / (ceiling − baseline), baseline per item where the record has it.

    Raises ValueError with the reason where there is no ceiling, no baseline, or none above the other.
    """
    lines = []
    better = next((value.better for value in values_of(row, primary)), "")
    for run in row.entry.runs:
        floor, top = (getattr(run.record, table).get(primary) for table in ("baselines", "ceilings"))
        known = [v.value for v in (floor, top) if v is not None and isinstance(v.value, int | float)]
        if len(known) < 2:
            raise ValueError("no ceiling is known" if not (top and isinstance(top.value, int | float)) else "no baseline is known")
        span = known[1] - known[0]
        if span == 0 or (span > 0) != (better == "high"):
            raise ValueError("the ceiling is not above the baseline")
        items, floors = run.record.items.get(primary, []), run.record.baseline_items.get(primary, [])
        if not items:
            raise ValueError("the record holds no numbers per item")
        floors = floors if len(floors) == len(items) else [known[0]] * len(items)
        lines.append([None if a is None or b is None else (a - b) / span for a, b in zip(items, floors, strict=True)])
    x = stats.matrix(lines)
    if not x.shape[1]:
        raise ValueError("no item was measured for every seed")
    return x


def skill(arena: Arena, row: Row, rule: Rule) -> Cell:
    """(m − baseline) / (ceiling − baseline), 1 being the ceiling of the row's own representation."""
    try:
        x = skill_items(row, arena.primary)
    except ValueError as why:
        main = number_of(row, arena.primary)
        shown = f"; {with_unit(main)} {clean(arena.primary.partition('/')[2], 60)}" if main else ""
        return Cell(reason=f"no skill: {why}{shown}", numbers=[main] if main else [])
    got = stats.estimate([line.tolist() for line in x])
    assert got.value is not None
    best, drawn = _drawn(arena, x)
    main = Number("skill", got.value, "", got.ci, row.seeds)
    return Cell(f"skill {with_unit(main)}", [main, *numbers_of(row, [arena.primary])], best=best, amount=drawn)


# ---- costs ---------------------------------------------------------------------------------------------------------------
LATENCY = ("latency/algorithmic_ms", "latency/block_p95_ms", "latency/first_audio_ms", "latency/rtf", "latency/offline_rtf")
COMPUTE = ("compute/macs_per_second", "compute/parameters", "compute/peak_memory_mb", "compute/to_90_percent_s",
           "compute/training_macs")  # fmt: skip
CONTEXT = ("context/useful_ms", "context/gradient_mass_ms", "context/receptive_field_ms", "context/recall_ms")
STREAMING = ("streaming/class", "streaming/smallest_block_ms", "streaming/memory_growth_mb")


def wait(row: Row) -> list[float]:
    """ms per seed from a sound to its answer: algorithmic latency + p95 of a block; infinite where the whole clip is waited for."""
    kinds = [str(value.value) for value in values_of(row, "streaming/class") if value.value is not None]
    if "offline" in kinds:
        return [math.inf] * row.seeds
    ahead, block = floats_of(row, LATENCY[0]), floats_of(row, LATENCY[1])
    return [a + b for a, b in zip(ahead, block, strict=True)] if ahead and block else []


def latency(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Algorithmic + computational wait, and the time to the first sound."""
    found, shown = wait(row), numbers_of(row, LATENCY)
    if not found:
        return Cell(listed(shown), shown, reason="" if shown else why_not(row, *LATENCY))
    best, drawn = resampled(arena, found, True)
    said = "waits for the whole clip" if math.isinf(best) else f"{number(best)} ms in all"
    return Cell("; ".join(filter(None, (said, listed(shown)))), shown, best=best, amount=drawn)


def compute(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Multiply-accumulates per second of audio; parameters, memory and the cost of training beside it."""
    return _ranked(arena, row, COMPUTE, COMPUTE[:1])


def context(arena: Arena, row: Row, rule: Rule) -> Cell:
    """How much input is used: by the first of CONTEXT that most rows of the task have, for all rows the same one."""
    have = {name: sum(bool(floats_of(each, name)) for each in arena.rows.values()) for name in CONTEXT[:3]}
    ranked = next((name for name in CONTEXT[:3] if have[name] * 2 > len(arena.rows)), None)
    return _ranked(arena, row, CONTEXT, [ranked] if ranked else [])


def _ranked(arena: Arena, row: Row, names: Sequence[str], by: Sequence[str]) -> Cell:
    shown = numbers_of(row, names)
    per_seed = floats_of(row, by[0]) if by else []
    if not shown:
        return Cell(reason=why_not(row, *names))
    if per_seed and bounded(row, by[0]):  # "at least" is above what is known exactly, or its place is not known
        exact = [max(floats_of(each, by[0]), default=0.0) for each in arena.rows.values() if not bounded(each, by[0])]
        per_seed = [math.inf] * row.seeds if min(per_seed) >= max(exact, default=0.0) else []
    if not per_seed:
        return Cell(listed(shown), shown)
    best, drawn = resampled(arena, per_seed, True)
    return Cell(listed(shown), shown, best=best, amount=drawn)


def streaming(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Online, online with look-ahead or offline, as tested on the trained nets; ranked by the best class of the row's settings
    that were measured, since the talk's word is of what the row can do."""
    kinds = _classes(row)
    if not kinds:
        return Cell(reason=why_not(row, "streaming/class"))
    shown = numbers_of(row, STREAMING)
    worst = _worst(kinds)
    best = worst
    more = ""
    for other in (replace(row, entry=entry) for entry in arena.variants.get(row.name, [])):
        known = _classes(other)
        if known and other.seeds > 1 and CLASSES[_worst(known)] > CLASSES[best]:
            best = _worst(known)
            more = f"; with other settings {listed(numbers_of(other, STREAMING))}, {other.seeds} seeds"
    reasons = [str(v.value) for v in values_of(row, "streaming/reason") if v.value is not None]
    why = f" ({clean(reasons[kinds.index(worst)], 120)})" if worst == "offline" and len(reasons) == len(kinds) else ""
    rest = listed(shown[1:])
    text = worst + why + (f"; {rest}" if rest else "") + more
    return Cell(text, shown, best=CLASSES[best], amount=np.full(arena.resamples, CLASSES[best]))


def _classes(row: Row) -> list[str]:
    """One per seed, or [] where a seed has none."""
    kinds = [str(value.value) for value in values_of(row, "streaming/class") if value.value in CLASSES]
    return kinds if len(kinds) == row.seeds else []


def _worst(kinds: Sequence[str]) -> str:
    """What holds for some seeds only does not hold for the row."""
    return min(kinds, key=CLASSES.__getitem__)


# ---- what follows ------------------------------------------------------------------------------------------------------
def suitable(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Fit for the task when it beats the baseline and cannot be told from the best of the ten; and how soon it answers."""
    if row.standing in (stats.ONE_SEED, stats.UNTESTED):
        known = "one seed is one draw" if row.standing == stats.ONE_SEED else "it could not be tested against the other rows"
        return Cell(reason=known)
    beats = row.delta.verdict == BEATS
    near = row.standing in (stats.BEST, stats.TIED)
    soon = wait(row)
    slow = max(soon, default=math.nan)
    live = "live" if slow <= rule.live_ms else "streaming" if math.isfinite(slow) else "offline" if soon else "latency not measured"
    standing = row.standing if beats else f"{row.standing}, but does not beat the baseline"
    text = f"{'fit' if beats and near else 'not shown fit'}: {standing}; {live}"
    return Cell(text, [Number("standing", row.standing), Number("use", live)], fits=beats and near)


def data(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Learning curve over shares of the training data (learning.py).  What has not learnt to beat the baseline with all of them
    has no place among the needs of those that have."""
    found = data_needs(arena, row, rule.target, skill_items)
    if found.reason:
        return Cell(reason=found.reason)
    shown = [Number("exponent", found.exponent, "", found.exponent_ci, found.seeds)] if found.exponent is not None else []
    shown += [Number(f"skill at share {share:.4g}", value, "", ci, found.seeds) for share, value, ci in found.curve]
    shown.append(Number("share to reach the target", found.share, "", found.share_ci, found.seeds))
    learnt = row.delta.verdict == BEATS
    return Cell(found.text, shown, best=found.exponent, amount=found.draws if learnt else None, seeds=found.seeds)


MEASURES: dict[str, Measure] = {
    "fidelity": fidelity, "latency": latency, "skill": skill, "compute": compute, "context": context, "data": data,
    "streaming": streaming, "suitable": suitable,
}  # fmt: skip
