"""Learning curves: what is left to learn, 1 − skill, as a power of the share of the training data, and the share that suffices.

What is left is fitted by a·share^−b, a straight line through its logarithms, least squares with equal weights (Hestness et al.
2017, arXiv:1712.00409, without a floor: three sizes cannot show one).  `b` is the exponent, 0 where more data do not help.  The
share to reach a target skill is read between the measured sizes, on a logarithmic axis of shares; nothing is extrapolated:
below the smallest size it says "at most", beyond all the data infinite.  So it orders few rows: the exponent orders them all.
Intervals are of resamples over seeds × items at every
size, the same items at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from audioml import stats
from audioml.lazy import LazyModule
from audioml.table.cells import number, with_interval
from audioml.talk.evidence import Arena, Row

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

LEAST = 1e-3  # of what is left to learn: a resample at or above the ceiling has no logarithm
FEWEST = 3  # sizes, below which no exponent is fitted
Skill = Callable[[Row, str], Any]


@dataclass(frozen=True)
class Needs:
    """`curve`: (share, skill, interval) from small to all; `share` to reach the target; `draws` [R] of the exponent."""

    text: str = ""
    reason: str = ""
    curve: list[tuple[float, float, tuple[float, float] | None]] = field(default_factory=list)
    exponent: float | None = None
    exponent_ci: tuple[float, float] | None = None
    share: float = math.inf
    share_ci: tuple[float, float] | None = None
    draws: np.ndarray | None = None
    seeds: int = 0


def fit(shares: np.ndarray, left: np.ndarray) -> np.ndarray:
    """shares [K], left [..., K] (1 − skill) -> the exponent b [...] of left = a·share^−b."""
    x = np.log(shares) - np.log(shares).mean()
    y = np.log(np.maximum(left, LEAST))
    return -(y * x).sum(-1) / (x**2).sum()


def reach(shares: np.ndarray, skills: np.ndarray, target: float) -> np.ndarray:
    """shares [K] rising, skills [..., K] -> the share [...] at which the curve first reaches `target`, or infinite."""
    log = np.log(shares)
    out = np.full(skills.shape[:-1], np.inf)
    for k in range(len(shares) - 1, 0, -1):
        low, high = skills[..., k - 1], skills[..., k]
        crossed = (low < target) & (high >= target)
        part = np.where(crossed, (target - low) / np.where(high == low, 1.0, high - low), 0.0)
        out = np.where(crossed, np.exp(log[k - 1] + part * (log[k] - log[k - 1])), out)
    return np.where(skills[..., 0] >= target, shares[0], out)


def data_needs(arena: Arena, row: Row, target: float, skill: Skill) -> Needs:
    """The curve of one row.  `target`: share of the best row's skill at all the data; `skill`: (row, metric) -> [S, I]."""
    curve = arena.curves.get(row.name)
    if not curve:
        return Needs(reason="no run of it on a part of the training data")
    shares = sorted(curve)
    try:
        x = [skill(replace(row, entry=curve[share]), arena.primary) for share in shares]
        goal = target * _best(arena, skill)
    except ValueError as why:
        return Needs(reason=f"no skill: {why}")
    if len({each.shape[1] for each in x}) > 1:
        return Needs(reason="the sizes were not measured on the same items")
    if goal <= 0:
        return Needs(reason="no row of the task is better than the baseline, so there is no target to reach")
    seeds = min(len(each) for each in x)
    known = [stats.estimate([line.tolist() for line in each]) for each in x]
    means = np.array([each.mean() for each in x])
    drawn = np.stack([stats.draws(each, resamples=arena.resamples, seed=arena.seed) for each in x], -1)
    grid = np.array(shares)
    share, shares_drawn = float(reach(grid, means, goal)), reach(grid, drawn, goal)
    found = Needs(
        curve=[(s, float(each.value), each.ci) for s, each in zip(shares, known, strict=True)],
        share=share, share_ci=_ends(shares_drawn), seeds=seeds,
    )  # fmt: skip
    if len(shares) >= FEWEST:
        draws = fit(grid, 1 - drawn)
        found = replace(found, exponent=float(fit(grid, 1 - means)), exponent_ci=_ends(draws), draws=draws)
    return replace(found, text=_text(found, goal, shares[0]))


def _best(arena: Arena, skill: Skill) -> float:
    """The best row's skill at all the data.  Raises ValueError where no row has one."""
    found, reasons = [], ["no row"]
    for row in arena.rows.values():
        try:
            found.append(float(skill(row, arena.primary).mean()))
        except ValueError as why:
            reasons.append(str(why))
    if not found:
        raise ValueError(reasons[-1])
    return max(found)


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    """95 % of the resamples; an end may be infinite."""
    low, high = np.quantile(drawn, (0.025, 0.975), method="nearest")
    return float(low), float(high)


def _text(needs: Needs, goal: float, least: float) -> str:
    if math.isinf(needs.share):
        said = f"skill {number(goal)} not reached with all the data"
    else:
        at_most = "at most " if needs.share <= least else ""
        low, high = (f"{end:.3g}" if math.isfinite(end) else "more than all" for end in needs.share_ci or (math.nan, math.nan))
        said = f"skill {number(goal)} with {at_most}{needs.share:.3g} of the data [{low}, {high}]"
    if needs.exponent is None or needs.exponent_ci is None:
        return f"{said}; {len(needs.curve)} sizes, too few for an exponent"
    return f"{said}; exponent {with_interval(needs.exponent, needs.exponent_ci)}"
