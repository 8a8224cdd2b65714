"""Streaming: what is pushed block by block and flushed must equal the offline output, delayed by the stream's delay.

streaming/law_error  largest difference between the two, relative to the offline output's peak, float32, over two patterns of
                     block sizes: 1, 7, 160, 1000, 13, 509 samples in turn, and random ones; two clips in one batch (a clip
                     that leaks into its neighbour's state breaks the law); 0.6 s of noise with a pause
streaming/class      "online": the law holds (error up to 1e-5) and no look-ahead beyond the block; "online with look-ahead";
                     "offline": it cannot stream, or breaks the law
streaming/reason     why it is offline, or that the law holds

What leaves the system as symbols is compared as logits, frame by frame.  The law compares a system with itself: it says
nothing about how long a block takes (latency/…), nor about memory over hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit
from audioml.probes._base import UnmeasurableError, ear_of, hushed, voice_of
from audioml.records import Value, not_measured

if TYPE_CHECKING:
    import torch

    from audioml.probes._base import Ear
    from audioml.system import System

AFTER = ("context",)
VALUES = {"streaming/law_error": ("", "low"), "streaming/class": ("", ""), "streaming/reason": ("", "")}
TOLERANCE = 1e-5
SIZES = (1, 7, 160, 1000, 13, 509)
SECONDS = 0.6


def measure(
    system: System, data: Any = None, *, found: Mapping[str, Value] | None = None, seconds: float = 5.0
) -> dict[str, Value]:
    """The law, and the class that follows from it and the look-ahead.  Raises UnmeasurableError without audio input."""
    ear = ear_of(system)
    try:
        voice = voice_of(system, ear)
    except UnmeasurableError as why:
        return _offline(not_measured(str(why), *VALUES["streaming/law_error"]), str(why))
    with hushed(system):
        import torch

        with torch.no_grad():
            try:
                delay = system.stream(1).delay
            except Misfit as why:
                return _offline(not_measured(f"it cannot stream: {why}", *VALUES["streaming/law_error"]), str(why))
            try:
                error = max(law_error(system, ear, voice, sizes) for sizes in (cycle(SIZES), random_sizes()))
            except UnmeasurableError as why:
                return _offline(not_measured(str(why), *VALUES["streaming/law_error"]), f"the law is broken: {why}")
    law = Value(error, *VALUES["streaming/law_error"])
    if not error <= TOLERANCE:
        return _offline(law, f"the law is broken: blocks differ from the whole clip by {error:.2g} of its peak")
    ahead = (found or {}).get("context/lookahead_ms")
    late = delay > 0 if ahead is None or ahead.value is None else float(ahead.value) > 0
    kind = "online with look-ahead" if late else "online"
    reason = Value("the law holds for odd and changing block sizes")
    return {"streaming/law_error": law, "streaming/class": Value(kind), "streaming/reason": reason}


def _offline(law: Value, reason: str) -> dict[str, Value]:
    return {"streaming/law_error": law, "streaming/class": Value("offline"), "streaming/reason": Value(reason)}


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


def law_error(system: Any, ear: Ear, voice: Any, sizes: Iterator[int]) -> float:
    """max |stream - offline| / max |offline| for blocks of `sizes`.

    Raises UnmeasurableError when the stream's output is shorter than the clip after its flush, or not finite.
    """
    import torch

    x = clip(ear)
    whole = voice.run(system, ear, x)
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
