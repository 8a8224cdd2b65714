"""Does a run beat the trivial baseline?  Paired over test items, so that easy and hard items cancel."""

from __future__ import annotations

from dataclasses import dataclass

from audioml import stats

BEATS, EVEN, WORSE, UNTESTED = "beats", "even", "worse", "untested"


@dataclass(frozen=True)
class Delta:
    """Mean difference run − baseline over `n` items, its 95 % interval, and the `verdict`."""

    mean: float | None = None
    ci: tuple[float, float] | None = None
    n: int = 0
    verdict: str = UNTESTED
    reason: str = ""


def paired_delta(run: stats.Items, baseline: stats.Items, better: str) -> Delta:
    """The mean per-item difference of one run with its BCa bootstrap interval; items that either side lacks are left out."""
    return seeds_delta({0: run}, {0: baseline}, better)


def seeds_delta(runs: stats.Seeds, baselines: stats.Seeds, better: str) -> Delta:
    """The same over the items and seeds of a row.

    One seed: a statement about that trained network.  Several: about the row, the interval is over seeds × items.
    """
    if better not in ("high", "low"):
        return Delta(reason="not tested: the record does not say which direction is better")
    if not all(map(len, runs.values())) or not all(map(len, baselines.values())):
        return Delta(reason="not tested: no per-item numbers in the record")
    for seed, items in runs.items():
        if len(items) != len(baselines[seed]):
            return Delta(reason=f"not tested: {len(items)} items against the baseline's {len(baselines[seed])}")
    whole = len(next(iter(runs.values())))
    found = stats.contrast(runs, baselines)
    if found.ci is None or found.difference is None:
        return Delta(n=found.items, reason=f"not tested: {found.reason or 'the difference has no interval'}")
    note = f"{whole - found.items} of {whole} items could not be compared" if found.items < whole else ""
    low, high = found.ci if better == "high" else (-found.ci[1], -found.ci[0])
    verdict = BEATS if low > 0 else WORSE if high < 0 else EVEN
    return Delta(found.difference, found.ci, found.items, verdict, note)
