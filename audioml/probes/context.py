"""Context: how much of the input one moment of the output depends on, from input wave to output wave (or frame of symbols).

context/lookahead_ms         input after the end of a block that the block's output, or any earlier one, depends on.  A block is
                             what the system takes at once (a hop of its representation; one sample where it has none), so
                             look-ahead + block is the algorithmic latency.  An STFT system without look-ahead in its
                             network has window - hop here: overlap-add completes a sample only then.
context/receptive_field_ms   from the first to the last input sample that one output sample (or frame) depends on

Protocol: float64, eval mode, noise.  The gradient of the output at several places with respect to the input is exactly zero
where nothing is looked at.  Then finite perturbations, small and large: a change of everything beyond the edge must not
change one bit; where it does (clamps, gates, arg-max: the gradient is blind), bisection by perturbation replaces the
gradient.  The window grows from 0.5 to 4 s, as the budget allows (counted in multiply-accumulates, so that it is the same each
time); what still reaches its end is a lower bound and says "at least".  Pitfalls: recurrent networks reach back without
end in principle, so they get a bound; convolution by one FFT over the whole clip leaks rounding errors everywhere and is
reported as such; a weight that is exactly zero hides its tap.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from audioml.probes._base import PACE, block_of, ear_of, grain_of, hushed, price_of, voice_of
from audioml.records import Value

if TYPE_CHECKING:
    from audioml.probes._base import Trial
    from audioml.probes._reach import Reach, Window
    from audioml.system import System

AFTER = ("compute",)
SHARE = 0.11
VALUES = {"context/lookahead_ms": ("ms", "low"), "context/receptive_field_ms": ("ms", "")}
WINDOWS = (0.5, 1.0, 2.0, 4.0)  # seconds
PASSES = 20  # forwards in float32 that one question in one window costs: gradients, perturbations, twice the precision


def measure(
    system: System, data: Trial | None = None, *, found: Mapping[str, Value] | None = None, seconds: float = 5.0
) -> dict[str, Value]:
    """Look-ahead and receptive field.  Raises UnmeasurableError for one answer per clip, or without audio input."""
    ear = ear_of(system)
    voice = voice_of(system, ear)
    block = block_of(system) if voice.audio else grain_of(system)
    import torch

    from audioml.chance import reseed
    from audioml.probes._reach import Window, future_of, span_of

    longest = seconds / 2 * PACE / (PASSES * price_of(system, ear, found))

    with hushed(system):
        exact = copy.deepcopy(system).to("cpu").double().eval()

        def run(x: torch.Tensor) -> torch.Tensor:
            reseed(0)  # a system that draws noise must draw the same for every perturbation
            return voice.run(exact, ear, x)

        @functools.lru_cache(maxsize=1)  # both questions begin with the same one
        def window(length: float) -> Window:
            x = ear.noise(max(int(length * ear.rate), 8 * block), seed=1).double()
            return Window(run, x, voice.step, block)

        ahead, ahead_window = _grow(future_of, window, longest)
        future = None if ahead.open else ahead.samples
        field, field_window = _grow(lambda w: span_of(w, future), window, longest)
    return {
        "context/lookahead_ms": _value("context/lookahead_ms", ahead, ahead_window, ear.rate),
        "context/receptive_field_ms": _value("context/receptive_field_ms", field, field_window, ear.rate),
    }


def _grow(ask: Callable[[Window], Reach], window: Callable[[float], Window], longest: float) -> tuple[Reach, float]:
    """What `ask` finds in the smallest window that holds it, or in the largest, but for the first, within `longest`; in seconds."""
    for length in WINDOWS:
        reach = ask(window(length))
        if not reach.open or 2 * length > longest:
            break
    return reach, length


def _value(name: str, reach: Reach, length: float, rate: int) -> Value:
    reason = f"at least: it has no end within the probe's window of {length:g} s" if reach.open else reach.note
    return Value(1000 * reach.samples / rate, *VALUES[name], reason=reason)
