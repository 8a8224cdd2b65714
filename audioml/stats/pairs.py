"""Which rows can be told apart: all pairs of a task, over the seeds and items that both rows have.

A pair's p-value is Student's with the variance and the degrees of freedom of means.py, made fit for many pairs by Holm (1979).
Three seeds estimate their own variance badly, and among 45 pairs some agree by luck and would seem sure, so the seeds' part of
each pair is moderated (Smyth 2004, "Linear models and empirical Bayes methods", SAGMB 3(1)): no pair's is taken to be below
the median over all pairs, and one above it is drawn towards it by as much as the pairs are alike, at most as if by twice the
seeds there are.  In simulations with ten equal rows of three seeds (tests/test_stats.py) a false difference then appears in
at most about 5 % of tasks, in 13 % where two rows vary six times as much from seed to seed as the others; without it in 10 to
35 %, and with less power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, TypeVar

from audioml.lazy import LazyModule
from audioml.stats.means import LEVEL, Doubt, Seeds, doubt, estimate, interval_of

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

Name = TypeVar("Name")  # what a row is called, or its place

FEWEST = 5  # items; below this resampling is no evidence
BETTER, WORSE, TIE, ONE_SEED, UNTESTED = "better", "worse", "tie", "one seed", "not tested"
BEST, TIED, BEHIND = "best", "tie with the best", "behind the best"


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


def contrast(a: Seeds, b: Seeds, *, interval: bool = True) -> Contrast:
    """Row `a` less row `b`, paired over the seeds and items that both have; `p` is of this pair alone (see `compare`).

    Without the `interval`, which is resampled, it takes no time to speak of.
    """
    return _contrast(_numbers(a), _numbers(b), interval)[0]


def _numbers(row: Seeds) -> dict[int, np.ndarray]:
    """Seed -> its items [I], NaN where one could not be measured."""
    return {seed: np.array(items, dtype=np.float64) for seed, items in row.items()}


def _contrast(a: Mapping[int, np.ndarray], b: Mapping[int, np.ndarray], interval: bool) -> tuple[Contrast, np.ndarray | None]:
    """The contrast, and the differences [S, I] that it is of, where there are any."""
    try:
        x = _gaps(a, b)
    except ValueError as why:
        return Contrast(reason=str(why)), None
    found = Contrast(float(x.mean()), interval_of(x) if interval else None, *x.shape)
    if len(x) == 1:
        return replace(found, verdict=ONE_SEED, reason="one seed is one draw"), x
    return replace(found, p=_p(x, doubt(x))), x


def _gaps(a: Mapping[int, np.ndarray], b: Mapping[int, np.ndarray]) -> np.ndarray:
    """Differences [S, I] over the seeds and items that both have.  Raises ValueError with the reason why there are none."""
    shared = sorted(set(a) & set(b))
    if not shared:
        raise ValueError("no seed in common")
    if len({len(row[s]) for row in (a, b) for s in shared}) > 1:
        raise ValueError("not the same test items")
    gap = np.stack([a[s] - b[s] for s in shared])
    x = gap[:, np.isfinite(gap).all(0)]
    if x.shape[1] < FEWEST:
        raise ValueError(f"{x.shape[1]} comparable items, at least {FEWEST} are needed")
    return x


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


def compare(rows: Mapping[Name, Seeds], better: str, *, intervals: bool = True) -> dict[tuple[Name, Name], Contrast]:
    """Every pair (a, b) of `rows`, in their order, after Holm over all pairs that could be tested.

    The verdict says how `a` stands to `b`: better, worse, tie, one seed, not tested.  `better`: "high" | "low".
    """
    numbers = {name: _numbers(row) for name, row in rows.items()}
    pairs, gaps = {}, {}
    for key in combinations(rows, 2):
        pairs[key], x = _contrast(numbers[key[0]], numbers[key[1]], intervals)
        if pairs[key].p is not None:
            gaps[key] = x
    for key, adjusted in zip(gaps, holm(_pooled(list(gaps.values()))), strict=True):
        found = pairs[key]
        pairs[key] = replace(found, adjusted=adjusted, verdict=_verdict(found.difference or 0.0, adjusted, better))
    return pairs


def _pooled(gaps: list[np.ndarray]) -> list[float]:
    """p-values of differences [S, I], the seeds' part of each moderated by all, as the head of this file says."""
    parts = [doubt(x) for x in gaps]
    if not parts:
        return []
    fewest = min(part.seeds for part in parts)
    own = np.array([part.of_seeds * (part.seeds + 1) for part in parts])  # per seed, so that pairs of more seeds may join
    middle = float(np.median(own)) / (1 - 2 / (9 * fewest)) ** 3  # the median of a chi-square, made its mean
    rows = (1 + np.sqrt(1 + 8 * len(parts))) / 2  # so many rows make so many pairs
    prior = min(prior_degrees(own, fewest), 2 * fewest)
    moderated = []
    for part, each in zip(parts, own, strict=True):
        if each < middle:
            of_seeds, df = middle, (rows - 1) * fewest
        else:
            of_seeds, df = (prior * middle + part.seeds * each) / (prior + part.seeds), part.seeds + prior
        moderated.append(replace(part, of_seeds=of_seeds / (part.seeds + 1), seeds=df) if len(parts) > 1 else part)
    return [_p(x, part) for x, part in zip(gaps, moderated, strict=True)]


def prior_degrees(variances: np.ndarray, df: float) -> float:
    """How alike the true variances behind sample `variances` of `df` degrees are: Smyth's prior degrees, from 0 to infinite."""
    from scipy.special import polygamma

    known = variances[variances > 0]
    if len(known) < 3:
        return 0.0
    excess = float(np.log(known).var(ddof=1) - polygamma(1, df / 2))
    if excess <= 0:
        return float("inf")
    x = 0.5 + 1 / excess  # Newton for trigamma(x) = excess, from below (Smyth 2004, appendix)
    for _ in range(50):
        step = polygamma(1, x) * (1 - polygamma(1, x) / excess) / polygamma(2, x)
        x += float(step)
        if abs(step) < 1e-9 * x:
            break
    return 2 * x


def _verdict(difference: float, adjusted: float, better: str) -> str:
    if better not in ("high", "low"):
        return UNTESTED
    if adjusted >= 1 - LEVEL:
        return TIE
    return BETTER if (difference > 0) == (better == "high") else WORSE


def standings(
    rows: Mapping[Name, Seeds], better: str, pairs: Mapping[tuple[Name, Name], Contrast] | None = None
) -> dict[Name, str]:
    """Each row against the one with the best mean among those of several seeds.

    "best" is said only where no other row ties with it; where one does, both are "tie with the best".
    """
    means = {name: estimate(list(seeds.values())).value for name, seeds in rows.items() if _alike(seeds)}
    several = [name for name in rows if len(rows[name]) > 1 and means.get(name) is not None]
    if not several or better not in ("high", "low"):
        return {name: ONE_SEED if len(rows[name]) == 1 else UNTESTED for name in rows}
    pairs = compare(rows, better, intervals=False) if pairs is None else pairs
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


def _alike(seeds: Seeds) -> bool:
    return len({len(items) for items in seeds.values()}) == 1
