"""What several seeds and many test items can tell: intervals, paired comparisons, and which rows are distinguishable.

Numbers come as [seeds][items]: each seed trains the network anew, and every seed is judged on the same items.  The two are
*crossed*, so a resample draws seeds and, independently, items, and all drawn seeds see the same drawn items (Owen 2007, "The
pigeonhole bootstrap", Ann. Appl. Stat. 1(2); resampling items within each seed would make the items' share of the doubt
smaller than it is).  Three seeds resampled never show more doubt than the three had, so the resampled deviations are
stretched: to the unbiased variance of a crossed design (Searle, Casella & McCulloch 1992, ch. 4) and to Student's quantile at
Satterthwaite's degrees of freedom (the expanded percentile interval of Hesterberg 2015, here with the effective degrees).
With one seed there is nothing to resample but items: that is ``audioml.metrics.interval``, and no verdict follows from it.

Pairs of rows are compared over the items and seeds that both have; their p-values are Student's with the same variance and
degrees, made fit for many pairs by Holm (1979).  Among 45 pairs of three seeds some agree by luck and would seem sure, so the
seeds' part of a pair's variance is never taken to be smaller than the median over all pairs of the task (times what makes the
median of a chi-square its mean).  In simulations with ten equal rows a false difference then appears in at most 5 % of tasks,
in about 10 % where two of the rows vary six times as much from seed to seed as the others; without it in 20 to 45 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from audioml.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

Items = Sequence[float | None]  # one number per test item, None where it could not be measured
Seeds = Mapping[int, Items]  # by seed

FEWEST = 5  # items; below this resampling is no evidence
RESAMPLES = 2000
LEVEL = 0.95
BETTER, WORSE, TIE, ONE_SEED, UNTESTED = "better", "worse", "tie", "one seed", "not tested"
BEST, TIED, BEHIND = "best", "tie with the best", "behind the best"


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


@dataclass(frozen=True)
class Contrast:
    """The mean difference a − b over what both have.  `p` is two-sided, None from one seed; `adjusted` after Holm."""

    difference: float | None = None
    ci: tuple[float, float] | None = None
    seeds: int = 0
    items: int = 0
    p: float | None = None
    adjusted: float | None = None
    verdict: str = UNTESTED
    reason: str = ""


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
    return Estimate(float(x.mean()), _interval(x, bool(np.isin(x, (0.0, 1.0)).all())), seeds, items, between)


def _interval(x: np.ndarray, shares: bool) -> tuple[float, float] | None:
    from audioml.metrics._bootstrap import interval, wilson

    seeds, items = x.shape
    if seeds == 1:
        return interval(np.stack([x[0], np.ones(items)], 1), share=shares, resamples=affordable(items))
    boots = draws(x, resamples=affordable(items))
    if boots.max() == boots.min():
        return wilson(float(x.mean()), items) if shares and items > 1 else (float(x.mean()), float(x.mean()))
    low, high = np.quantile(boots, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def contrast(a: Seeds, b: Seeds) -> Contrast:
    """Row `a` less row `b`, paired over the seeds and items that both have; `p` is of this pair alone (see `compare`)."""
    try:
        x, shared = _gaps(a, b)
    except ValueError as why:
        return Contrast(reason=str(why))
    found = Contrast(float(x.mean()), _interval(x, shares=False), *x.shape)
    if len(shared) == 1:
        return replace(found, verdict=ONE_SEED, reason="one seed is one draw")
    return replace(found, p=_p(x, doubt(x)))


def _gaps(a: Seeds, b: Seeds) -> tuple[np.ndarray, list[int]]:
    """Differences [S, I] over what both have, and the seeds.  Raises ValueError with the reason why there are none."""
    shared = sorted(set(a) & set(b))
    if not shared:
        raise ValueError("no seed in common")
    if len({len(row[s]) for row in (a, b) for s in shared}) > 1:
        raise ValueError("not the same test items")
    left, right = (np.array([[np.nan if v is None else v for v in row[s]] for s in shared], dtype=np.float64) for row in (a, b))
    gap = left - right
    x = gap[:, np.isfinite(gap).all(0)]
    if x.shape[1] < FEWEST:
        raise ValueError(f"{x.shape[1]} comparable items, at least {FEWEST} are needed")
    return x, shared


def _p(x: np.ndarray, known: Doubt) -> float:
    """Two-sided, of a mean of zero.  Differences that never vary: the chance that all items fall on one side."""
    from scipy.special import stdtr

    mean = float(x.mean())
    if known.variance == 0:
        return 1.0 if mean == 0 else 2.0 ** (1 - min(x.shape[1], 1000))
    return float(2 * stdtr(known.df, -abs(mean) / np.sqrt(known.variance)))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given: below 0.05 means distinguishable, with 5 % for one or more false ones among all."""
    adjusted, worst = [0.0] * len(p), 0.0
    for place, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        worst = max(worst, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = worst
    return adjusted


def compare(rows: Mapping[str, Seeds], better: str) -> dict[tuple[str, str], Contrast]:
    """Every pair (a, b) of `rows`, in their order, after Holm over all pairs that could be tested.

    The verdict says how `a` stands to `b`: better, worse, tie, one seed, not tested.  `better`: "high" | "low".
    """
    pairs = {(a, b): contrast(rows[a], rows[b]) for a, b in combinations(rows, 2)}
    tested = [key for key, found in pairs.items() if found.p is not None]
    for key, adjusted in zip(tested, holm(_pooled([_gaps(rows[a], rows[b])[0] for a, b in tested])), strict=True):
        found = pairs[key]
        pairs[key] = replace(found, adjusted=adjusted, verdict=_verdict(found.difference or 0.0, adjusted, better))
    return pairs


def _pooled(gaps: list[np.ndarray]) -> list[float]:
    """p-values of differences [S, I] whose seeds' part is at least the median of all, as the head of this file says."""
    parts = [doubt(x) for x in gaps]
    if not parts:
        return []
    fewest = min(part.seeds for part in parts)
    least = float(np.median([part.of_seeds * (part.seeds + 1) for part in parts])) / (1 - 2 / (9 * fewest)) ** 3
    rows = (1 + np.sqrt(1 + 8 * len(parts))) / 2  # so many rows make so many pairs
    raised = []
    for part in parts:
        floor = least / (part.seeds + 1)
        raised.append(replace(part, of_seeds=floor, seeds=(rows - 1) * fewest) if part.of_seeds < floor else part)
    return [_p(x, part) for x, part in zip(gaps, raised, strict=True)]


def _verdict(difference: float, adjusted: float, better: str) -> str:
    if better not in ("high", "low"):
        return UNTESTED
    if adjusted >= 1 - LEVEL:
        return TIE
    return BETTER if (difference > 0) == (better == "high") else WORSE


def standings(rows: Mapping[str, Seeds], better: str, pairs: Mapping[tuple[str, str], Contrast] | None = None) -> dict[str, str]:
    """Each row against the one with the best mean among those of several seeds.

    "best" is said only where no other row ties with it; where one does, both are "tie with the best".
    """
    pairs = compare(rows, better) if pairs is None else pairs
    means = {name: estimate(list(seeds.values())).value for name, seeds in rows.items() if _alike(seeds)}
    several = [name for name in rows if len(rows[name]) > 1 and means.get(name) is not None]
    if not several or better not in ("high", "low"):
        return {name: ONE_SEED if len(rows[name]) == 1 else UNTESTED for name in rows}
    leader = (max if better == "high" else min)(several, key=lambda name: means[name])
    said = {}
    for name in rows:
        if name != leader:
            one_way, other_way = pairs.get((name, leader)), pairs.get((leader, name))
            verdict = one_way.verdict if one_way else _TURNED[other_way.verdict] if other_way else UNTESTED
            said[name] = {TIE: TIED, WORSE: BEHIND, BETTER: TIED}.get(verdict, verdict)
    places = set(said.values())  # rows of one seed, and rows that could not be tested, are no rivals
    said[leader] = TIED if TIED in places else BEST if BEHIND in places else UNTESTED
    return {name: said[name] for name in rows}


_TURNED = {BETTER: WORSE, WORSE: BETTER, TIE: TIE, ONE_SEED: ONE_SEED, UNTESTED: UNTESTED}


def positions(values: np.ndarray, equal: float = 0.0) -> np.ndarray:
    """values [..., n] -> places [..., n] from 0 (the least) to 1; values no more than `equal` apart share theirs (mid-ranks)."""
    with np.errstate(invalid="ignore"):
        gap = values[..., :, None] - values[..., None, :]
    same = (np.abs(gap) <= equal) | (values[..., :, None] == values[..., None, :])  # the second: two infinities
    above = (gap > 0) & ~same
    n = values.shape[-1]
    return (above.sum(-1) + (same.sum(-1) - 1) / 2) / max(1, n - 1)


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of two arrays of `positions` [..., n] over their last axis; NaN where one of them does not vary."""
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    size = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size > 1e-12, (a * b).sum(-1) / size, np.nan)


def affordable(items: int) -> int:
    """Resamples for so many items: the weights of 100 000 items would not fit in memory."""
    return min(RESAMPLES, max(200, 20_000_000 // max(1, items)))


def _alike(seeds: Seeds) -> bool:
    return len({len(items) for items in seeds.values()}) == 1


def _student(df: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri((1 + LEVEL) / 2)) if np.isinf(df) else float(stdtrit(df, (1 + LEVEL) / 2))
