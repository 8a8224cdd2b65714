"""Streaming: what is pushed block by block and flushed must equal the offline output, keep up, and need no more memory with time.

streaming/law_error          largest difference between blocks and the whole clip, delayed by the stream's delay, relative to
                             the offline output's peak, float32, over two patterns of block sizes: 1, 7, 160, 1000, 13, 509
                             samples in turn, and random ones; two clips in one batch (a clip that leaks into its neighbour's
                             state breaks the law); 0.6 s of noise with a pause
streaming/smallest_block_ms  the smallest multiple of the system's own block for which 95 of 100 blocks are computed in less
                             than they last, on one thread; up to 1 s.  CPU time of the thread, at least 20 blocks of noise; by
                             doubling, then bisection
streaming/memory_growth_mb   tensors that the stream holds after a minute of noise, less those after its first second, in 10^6
                             bytes (weights apart); a shorter stretch, where a minute is too much work, is named
streaming/class              "online" or "online with look-ahead" (beyond the block) where all of this is so, else "offline":
                             causal (perturbation found an end of the look-ahead, and the stream waits for it), the law holds
                             (error up to 1e-5), a block of at most 100 ms keeps up, and memory does not grow in the second half
                             of that minute
streaming/reason             which condition failed, or that all hold

What leaves the system as symbols is compared as logits, frame by frame.  Pitfalls: the law compares a system with itself;
whether it keeps up holds for the machine in the record's provenance, and leaves out what else runs there; the larger block is
waited for, so that a system whose own block does not keep up has that much more latency.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit
from audioml.probes._base import PACE, UnmeasurableError, ear_of, hushed, nothing, price_of, voice_of
from audioml.records import Value, not_measured

if TYPE_CHECKING:
    import torch

    from audioml.probes._base import Ear, Trial
    from audioml.system import System

AFTER = ("context", "compute")
SHARE = 0.11
VALUES = {
    "streaming/law_error": ("", "low"),
    "streaming/smallest_block_ms": ("ms", "low"),
    "streaming/memory_growth_mb": ("MB", "low"),
    "streaming/class": ("", ""),
    "streaming/reason": ("", ""),
}
LIVE = ("streaming/smallest_block_ms", "streaming/memory_growth_mb")  # measured where the law holds
PROVEN = "the law holds for odd and changing block sizes, it keeps up, and its memory stays flat"
TOLERANCE = 1e-5
SIZES = (1, 7, 160, 1000, 13, 509)
SECONDS = 0.6
LARGEST_MS, LIVE_MS = 1000, 100  # blocks that are tried; that still count as live
MINUTE, LEAST = 60, 10  # seconds pushed; at least
FLAT = 10_000  # bytes by which memory may grow in half of that time


def measure(
    system: System, data: Trial | None = None, *, found: Mapping[str, Value] | None = None, seconds: float = 3.0
) -> dict[str, Value]:
    """Law, pace, memory, and the class that follows from them and the look-ahead.  Raises UnmeasurableError without audio input."""
    ear = ear_of(system)
    try:
        voice = voice_of(system, ear)
    except UnmeasurableError as why:
        return _offline(not_measured(str(why), *VALUES["streaming/law_error"]), str(why), str(why))
    known = found or {}
    import torch

    with hushed(system), torch.no_grad():
        try:
            stream = system.stream(1)
        except Misfit as why:
            cannot = f"it cannot stream: {why}"
            return _offline(not_measured(cannot, *VALUES["streaming/law_error"]), str(why), cannot)
        try:
            error = law_error(system, ear, voice, cycle(SIZES), random_sizes())
        except UnmeasurableError as why:
            broken = f"the law is broken: {why}"
            return _offline(not_measured(str(why), *VALUES["streaming/law_error"]), broken, broken)
        law = Value(error, *VALUES["streaming/law_error"])
        if not error <= TOLERANCE:
            broken = f"the law is broken: blocks differ from the whole clip by {error:.2g} of its peak"
            return _offline(law, broken, broken)
        block, slow = _smallest(system, ear, stream.block, seconds)
        memory, grows = _memory(system, ear, known, seconds)
    ahead = known.get("context/lookahead_ms")
    late = stream.delay > 0 if ahead is None or ahead.value is None else float(ahead.value) > 0
    faults = [fault for fault in (_future(stream, ear, ahead), slow, grows) if fault]
    kind = "offline" if faults else "online with look-ahead" if late else "online"
    reason = "; ".join(faults) or PROVEN
    live = dict(zip(LIVE, (block, memory), strict=True))
    return {"streaming/law_error": law, **live, "streaming/class": Value(kind), "streaming/reason": Value(reason)}


def _offline(law: Value, reason: str, unlive: str) -> dict[str, Value]:
    live = nothing({name: VALUES[name] for name in LIVE}, unlive)
    return {"streaming/law_error": law, **live, "streaming/class": Value("offline"), "streaming/reason": Value(reason)}


def _future(stream: Any, ear: Ear, ahead: Value | None) -> str:
    """What is wrong with the look-ahead: it has no end, or the stream answers before it can know what it looks at."""
    if ahead is None or ahead.value is None:
        return ""
    if ahead.reason.startswith("at least"):
        return "not causal: its look-ahead has no end within what was tried"
    waits = 1000 * -(-stream.delay // stream.block) * stream.block / ear.rate  # the rest of a block comes with the block
    early = float(ahead.value) > waits + 1e-6
    return f"not causal: it looks {ahead.value:g} ms ahead, and its stream answers after {waits:g} ms" if early else ""


def _smallest(system: Any, ear: Ear, own: int, seconds: float) -> tuple[Value, str]:
    """The smallest multiple of the system's `own` block that keeps up, and what is wrong with it."""
    from audioml.probes._pace import smallest_block

    def ms(samples: int) -> float:
        return 1000 * samples / ear.rate

    quantity = VALUES["streaming/smallest_block_ms"]
    best, last = smallest_block(system, ear, own, max(1, LARGEST_MS * ear.rate // 1000), seconds)
    if best is None:
        slow = (
            f"too slow: 95 % of its blocks of {ms(last.samples):g} ms, and of no smaller ones, keep up; they take {last.p95:.3g} ms"
        )
        return not_measured(slow, *quantity), slow
    value = Value(ms(best.samples), *quantity, n=best.n)
    live = max(LIVE_MS, ms(own))  # a block that the system itself cannot do without is latency, not slowness
    return value, "" if ms(best.samples) <= live else f"too slow: no block below {ms(best.samples):g} ms keeps up on one thread"


def _memory(system: Any, ear: Ear, known: Mapping[str, Value], seconds: float) -> tuple[Value, str]:
    """Growth of the stream's memory, and what is wrong with it."""
    from audioml.probes._pace import memory_over

    quantity = VALUES["streaming/memory_growth_mb"]
    try:
        price = price_of(system, ear, known)
    except UnmeasurableError as why:
        return not_measured(str(why), *quantity), ""
    pushed = max(LEAST, min(MINUTE, int(seconds * PACE / price)))
    first, half, last, pushed = memory_over(system, ear, pushed, 4 * seconds)
    value = Value((last - first) / 1e6, *quantity, reason="" if pushed >= MINUTE else f"over {pushed} s instead of a minute")
    grown = last - half
    return value, f"memory grows: {grown / 1e6:.3g} MB in the last {pushed - pushed // 2} s of {pushed}" if grown > FLAT else ""


def random_sizes(seed: int = 0) -> Iterator[int]:
    """Block sizes from 1 to 2000 samples, small ones as likely as large ones."""
    import random

    draw = random.Random(seed)
    while True:
        yield int(2000 ** draw.random())


def clip(ear: Ear) -> torch.Tensor:
    """[2, C, T]: different noise in both clips, with a pause in the middle and a quiet end."""
    x = ear.noise(int(SECONDS * ear.rate), batch=2, seed=7)
    samples = x.shape[-1]
    x[..., samples // 2 : samples * 5 // 8] = 0
    x[..., samples * 7 // 8 :] *= 0.01
    return x


def law_error(system: Any, ear: Ear, voice: Any, *patterns: Iterator[int]) -> float:
    """max |stream - offline| / max |offline| for blocks of the sizes of each pattern.

    Raises UnmeasurableError when the stream's output is shorter than the clip after its flush, or not finite.
    """
    x = clip(ear)
    whole = voice.run(system, ear, x)
    return max(_differ(system, ear, x, whole, sizes) for sizes in patterns)


def _differ(system: Any, ear: Ear, x: torch.Tensor, whole: torch.Tensor, sizes: Iterator[int]) -> float:
    import torch

    stream = system.stream(len(x))
    port, pieces, at = system.plan.output.port, [], 0
    while at < x.shape[-1]:
        size = next(sizes)
        pieces.append(stream.push(ear.split(x[..., at : at + size]))[port])
        at += size
    pieces.append(stream.flush()[port])
    steps = torch.cat(pieces, -1).flatten(1, -2)
    steps = steps[..., stream.delay : stream.delay + whole.shape[-1]]
    if steps.shape != whole.shape:
        raise UnmeasurableError(f"the stream gave {steps.shape[-1]} of {whole.shape[-1]} columns after its delay")
    error = float((steps - whole).abs().max() / whole.abs().max().clamp(min=1e-12))
    if error != error:
        raise UnmeasurableError("the output holds NaN")
    return error
