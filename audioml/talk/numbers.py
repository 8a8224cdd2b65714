"""A row's values over its seeds, as the talk's columns use them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audioml import stats
from audioml.lazy import LazyModule
from audioml.records import Value
from audioml.table.cells import clean, count, number, with_interval
from audioml.talk.evidence import Arena, Row

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

NEVER_BELOW_ZERO = ("latency/", "compute/", "context/", "streaming/smallest_block_ms")  # names; a stream's memory may shrink


@dataclass(frozen=True)
class Number:
    """One measured value behind a cell, mean over `seeds`, with the interval over seeds (and items, where it has any)."""

    name: str
    value: float | str
    unit: str = ""
    ci: tuple[float, float] | None = None
    seeds: int = 1


def values_of(row: Row, name: str, table: str = "values") -> list[Value]:
    """The values of that name, of the seeds that have it."""
    return [value for run in row.entry.runs if (value := getattr(run.record, table).get(name)) is not None]


def floats_of(row: Row, name: str, table: str = "values") -> list[float]:
    """One per seed, or [] where a seed has none."""
    found = [float(v.value) for v in values_of(row, name, table) if isinstance(v.value, int | float)]
    return found if len(found) == row.seeds else []


def why_not(row: Row, *names: str) -> str:
    """The first reason that a record gives for not having the values."""
    reasons = [value.reason for name in names for value in values_of(row, name) if value.value is None and value.reason]
    return clean(reasons[0], 200) if reasons else "not in the record"


def number_of(row: Row, name: str) -> Number | None:
    """The value of that name over the row's seeds, None where there is none; a bound is a text."""
    value = row.entry.record.values.get(name)
    if value is None or value.value is None:
        return None
    bound = value.reason.startswith("at least")
    if isinstance(value.value, str) or bound:
        text = f"≥ {number(float(value.value))}" if bound and not isinstance(value.value, str) else clean(value.value, 60)
        return Number(name, text, clean(value.unit, 20), None, row.seeds)
    per_seed = floats_of(row, name)
    mean, ci = float(value.value), value.ci
    if ci is None and len(per_seed) > 1:
        mean, ci = _over_seeds(per_seed, 0.0 if name.startswith(NEVER_BELOW_ZERO) else -math.inf)
    return Number(name, mean, clean(value.unit, 20), ci if ci and ci[0] < ci[1] else None, row.seeds)  # a count has no doubt


def _over_seeds(per_seed: Sequence[float], least: float) -> tuple[float, tuple[float, float]]:
    """Mean and interval of one number per seed; of positive ones, as costs are, on a logarithmic scale (a geometric mean).

    Where a seed has zero (ms of recall, say) that scale is lost, and Student's interval is symmetric and may reach below what the
    quantity can be: its lower end is then cut at `least`.  Nothing that was possible is cut off, so it covers the mean as often.
    """
    log = min(per_seed) > 0
    got = stats.estimate([[math.log(x) if log else x] for x in per_seed])
    assert got.value is not None
    assert got.ci is not None
    return (_exp(got.value), (_exp(got.ci[0]), _exp(got.ci[1]))) if log else (got.value, (max(got.ci[0], least), got.ci[1]))


def _exp(x: float) -> float:
    return math.exp(min(x, 700.0))  # a record may hold 1e300, and two seeds leave much open above it


def bounded(row: Row, name: str) -> bool:
    """Whether a seed has only a bound ("at least")."""
    return any(value.reason.startswith("at least") for value in values_of(row, name))


def numbers_of(row: Row, names: Sequence[str]) -> list[Number]:
    """Those of the values that there are."""
    return [found for name in names if (found := number_of(row, name)) is not None]


def resampled(arena: Arena, per_seed: Sequence[float], log: bool) -> tuple[float, np.ndarray]:
    """One number per seed -> its mean (geometric where `log`) and resamples of it; an infinite or single one stays as it is."""
    x = np.array(per_seed, dtype=np.float64)[:, None]
    if not np.isfinite(x).all() or len(x) == 1 or (log and (x <= 0).any()):
        mean = float(x.mean())
        return mean, np.full(arena.resamples, mean)
    drawn = stats.draws(np.log(x) if log else x, resamples=arena.resamples, seed=arena.seed)
    mean = float((np.log(x) if log else x).mean())
    return (_exp(mean), np.exp(np.minimum(drawn, 700.0))) if log else (mean, drawn)


def with_unit(one: Number) -> str:
    """``4.97 [4.51, 5.42] dB``."""
    if isinstance(one.value, str):
        return f"{one.value} {one.unit}".strip()
    return f"{with_interval(one.value, one.ci) if one.ci else number(one.value)} {one.unit}".strip()


NAMES = {
    "latency/algorithmic_ms": "algorithmic", "latency/block_p95_ms": "block p95", "latency/first_audio_ms": "first audio",
    "latency/rtf": "RTF", "latency/offline_rtf": "RTF offline", "compute/parameters": "parameters",
    "compute/macs_per_second": "", "compute/peak_memory_mb": "peak", "compute/to_90_percent_s": "to 90 %",
    "compute/training_macs": "training (estimate)", "context/useful_ms": "useful", "context/gradient_mass_ms": "gradient mass",
    "context/receptive_field_ms": "reached", "context/recall_ms": "recall", "streaming/smallest_block_ms": "smallest block",
    "streaming/memory_growth_mb": "memory growth", "streaming/class": "",
}  # fmt: skip
LARGE = ("compute/macs_per_second", "compute/parameters", "compute/training_macs")


def listed(numbers: Sequence[Number]) -> str:
    """The numbers with their short names, in one line."""
    out = []
    for one in numbers:
        big = one.name in LARGE and not isinstance(one.value, str)
        value = f"{count(one.value)} {one.unit}".strip() if big else with_unit(one)
        out.append(" ".join(filter(None, (NAMES.get(one.name, one.name.rpartition("/")[2]), value))))
    return ", ".join(out)
