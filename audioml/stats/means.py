"""Means over seeds and test items, and how far they can be trusted.

Numbers come as [seeds][items]: each seed trains the network anew, and every seed is judged on the same items.  The two are
*crossed*, so a resample draws seeds and, independently, items, and all drawn seeds see the same drawn items (Owen 2007, "The
pigeonhole bootstrap", Ann. Appl. Stat. 1(2); resampling items within each seed would make the items' share of the doubt
smaller than it is).  Three seeds resampled never show more doubt than the three had, so the resampled deviations are
stretched: to the unbiased variance of a crossed design (Searle, Casella & McCulloch 1992, ch. 4) and to Student's quantile at
Satterthwaite's degrees of freedom (the expanded percentile interval of Hesterberg 2015, here with the effective degrees).
With one seed there is nothing to resample but items: that is ``audioml.metrics.interval``, and no verdict follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audioml.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

Items = Sequence[float | None]  # one number per test item, None where it could not be measured
Seeds = Mapping[int, Items]  # by seed

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Doubt:
    """The variance of a mean over seeds × items in parts, each with its degrees of freedom; `of_both` is held in the other two."""

    of_seeds: float
    of_items: float
    of_both: float
    seeds: float
    items: float

    @property
    def variance(self) -> float:
        """Of the mean."""
        return max(self.of_seeds + self.of_items - self.of_both, self.of_seeds, self.of_items)

    @property
    def df(self) -> float:
        """Satterthwaite's effective degrees of freedom, at least 1."""
        parts = ((self.of_seeds, self.seeds), (self.of_items, self.items), (self.of_both, self.seeds * self.items))
        below = sum(part**2 / df for part, df in parts if df > 0)
        return max(1.0, self.variance**2 / below) if below > 0 else 1.0


@dataclass(frozen=True)
class Estimate:
    """A mean over `seeds` × `items`, its 95 % interval (None where there is none), and the standard deviation `between` seeds."""

    value: float | None
    ci: tuple[float, float] | None
    seeds: int
    items: int
    between: float | None = None


def matrix(numbers: Sequence[Items]) -> np.ndarray:
    """[seeds][items] -> [S, I] of the items that every seed has.  Raises ValueError for seeds of different lengths."""
    if len({len(items) for items in numbers}) > 1:
        raise ValueError(f"the seeds have {', '.join(str(len(items)) for items in numbers)} items: these are not the same items")
    x = np.array([[np.nan if v is None else v for v in items] for items in numbers], dtype=np.float64)
    return x[:, np.isfinite(x).all(0)] if x.size else np.zeros((len(numbers), 0))


def doubt(x: np.ndarray) -> Doubt:
    """Of the mean of x [S, I], S > 1, seeds and items crossed and both random; I = 1: seeds alone."""
    seeds, items = x.shape
    by_seed, by_item = x.mean(1), x.mean(0)
    of_seeds = float(by_seed.var(ddof=1)) / seeds
    if items == 1:
        return Doubt(of_seeds, 0.0, 0.0, seeds - 1, 0)
    rest = x - by_seed[:, None] - by_item + x.mean()
    of_both = float((rest**2).sum()) / ((seeds - 1) * (items - 1)) / (seeds * items)
    of_items = float(by_item.var(ddof=1)) / items
    rounding = 1e-24 * max(1.0, float(np.abs(x).max()) ** 2)
    parts = (part if part > rounding else 0.0 for part in (of_seeds, of_items, of_both))
    return Doubt(*parts, seeds - 1, items - 1)


def draws(x: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """x [S, I] -> resampled means [R], stretched as the head of this file says.  Matrices of one shape share their draws.

    One seed: items alone are drawn, unstretched.
    """
    from audioml.metrics._bootstrap import weights

    seeds, items = x.shape
    mean = float(x.mean())
    drawn = weights(items, resamples, seed) / items
    if seeds == 1:
        return drawn @ x[0]
    boots = ((weights(seeds, resamples, seed + 1) / seeds @ x) * drawn).sum(1)
    wide = float(boots.std())
    known = doubt(x)
    if wide == 0 or known.variance == 0:
        return np.full(resamples, mean)
    return mean + (boots - boots.mean()) * (np.sqrt(known.variance) / wide * _student(known.df) / _student(np.inf))


def estimate(numbers: Sequence[Items]) -> Estimate:
    """The mean over seeds × items with its interval; [S][1] is one number per seed."""
    if not numbers:
        return Estimate(None, None, 0, 0)
    x = matrix(numbers)
    seeds, items = x.shape
    if not items:
        return Estimate(None, None, seeds, 0)
    between = float(x.mean(1).std(ddof=1)) if seeds > 1 else None
    return Estimate(float(x.mean()), interval_of(x, bool(np.isin(x, (0.0, 1.0)).all())), seeds, items, between)


def interval_of(x: np.ndarray, shares: bool = False) -> tuple[float, float] | None:
    """The 95 % interval of the mean of x [S, I]; `shares`: its numbers are 0 or 1, so that agreement of all is no certainty."""
    from audioml.metrics._bootstrap import interval, wilson

    seeds, items = x.shape
    if seeds == 1:
        return interval(np.stack([x[0], np.ones(items)], 1), share=shares, resamples=affordable(items))
    boots = draws(x, resamples=affordable(items))
    if boots.max() == boots.min():
        return wilson(float(x.mean()), items) if shares and items > 1 else (float(x.mean()), float(x.mean()))
    low, high = np.quantile(boots, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def affordable(items: int) -> int:
    """Resamples for so many items: the weights of 100 000 items would not fit in memory."""
    return min(RESAMPLES, max(200, 20_000_000 // max(1, items)))


def _student(df: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri((1 + LEVEL) / 2)) if np.isinf(df) else float(stdtrit(df, (1 + LEVEL) / 2))
