"""Latency: how long after a sound its answer leaves, by construction and by the clock.

latency/algorithmic_ms  look-ahead + block: the wait that no faster machine shortens.  The look-ahead is the measured one
                        (context/lookahead_ms), or the delay with which the streaming law held where that is less (what sees
                        several frames at once waits for all of the next ones); the block is what one step of the stream takes
latency/block_ms        the block that was timed: one step of the stream, several where a step is below 10 ms
latency/block_p50_ms    time to process one such block, one thread of this machine's CPU: median …
latency/block_p95_ms    … and 95th percentile
latency/rtf             mean time per block over the block's duration: real time needs less than 1
latency/offline_rtf     the same for a whole clip of 3 s at once, median of up to 3 runs

Protocol: float32, batch 1, noise, three warm-up blocks, then at least 50 blocks and half a second, at most 1.5 s; CPU time of the
one thread, so that other processes of the machine are not counted.  Block times are given only where the streaming law held: a
wrong answer has no latency.  They hold for the machine in the record's provenance; compare within one machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit
from audioml.probes import context, streaming
from audioml.probes._base import Ear, UnmeasurableError, block_of, ear_of, hushed, nothing
from audioml.records import Value, not_measured

if TYPE_CHECKING:
    from audioml.probes._base import Trial
    from audioml.system import System

AFTER = ("context", "streaming", "compute")
SHARE = 0.07
VALUES = {
    "latency/algorithmic_ms": ("ms", "low"),
    "latency/block_ms": ("ms", ""),
    "latency/block_p50_ms": ("ms", "low"),
    "latency/block_p95_ms": ("ms", "low"),
    "latency/rtf": ("", "low"),
    "latency/offline_rtf": ("", "low"),
}
TIMED = ("latency/block_ms", "latency/block_p50_ms", "latency/block_p95_ms", "latency/rtf")
BLOCKS, MOST_SECONDS = 50, 1.5
SMALLEST_MS = 10.0
CLIP_SECONDS = 3


def measure(
    system: System, data: Trial | None = None, *, found: Mapping[str, Value] | None = None, seconds: float = 5.0
) -> dict[str, Value]:
    """Reads context and streaming from `found`, or measures them.  Raises UnmeasurableError without audio input."""
    ear = ear_of(system)
    known = dict(found or {})
    if "streaming/class" not in known:
        for other in (context, streaming):
            try:
                known |= other.measure(system, data, found=known, seconds=seconds)
            except UnmeasurableError as why:
                known |= nothing(other.VALUES, str(why))
    import torch

    out = {"latency/algorithmic_ms": _algorithmic(system, ear, known)}
    with hushed(system), torch.no_grad():
        out |= _blocks(system, ear, known, min(MOST_SECONDS, seconds))
        out["latency/offline_rtf"] = _offline(system, ear, seconds)
    return out


def _algorithmic(system: Any, ear: Ear, known: Mapping[str, Value]) -> Value:
    quantity = VALUES["latency/algorithmic_ms"]
    ahead = known["context/lookahead_ms"]
    if ahead.value is None:
        return not_measured(ahead.reason, *quantity)
    if ahead.reason.startswith("at least"):
        return not_measured(f"the look-ahead is {ahead.value:g} ms or more: {ahead.reason}", *quantity)
    late = float(ahead.value)
    try:
        stream = system.stream(1)
        block = stream.block
        if _lawful(known):
            # with this delay the stream was the whole clip: no more has to be waited for
            late = min(late, 1000 * stream.delay / ear.rate)
    except Misfit:
        block = block_of(system)
    return Value(late + 1000 * block / ear.rate, *quantity, reason=ahead.reason)


def _lawful(known: Mapping[str, Value]) -> bool:
    """Whether what it streams is what it says offline."""
    law = known.get("streaming/law_error")
    return law is not None and law.value is not None and float(law.value) <= streaming.TOLERANCE


def _blocks(system: Any, ear: Ear, known: Mapping[str, Value], most: float) -> dict[str, Value]:
    if not _lawful(known):
        reason = known["streaming/reason"].value or known["streaming/class"].reason
        return nothing({k: VALUES[k] for k in TIMED}, f"it does not stream: {reason}")
    from audioml.probes._pace import pace_of

    step = system.stream(1).block
    pace = pace_of(system, ear, step * max(1, math.ceil(SMALLEST_MS * ear.rate / 1000 / step)), BLOCKS, most)
    duration = 1000 * pace.samples / ear.rate
    numbers = duration, pace.p50, pace.p95, pace.mean / duration
    return {k: Value(number, *VALUES[k], n=pace.n) for k, number in zip(TIMED, numbers, strict=True)}


def _offline(system: Any, ear: Ear, seconds: float) -> Value:
    inputs = ear.batch(ear.noise(CLIP_SECONDS * ear.rate))
    system(inputs)
    times: list[float] = []
    while len(times) < 3 and (not times or sum(times) + times[-1] < seconds / 2):
        start = time.thread_time()
        system(inputs)
        times.append(time.thread_time() - start)
    return Value(median(times) / CLIP_SECONDS, *VALUES["latency/offline_rtf"], n=len(times))
