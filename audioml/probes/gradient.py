"""Effective context: where, in its past, a trained system's output is sensitive to its input.

context/gradient_mass_ms  the shortest span behind the output's moment that holds 95 % of the gradient's absolute mass there

Protocol: float32, eval mode.  The gradient of one column of the output (a sample of audio, in all its channels with random
signs; a frame of what the head emits where symbols leave) with respect to the input, absolute, summed over channels, up to the
column's end; each normalised to one, then averaged over eight places: two late ones in each of four test clips (their last 3 s;
noise of that length where there are none, which is named).  A large system is asked at fewer places of shorter clips.
Pitfalls: it says what the output is sensitive to, not what it needs (context/useful_ms); loud or tonal input moves it; the past
of a place is finite, so that a flat gradient gives a bound ("at least"); the share of the future is not in it
(context/lookahead_ms).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from audioml.probes._base import PACE, UnmeasurableError, ear_of, hushed, price_of, voice_of
from audioml.records import Value

if TYPE_CHECKING:
    import torch

    from audioml.probes._base import Ear, Trial
    from audioml.system import System

AFTER = ("compute",)
SHARE = 0.1
VALUES = {"context/gradient_mass_ms": ("ms", "")}
MASS = 0.95
PLACES = (0.75, 0.97)  # of the clip
SETTINGS = ((4, 3.0), (2, 3.0), (2, 1.5), (1, 1.0))  # clips and seconds of each, the largest that the budget holds
PASSES = 7  # forwards that a clip costs: its own, twice as much for each of two gradients, and what autograd keeps


def measure(
    system: System, data: Trial | None = None, *, found: Mapping[str, Value] | None = None, seconds: float = 2.0
) -> dict[str, Value]:
    """Raises UnmeasurableError for one answer per clip, without audio input, and where the output has no gradient."""
    ear = ear_of(system)
    voice = voice_of(system, ear)
    import torch

    most = seconds * PACE / (PASSES * price_of(system, ear, found))
    clips, length = next((s for s in SETTINGS if s[0] * s[1] <= most), SETTINGS[-1])
    x, note = heard(ear, data, clips, int(length * ear.rate))
    with hushed(system), torch.enable_grad():
        x.requires_grad_(True)
        y = voice.run(system, ear, x)
        if not y.requires_grad:
            raise UnmeasurableError("its output has no gradient with respect to its input")
        draw = torch.Generator().manual_seed(3)
        signs = (torch.randint(0, 2, y.shape[:2], generator=draw) * 2 - 1).to(y)
        profile, shortest = torch.zeros(x.shape[-1], dtype=torch.float64), x.shape[-1]
        for place in PLACES:
            columns = [min(y.shape[-1] - 1, int(place * y.shape[-1]) + k) for k in _offsets(len(x), voice.step)]
            target = sum((y[b, :, c] * signs[b]).sum() for b, c in enumerate(columns))
            (slope,) = torch.autograd.grad(target, x, retain_graph=place != PLACES[-1])  # type: ignore[arg-type]
            for mass, column in zip(slope.abs().sum(1).double(), columns, strict=True):
                end = min(len(mass), math.ceil((column + 1) * voice.step))
                past = mass[:end].flip(0)
                if not torch.isfinite(past).all():
                    raise UnmeasurableError("its gradient is not finite")
                if past.sum() > 0:
                    profile[:end] += past / past.sum()
                    shortest = min(shortest, end)
    count = int(profile.sum().round())
    if not count:
        raise UnmeasurableError("its output does not change with its past input: the gradient is zero everywhere")
    span = int((profile.cumsum(0) < MASS * profile.sum()).sum()) + 1
    if span > 0.9 * shortest:
        note = f"at least: the gradient is spread over all of the {shortest / ear.rate:.2g} s that were heard"
    return {"context/gradient_mass_ms": Value(1000 * span / ear.rate, *VALUES["context/gradient_mass_ms"], n=count, reason=note)}


def _offsets(clips: int, step: object) -> list[int]:
    """A few samples (or no frames) further on in every clip, so that not all places lie alike in their block."""
    return [37 * k if step == 1 else 0 for k in range(clips)]


def heard(ear: Ear, data: Trial | None, clips: int, samples: int) -> tuple[torch.Tensor, str]:
    """The ends of so many clips, evenly spread, as long as the shortest and at most `samples` [B, C, T]; noise without clips."""
    import torch

    known = data.clips if data is not None else ()
    if not known:
        return ear.noise(samples, batch=clips, seed=5), "over noise: there were no test clips"
    waves = [ear.wave(known[k * len(known) // clips]) for k in range(min(clips, len(known)))]
    shortest = min(samples, *(w.shape[-1] for w in waves))
    return torch.stack([w[..., w.shape[-1] - shortest :] for w in waves]).clone(), ""
