"""The talk's columns as measured: one function per column, from a row's runs on one task to a cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audioml import stats
from audioml.lazy import LazyModule
from audioml.records import Value
from audioml.table.cells import clean, count, number, with_interval
from audioml.talk.evidence import Arena, Row
from audioml.talk.learning import data_needs
from audioml.talk.opinion import Rule

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

CLASSES = {"offline": 1.0, "online with look-ahead": 2.0, "online": 3.0}


@dataclass(frozen=True)
class Number:
    """One measured value behind a cell, mean over `seeds`, with the interval over seeds (and items, where it has any)."""

    name: str
    value: float | str
    unit: str = ""
    ci: tuple[float, float] | None = None
    seeds: int = 1


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


Measure = Callable[[Arena, Row, Rule], Cell]


def _values(row: Row, name: str, table: str = "values") -> list[Value]:
    return [value for run in row.entry.runs if (value := getattr(run.record, table).get(name)) is not None]


def _floats(row: Row, name: str, table: str = "values") -> list[float]:
    """One per seed, or [] where a seed has none."""
    found = [float(v.value) for v in _values(row, name, table) if isinstance(v.value, int | float)]
    return found if len(found) == row.seeds else []


def _why(row: Row, *names: str) -> str:
    reasons = [value.reason for name in names for value in _values(row, name) if value.value is None and value.reason]
    return clean(reasons[0], 200) if reasons else "not in the record"


def _number(row: Row, name: str) -> Number | None:
    value = row.entry.record.values.get(name)
    if value is None or value.value is None:
        return None
    bound = value.reason.startswith("at least")
    if isinstance(value.value, str) or bound:
        text = f"≥ {number(float(value.value))}" if bound and not isinstance(value.value, str) else clean(value.value, 60)
        return Number(name, text, value.unit, None, row.seeds)
    per_seed = _floats(row, name)
    ci = value.ci or (stats.estimate([[x] for x in per_seed]).ci if len(per_seed) > 1 else None)
    return Number(name, float(value.value), value.unit, ci if ci and ci[0] < ci[1] else None, row.seeds)  # a count has no doubt


def _bounded(row: Row, name: str) -> bool:
    return any(value.reason.startswith("at least") for value in _values(row, name))


def _numbers(row: Row, names: Sequence[str]) -> list[Number]:
    return [found for name in names if (found := _number(row, name)) is not None]


def resampled(arena: Arena, per_seed: Sequence[float], log: bool) -> tuple[float, np.ndarray]:
    """One number per seed -> its mean (geometric where `log`) and resamples of it; an infinite or single one stays as it is."""
    x = np.array(per_seed, dtype=np.float64)[:, None]
    if not np.isfinite(x).all() or len(x) == 1 or (log and (x <= 0).any()):
        mean = float(x.mean())
        return mean, np.full(arena.resamples, mean)
    drawn = stats.draws(np.log(x) if log else x, resamples=arena.resamples, seed=arena.seed)
    mean = float((np.log(x) if log else x).mean())
    return (math.exp(mean), np.exp(drawn)) if log else (mean, drawn)


# ---- fidelity and quality --------------------------------------------------------------------------------------------
def fidelity(arena: Arena, row: Row, rule: Rule) -> Cell:
    """The task's signal distance beside the ceiling of the row's own representation."""
    names = sorted({name for each in arena.rows.values() for name in each.entry.record.values if name.startswith("fidelity/")})
    if not names:
        return Cell(reason="the task has no signal to be faithful to")
    name = arena.primary if arena.primary in names else names[0]
    main = _number(row, name)
    if main is None or isinstance(main.value, str):
        return Cell(reason=_why(row, name))
    value = row.entry.record.values[name]
    items = [run.record.items.get(name, []) for run in row.entry.runs]
    x = stats.matrix(items) if all(items) and len(set(map(len, items))) == 1 else None
    per_seed = _floats(row, name)
    if x is not None and x.shape[1]:
        best, drawn = _drawn(arena, x)
    elif per_seed:
        best, drawn = resampled(arena, per_seed, False)
    else:
        return Cell(reason=_why(row, name))
    sign = -1.0 if value.better == "low" else 1.0
    top = row.entry.record.ceilings.get(name)
    ceiling = [Number(f"ceiling {name}", float(top.value), top.unit)] if top and isinstance(top.value, int | float) else []
    beside = f", its ceiling {number(ceiling[0].value)}" if ceiling else ", no ceiling"
    text = f"{name.partition('/')[2].replace('_', ' ')} {_with(main)}{beside}"
    others = _numbers(row, [other for other in names if other != name])
    return Cell(text, [main, *ceiling, *others], best=sign * best, amount=sign * drawn)


def _drawn(arena: Arena, x: np.ndarray) -> tuple[float, np.ndarray]:
    return float(x.mean()), stats.draws(x, resamples=arena.resamples, seed=arena.seed)


def skill_items(row: Row, primary: str) -> np.ndarray:
    """[S, I]: each item's (m − baseline) / (ceiling − baseline), baseline per item where the record has it.

    Raises ValueError with the reason where there is no ceiling, no baseline, or none above the other.
    """
    lines = []
    for run in row.entry.runs:
        floor, top = (getattr(run.record, table).get(primary) for table in ("baselines", "ceilings"))
        known = [v.value for v in (floor, top) if v is not None and isinstance(v.value, int | float)]
        if len(known) < 2:
            raise ValueError("no ceiling is known" if not (top and isinstance(top.value, int | float)) else "no baseline is known")
        span = known[1] - known[0]
        better = run.record.values[primary].better
        if span == 0 or (span > 0) != (better == "high"):
            raise ValueError("the ceiling is not above the baseline")
        items, floors = run.record.items.get(primary, []), run.record.baseline_items.get(primary, [])
        if not items:
            raise ValueError("the record holds no numbers per item")
        floors = floors if len(floors) == len(items) else [known[0]] * len(items)
        lines.append([None if a is None or b is None else (a - b) / span for a, b in zip(items, floors, strict=True)])
    return stats.matrix(lines)


def skill(arena: Arena, row: Row, rule: Rule) -> Cell:
    """(m − baseline) / (ceiling − baseline), 1 being the ceiling of the row's own representation."""
    try:
        x = skill_items(row, arena.primary)
    except ValueError as why:
        main = _number(row, arena.primary)
        shown = f"; {_with(main)} {arena.primary.partition('/')[2]}" if main else ""
        return Cell(reason=f"no skill: {why}{shown}", numbers=[main] if main else [])
    got = stats.estimate([line.tolist() for line in x])
    if got.value is None:
        return Cell(reason="no item was measured for every seed")
    best, drawn = _drawn(arena, x)
    main = Number("skill", got.value, "", got.ci, row.seeds)
    return Cell(f"skill {_with(main)}", [main, *_numbers(row, [arena.primary])], best=best, amount=drawn)


