"""Does a run beat the trivial baseline?  Paired over test items, so that easy and hard items cancel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 5  # below this a bootstrap over items is no evidence
BEATS, EVEN, WORSE, UNTESTED = "beats", "even", "worse", "untested"


@dataclass(frozen=True)
class Delta:
    """Mean difference run − baseline over `n` items, its 95 % interval, and the `verdict`."""

    mean: float | None = None
    ci: tuple[float, float] | None = None
    n: int = 0
    verdict: str = UNTESTED
    reason: str = ""


def paired_delta(run: Sequence[float | None], baseline: Sequence[float | None], better: str) -> Delta:
    """The mean per-item difference with its BCa bootstrap interval; items that either side lacks are left out."""
    if better not in ("high", "low"):
        return Delta(reason="not tested: the record does not say which direction is better")
    if not run or not baseline:
        return Delta(reason="not tested: no per-item numbers in the record")
    if len(run) != len(baseline):
        return Delta(reason=f"not tested: {len(run)} items against the baseline's {len(baseline)}")
    both = sum(a is not None and b is not None for a, b in zip(run, baseline, strict=True))
    note = f"{len(run) - both} of {len(run)} items could not be compared" if both < len(run) else ""
    if both < FEWEST:
        return Delta(n=both, reason=f"not tested: {both} comparable items, at least {FEWEST} are needed")
    from audioml.metrics import paired

    resamples = min(2000, max(200, 20_000_000 // len(run)))  # the weights of 100 000 items would not fit in memory
    got = paired(run, baseline, resamples=resamples)
    if got.ci is None or got.difference is None:
        return Delta(n=got.n, reason="not tested: the difference has no interval")
    worse = paired(baseline, run, resamples=resamples).favours(better)
    verdict = BEATS if got.favours(better) else WORSE if worse else EVEN
    return Delta(got.difference, got.ci, got.n, verdict, note)
