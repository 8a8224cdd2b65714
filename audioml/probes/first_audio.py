"""Time to first audio: from the moment that a system is asked to the first sample that it puts out.

latency/first_audio_ms  where it streams: from the first input sample to the first output sample that answers it, with waiting
                        for blocks and computing them; the median of five fresh streams.  Else the time to make a whole clip of
                        3 s, and before it the 3 s that the input lasts, where its input is sound.

Protocol: the system's own blocks (latency/block_ms may be larger), one thread, CPU time; a block is computed when it is
complete and the one before it is done.  Silence that the stream gives out for its delay is not an answer.  Pitfalls: a maker of
sound from text or nothing may be faster or slower than real time for clips of other lengths; where 3 s are too much work a
shorter clip is made, and named.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING, Any

from audioml.probes._base import UnmeasurableError, asked, ear_of, hushed
from audioml.probes.streaming import TOLERANCE
from audioml.records import Value

if TYPE_CHECKING:
    from audioml.probes._base import Ear, Trial
    from audioml.system import System

AFTER = ("streaming",)
SHARE = 0.05
VALUES = {"latency/first_audio_ms": ("ms", "low")}
CLIP, SHORT = 3.0, 0.5  # seconds
STREAMS, LONGEST = 5, 10  # streams that are timed; seconds of audio after which one is given up


def measure(
    system: System, data: Trial | None = None, *, found: Mapping[str, Value] | None = None, seconds: float = 1.5
) -> dict[str, Value]:
    """Raises UnmeasurableError where no sound leaves."""
    asked(system, SHORT)
    import torch

    law = (found or {}).get("streaming/law_error")
    with hushed(system), torch.no_grad():
        if law is not None and law.value is not None and float(law.value) <= TOLERANCE:
            ear = ear_of(system)
            first_answer(system, ear)
            times = [first_answer(system, ear) for _ in range(STREAMS)]
            value, n, note = median(times), STREAMS, ""
        else:
            value, n, note = whole_clip(system, seconds)
    return {"latency/first_audio_ms": Value(value, *VALUES["latency/first_audio_ms"], n=n, reason=note)}


def first_answer(system: Any, ear: Ear) -> float:
    """ms from the first sample pushed to the first one that answers it."""
    stream, port = system.stream(1), system.plan.output.port
    blocks = ear.noise(16 * stream.block, seed=4).split(stream.block, -1)
    came = pushed = 0
    clock = 0.0
    while came <= stream.delay and pushed < LONGEST * ear.rate:
        block = ear.split(blocks[pushed // stream.block % 16])
        start = time.thread_time()
        came += stream.push(block)[port].shape[-1]
        pushed += stream.block
        clock = max(clock, pushed / ear.rate) + time.thread_time() - start
    if came <= stream.delay:
        raise UnmeasurableError(f"the stream was silent for {LONGEST} s")
    return 1000 * clock


def whole_clip(system: Any, seconds: float) -> tuple[float, int, str]:
    """ms to make a clip at once, how often it was timed, and what the number holds."""
    listens = any(side.world.family == "audio" for side in system.plan.inputs.values())

    def make(length: float) -> float:
        inputs, ask = asked(system, length)
        start = time.thread_time()
        system(inputs, ask)
        return time.thread_time() - start

    make(SHORT)
    expected = make(SHORT) * CLIP / SHORT
    length = CLIP if expected < 4 * seconds else SHORT
    times = [make(length)]
    while len(times) < 3 and 2 * sum(times) < seconds:
        times.append(make(length))
    took = 1000 * median(times)
    wait = 1000 * length if listens else 0.0
    note = f"a clip of {length:g} s at once" + (", after its input has ended" if listens else "")
    return wait + took, len(times), note