# ---- costs ---------------------------------------------------------------------------------------------------------------
LATENCY = ("latency/algorithmic_ms", "latency/block_p95_ms", "latency/first_audio_ms", "latency/rtf", "latency/offline_rtf")
COMPUTE = ("compute/macs_per_second", "compute/parameters", "compute/peak_memory_mb", "compute/to_90_percent_s",
           "compute/training_macs")  # fmt: skip
CONTEXT = ("context/useful_ms", "context/gradient_mass_ms", "context/receptive_field_ms", "context/recall_ms")
STREAMING = ("streaming/class", "streaming/smallest_block_ms", "streaming/memory_growth_mb")


def wait(row: Row) -> list[float]:
    """ms per seed from a sound to its answer: algorithmic latency + p95 of a block; infinite where the whole clip is waited for."""
    kinds = [str(value.value) for value in _values(row, "streaming/class") if value.value is not None]
    if "offline" in kinds:
        return [math.inf] * row.seeds
    ahead, block = _floats(row, LATENCY[0]), _floats(row, LATENCY[1])
    return [a + b for a, b in zip(ahead, block, strict=True)] if ahead and block else []


def latency(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Algorithmic + computational wait, and the time to the first sound."""
    found, shown = wait(row), _numbers(row, LATENCY)
    if not found:
        return Cell(_list(shown), shown, reason="" if shown else _why(row, *LATENCY))
    best, drawn = resampled(arena, found, True)
    said = "waits for the whole clip" if math.isinf(best) else f"{number(best)} ms in all"
    return Cell("; ".join(filter(None, (said, _list(shown)))), shown, best=best, amount=drawn)


def compute(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Multiply-accumulates per second of audio; parameters, memory and the cost of training beside it."""
    return _ranked(arena, row, COMPUTE, COMPUTE[:1])


def context(arena: Arena, row: Row, rule: Rule) -> Cell:
    """How much input is used: by the first of CONTEXT that most rows of the task have, for all rows the same one."""
    have = {name: sum(bool(_floats(each, name)) for each in arena.rows.values()) for name in CONTEXT[:3]}
    ranked = next((name for name in CONTEXT[:3] if have[name] * 2 > len(arena.rows)), None)
    return _ranked(arena, row, CONTEXT, [ranked] if ranked else [])


def _ranked(arena: Arena, row: Row, names: Sequence[str], by: Sequence[str]) -> Cell:
    shown = _numbers(row, names)
    per_seed = _floats(row, by[0]) if by else []
    if not shown:
        return Cell(reason=_why(row, *names))
    if per_seed and _bounded(row, by[0]):  # "at least" is above what is known exactly, or its place is not known
        exact = [max(_floats(each, by[0]), default=0.0) for each in arena.rows.values() if not _bounded(each, by[0])]
        per_seed = [math.inf] * row.seeds if min(per_seed) >= max(exact, default=0.0) else []
    if not per_seed:
        return Cell(_list(shown), shown)
    best, drawn = resampled(arena, per_seed, True)
    return Cell(_list(shown), shown, best=best, amount=drawn)


def streaming(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Online, online with look-ahead or offline, as tested on the trained nets."""
    kinds = [str(value.value) for value in _values(row, "streaming/class") if value.value is not None]
    if len(kinds) < row.seeds or any(kind not in CLASSES for kind in kinds):
        return Cell(reason=_why(row, "streaming/class"))
    shown = _numbers(row, STREAMING)
    worst = min(kinds, key=CLASSES.__getitem__)  # what holds for one seed only does not hold for the row
    reasons = [str(v.value) for v in _values(row, "streaming/reason") if v.value is not None]
    why = f" ({clean(reasons[kinds.index(worst)], 120)})" if worst == "offline" and len(reasons) == len(kinds) else ""
    rest = _list(shown[1:])
    text = worst + why + (f"; {rest}" if rest else "")
    return Cell(text, shown, best=CLASSES[worst], amount=np.full(arena.resamples, CLASSES[worst]))


# ---- what follows ------------------------------------------------------------------------------------------------------
def suitable(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Fit for the task when it beats the baseline and cannot be told from the best of the ten; and how soon it answers."""
    if row.standing in (stats.ONE_SEED, stats.UNTESTED):
        known = "one seed is one draw" if row.standing == stats.ONE_SEED else "it could not be tested against the other rows"
        return Cell(reason=known)
    beats = row.delta.verdict == "beats"
    near = row.standing in (stats.BEST, stats.TIED)
    soon = wait(row)
    slow = max(soon, default=math.nan)
    live = "live" if slow <= rule.live_ms else "streaming" if math.isfinite(slow) else "offline" if soon else "latency not measured"
    standing = row.standing if beats else f"{row.standing}, but does not beat the baseline"
    text = f"{'fit' if beats and near else 'not shown fit'}: {standing}; {live}"
    return Cell(text, [Number("standing", row.standing), Number("use", live)], fits=beats and near)


def data(arena: Arena, row: Row, rule: Rule) -> Cell:
    """Learning curve over shares of the training data (learning.py)."""
    found = data_needs(arena, row, rule.target, skill_items)
    if found.reason:
        return Cell(reason=found.reason)
    shown = [Number("exponent", found.exponent, "", found.exponent_ci, found.seeds)] if found.exponent is not None else []
    shown += [Number(f"skill at share {share:.4g}", value, "", ci, found.seeds) for share, value, ci in found.curve]
    shown.append(Number("share to reach the target", found.share, "", found.share_ci, found.seeds))
    return Cell(found.text, shown, best=found.share, amount=found.draws)


def _with(one: Number) -> str:
    if isinstance(one.value, str):
        return f"{one.value} {one.unit}".strip()
    return f"{with_interval(one.value, one.ci) if one.ci else number(one.value)} {one.unit}".strip()


NAMES = {
    "latency/algorithmic_ms": "algorithmic", "latency/block_p95_ms": "block p95", "latency/first_audio_ms": "first audio",
    "latency/rtf": "RTF", "latency/offline_rtf": "RTF offline", "compute/parameters": "parameters",
    "compute/macs_per_second": "", "compute/peak_memory_mb": "peak", "compute/to_90_percent_s": "to 90 %",
    "compute/training_macs": "training (estimate)", "context/useful_ms": "useful", "context/gradient_mass_ms": "gradient mass",
    "context/receptive_field_ms": "reached", "context/recall_ms": "recall", "streaming/smallest_block_ms": "smallest block",
    "streaming/memory_growth_mb": "memory growth",
}  # fmt: skip
LARGE = ("compute/macs_per_second", "compute/parameters", "compute/training_macs")


def _list(numbers: Sequence[Number]) -> str:
    out = []
    for one in numbers:
        big = one.name in LARGE and not isinstance(one.value, str)
        value = f"{count(one.value)} {one.unit}".strip() if big else _with(one)
        out.append(" ".join(filter(None, (NAMES.get(one.name, one.name.rpartition("/")[2]), value))))
    return ", ".join(out)


MEASURES: dict[str, Measure] = {
    "fidelity": fidelity, "latency": latency, "skill": skill, "compute": compute, "context": context, "data": data,
    "streaming": streaming, "suitable": suitable,
}  # fmt: skip
