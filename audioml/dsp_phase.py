"""Phase for a magnitude that has none: fast Griffin-Lim over the house's left-padded frames.  Pure functions on tensors."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from audioml import dsp

Tensor = torch.Tensor


@torch.no_grad()
def griffin_lim(magnitude: Tensor, window: int, hop: int, iterations: int, momentum: float) -> Tensor:
    """Unit phase, complex [..., F, N], under which the linear magnitude [..., F, N] comes closest to a real signal's.

    Fast Griffin-Lim (Perraudin, Balazs & Søndergaard 2013, algorithm 2): t = project(magnitude, phase of c), c = t + momentum ·
    (t - its predecessor).  It starts from random phases of a fixed seed, so the result repeats; no gradient flows through it.
    """
    lead, bins, wanted = magnitude.shape[:-2], magnitude.shape[-2], magnitude.shape[-1]
    count = max(wanted, window // hop)  # fewer frames do not cover a single sample
    target = F.pad(magnitude.clamp(min=0), (0, count - wanted)).reshape(-1, bins, count).transpose(-1, -2)
    phase = _random_phase(count, bins, target)
    samples = count * hop - (window - hop)
    before = torch.zeros_like(phase)
    for _ in range(iterations):
        wave = dsp.overlap_add(torch.fft.irfft(target * phase, n=window), window, hop, samples)
        now = torch.fft.rfft(dsp.frames_of(wave, window, hop))
        phase = _unit(now + momentum * (now - before))
        before = now
    return phase.expand(target.shape).transpose(-1, -2)[..., :wanted].reshape(*lead, bins, wanted)


def _unit(x: Tensor) -> Tensor:
    return x / x.abs().clamp(min=1e-12)


def _random_phase(count: int, bins: int, like: Tensor) -> Tensor:
    """[1, count, bins] complex of magnitude one; the first frames are the same for every count."""
    angle = torch.rand(1, count, bins, generator=torch.Generator().manual_seed(0), dtype=like.dtype).to(like.device)
    return torch.polar(torch.ones_like(angle), 2 * torch.pi * angle)
