"""Timing candidates against each other: alternating rounds in one process, CPU time, medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One candidate: `cost` per unit of work, how many times cheaper than the reference, and the target for that."""

    bench: str
    name: str
    cost: float
    unit: str
    ratio: float
    spread: float
    target: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target ratio was reached; None without a target."""
        return None if self.target is None else self.ratio >= self.target

    def line(self) -> str:
        """One line of the table."""
        goal = "" if self.target is None else f"  target {self.target:g}x: {'met' if self.met else 'MISSED'}"
        return f"{self.bench:8} {self.name:34} {self.cost:9.1f} {self.unit:14} {self.ratio:7.2f}x  ±{self.spread:.0%}{goal}"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self) | {"met": self.met}


def alternate(
    bench: str,
    candidates: dict[str, tuple[Callable[[], object], int]],
    *,
    unit: str,
    rounds: int,
    targets: dict[str, float],
) -> list[Row]:
    """Time {name: (call, units of work in it)}, turn by turn; the first is the reference.

    Cost is the median CPU time (process_time) in µs per unit, spread is (max - min) / median over the rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for call, _ in candidates.values():
        call()
    for _ in range(rounds):
        for name, (call, units) in candidates.items():
            start = time.process_time()
            call()
            times[name].append((time.process_time() - start) / units * 1e6)
    cost = {name: statistics.median(t) for name, t in times.items()}
    base = next(iter(cost.values()))
    return [
        Row(bench, name, cost[name], unit, base / cost[name], (max(t) - min(t)) / cost[name], targets.get(name))
        for name, t in times.items()
    ]
