"""95 % intervals over items, by one matrix product: resampling weights [R, n] @ statistics [n, k] -> combine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from audioml.metrics._base import mean

LEVEL = 0.95
RESAMPLES = 2000


@lru_cache(maxsize=4)
def weights(n: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of n items is drawn in each resample [R, n]; shared by all values of one evaluation."""
    draws = np.random.default_rng(seed).integers(n, size=(resamples, n))
    flat = (draws + np.arange(resamples)[:, None] * n).ravel()
    return np.bincount(flat, minlength=resamples * n).reshape(resamples, n).astype(np.float64)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion; honest where all n items agree and a bootstrap has no width."""
    z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def interval(
    rows: np.ndarray,
    combine: Callable[[np.ndarray], np.ndarray] = mean,
    *,
    share: bool = False,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float] | None:
    """BCa interval (Efron 1987) of ``combine(rows.sum(0))`` over items; rows [n, k], all finite.

    None for fewer than two items.  Deterministic for a seed.
    """
    n = len(rows)
    if n < 2:
        return None
    total = rows.sum(0)
    value = float(combine(total))
    boots = combine(weights(n, resamples, seed) @ rows)
    boots = np.sort(boots[np.isfinite(boots)])
    if not len(boots) or not math.isfinite(value):
        return None
    if boots[-1] - boots[0] <= 1e-12 * max(1.0, abs(value)):
        return wilson(value, n) if share else (value, value)
    normal = NormalDist()
    below = (np.mean(boots < value) + np.mean(boots <= value)) / 2
    bias = normal.inv_cdf(float(np.clip(below, 1 / resamples, 1 - 1 / resamples)))
    left_one_out = combine(total - rows)
    left_one_out = left_one_out[np.isfinite(left_one_out)]
    spread = left_one_out.mean() - left_one_out if len(left_one_out) else np.zeros(1)
    scale = 6 * float((spread**2).sum()) ** 1.5
    skew = float((spread**3).sum()) / scale if scale > 0 else 0.0
    ends = []
    for p in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        z = bias + normal.inv_cdf(p)
        ends.append(float(np.quantile(boots, normal.cdf(bias + z / (1 - skew * z)))))
    return ends[0], ends[1]


@dataclass(frozen=True)
class Paired:
    """Mean difference a - b over the items that both have, with its 95 % interval (None below two items)."""

    difference: float | None
    ci: tuple[float, float] | None
    n: int

    def favours(self, better: str) -> bool:
        """True when a is better than b beyond doubt: the interval lies on the good side of zero.  `better`: "high" | "low"."""
        if self.ci is None or better not in ("high", "low"):
            return False
        return self.ci[0] > 0 if better == "high" else self.ci[1] < 0


def paired(a: Sequence[float | None], b: Sequence[float | None], *, seed: int = 0, resamples: int = RESAMPLES) -> Paired:
    """Compare two systems item by item: `a`, `b` are ``Scores.items[name]`` over the same clips in the same order.

    Raises ValueError for lists of different lengths: these are not the same items.
    """
    if len(a) != len(b):
        raise ValueError(f"paired comparison needs the same items, got {len(a)} and {len(b)}")
    x, y = (np.array([np.nan if v is None else v for v in items], dtype=np.float64) for items in (a, b))
    gap = (x - y)[np.isfinite(x - y)]
    if not len(gap):
        return Paired(None, None, 0)
    rows = np.stack([gap, np.ones_like(gap)], 1)
    return Paired(float(gap.mean()), interval(rows, seed=seed, resamples=resamples), len(gap))
