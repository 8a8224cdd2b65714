"""Useful context: how much of its past a trained system needs to be as good as it is.

context/useful_ms     the shortest stretch of input with which the system keeps 99 % of what it gains over the trivial baseline
context/useful_curve  the shares of that gain that it keeps with each of the stretches that were tried, as text

Definition: with m(C) the task's primary metric of the system that is given only the last C seconds at every moment, m the one
of the whole clips and b the baseline's on the same clips, the shortest C with (m(C) - b) / (m - b) >= 0.99.  In terms of skill,
(m - baseline) / (ceiling - baseline), that is a loss of at most 1 %; the ceiling cancels.

Protocol: up to 8 test clips (48 where each has one answer), evenly spread, whole; the clips are cut into overlapping chunks,
the system runs over each as over a clip of its own, and of each only the last quarter of its past is kept, so that no moment
sees more than C and none less than 3C/4.  What it looks ahead is left to it (where that has no end: C there too, so both sides
are cut).  C is the system's block times a power of two, of 30 ms to 4 s, found by bisection.  Where symbols leave frame by
frame, the head's emission is put together and decoded as usual.  Where there is one answer per clip, the clip itself is cut to
its loudest C seconds.  Pitfalls: bisection takes more context to be no worse; a system is not trained to begin in the middle,
and a gain from context cannot be told from the cost of such a beginning; a granular metric (accuracy over few clips) moves in
steps; clips bound the answer ("at least").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from audioml.probes._base import PACE, UnmeasurableError, clips_of, ear_of, hushed, work_of
from audioml.records import Value

if TYPE_CHECKING:
    from audioml.probes._base import Trial
    from audioml.system import System

AFTER = ("compute", "context")
SHARE = 0.42
VALUES = {"context/useful_ms": ("ms", ""), "context/useful_curve": ("", "")}
SHORTEST, LONGEST = 0.03, 4.0  # seconds
FEWEST = 3  # clips
KEPT = 0.99


def measure(
    system: System, data: Trial | None = None, *, found: Mapping[str, Value] | None = None, seconds: float = 4.0
) -> dict[str, Value]:
    """Raises UnmeasurableError without test clips or audio input, where it beats no baseline, and where it is too much work."""
    clips, ear = clips_of(data), ear_of(system)
    import torch

    from audioml.probes._truncate import Judge, truncation

    cut = truncation(system, ear, found or {})
    samples = [ear.wave(clip).shape[-1] for clip in clips]
    most = min(max(samples), LONGEST * ear.rate + 1)
    lengths = [c for c in (cut.unit * 2**k for k in range(24)) if SHORTEST * ear.rate <= c < most]
    if not lengths:
        raise UnmeasurableError("the clips are no longer than the system's block")
    once = work_of(system, ear, found) * sum(samples) / len(samples) / ear.rate  # multiply-accumulates of one clip
    asked = len(lengths).bit_length()
    each = once * (1 + asked * max(cut.price(c) for c in lengths))
    count = min(cut.clips, len(clips), int(seconds * PACE / each))
    if count < FEWEST:
        raise UnmeasurableError(f"it would take {FEWEST * each / PACE:.2g} s on one core, and has {seconds:.2g} s")
    some = [clips[k * len(clips) // count] for k in range(count)]
    assert data is not None
    with hushed(system), torch.no_grad():
        judge = Judge(system, some, data.statistics)
        kept = bisected(lambda c: judge.kept(cut.outputs(some, c)), lengths)
    best = min((c for c, share in kept.items() if share >= KEPT), default=None)
    note = "at least: no stretch shorter than the clips is enough" if best is None else ""
    curve = ", ".join(f"{100 * share:.4g} % with {1000 * c / ear.rate:g} ms" for c, share in sorted(kept.items()))
    needed = 1000 * (max(samples) if best is None else best) / ear.rate
    return {
        "context/useful_ms": Value(needed, *VALUES["context/useful_ms"], n=count, reason=note),
        "context/useful_curve": Value(curve, *VALUES["context/useful_curve"], n=count),
    }


def bisected(share: Callable[[int], float], lengths: Sequence[int]) -> dict[int, float]:
    """`share` of the lengths that bisection asks for the shortest one with enough of it."""
    found: dict[int, float] = {}
    low, high = -1, len(lengths)
    while high - low > 1:
        middle = (low + high) // 2
        found[lengths[middle]] = share(lengths[middle])
        low, high = (low, middle) if found[lengths[middle]] >= KEPT else (middle, high)
    return found
