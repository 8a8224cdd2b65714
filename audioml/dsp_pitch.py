"""F0, periodicity and loudness of frames, and the excitation that goes the other way.  Pure functions on tensors."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch.nn import functional as F

Tensor = torch.Tensor


def raw_frames(x: Tensor, window: int, hop: int, count: int) -> Tensor:
    """x [..., T] -> unwindowed left-padded frames [..., count, window]; frame n ends at (n + 1)·hop."""
    return F.pad(x, (window - hop, count * hop - x.shape[-1])).unfold(-1, window, hop)


def yin(frames: Tensor, rate: int, low: float, high: float, threshold: float) -> tuple[Tensor, Tensor]:
    """Frames [..., window] -> F0 in Hz and periodicity in 0 … 1, each [...].

    YIN (de Cheveigné & Kawahara 2002, steps 2 to 5): the first dip of the cumulative-mean-normalised difference below
    `threshold`, else its lowest point; refined by a parabola.  Periodicity is one minus the difference there; F0 is the best
    guess also where nothing is periodic.
    """
    normal, difference = _differences(frames, int(rate / low) + 2)
    first = max(2, int(rate / high))
    inner = normal[..., first:-1]
    dips = (inner < normal[..., first - 1 : -2]) & (inner <= normal[..., first + 1 :])
    good = dips & (inner < threshold)
    lag = torch.where(good.any(-1), good.to(torch.uint8).argmax(-1), inner.argmin(-1)) + first
    shift, _ = _vertex(difference, lag)
    _, lowest = _vertex(normal, lag)
    return (rate / (lag + shift)).clamp(low, high), (1 - lowest).clamp(0, 1)


def _differences(frames: Tensor, lags: int) -> tuple[Tensor, Tensor]:
    """YIN's difference function for lags 0 … lags, normalised by its mean so far, and itself: each [..., lags + 1]."""
    window = frames.shape[-1]
    length = window - lags
    size = 1 << (window + length - 1).bit_length()
    spectrum = torch.fft.rfft(frames, size)
    head = torch.fft.rfft(frames[..., :length], size)
    cross = torch.fft.irfft(spectrum * head.conj(), size)[..., : lags + 1]
    sums = F.pad(frames.double().square().cumsum(-1), (1, 0))
    energy = (sums[..., length : length + lags + 1] - sums[..., : lags + 1]).to(frames)
    difference = (energy[..., :1] + energy - 2 * cross).clamp(min=0)
    lag = torch.arange(1, lags + 1, device=frames.device, dtype=frames.dtype)
    mean = difference[..., 1:].cumsum(-1) / lag
    normal = (difference[..., 1:] + 1e-8) / (mean + 1e-8)
    return F.pad(normal, (1, 0), value=1.0), difference


def _vertex(curve: Tensor, lag: Tensor) -> tuple[Tensor, Tensor]:
    """Vertex of the parabola through lag - 1, lag, lag + 1: its offset within half a lag, and its height."""
    before, here, after = (curve.gather(-1, (lag + d)[..., None])[..., 0] for d in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = torch.where(bend > 1e-12, (before - after) / (2 * bend.clamp(min=1e-12)), 0).clamp(-0.5, 0.5)
    return shift, here - 0.25 * (before - after) * shift


@lru_cache(maxsize=16)
def a_weighting(rate: int, window: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Power gains [window/2 + 1] of A-weighting (IEC 61672-1, annex E), one at 1 kHz."""
    f2 = torch.linspace(0, rate / 2, window // 2 + 1, dtype=torch.float64).square()
    c = [v**2 for v in (20.598997, 107.65265, 737.86223, 12194.217)]
    gain = c[3] * f2.square() / ((f2 + c[0]) * ((f2 + c[1]) * (f2 + c[2])).sqrt() * (f2 + c[3]))
    return (gain.square() * 10**0.2).to(device, dtype)


def loudness(frames: Tensor, rate: int) -> Tensor:
    """Frames [..., window] -> A-weighted level [...] in dB, at least -100; a full-scale sine at 1 kHz has -3 dB."""
    window = frames.shape[-1]
    shape = torch.hann_window(window, device=frames.device, dtype=frames.dtype)
    power = torch.fft.rfft(frames * shape).abs().square() * (2 / (window * shape.square().sum()))
    return 10 * torch.log10(power @ a_weighting(rate, window, frames.device, frames.dtype) + 1e-10)


def upsample(x: Tensor, samples: int, hop: int, window: int) -> Tensor:
    """Frame values [..., N] -> linear between the frames' centres, (n + 1)·hop - window/2: [..., samples]."""
    at = (torch.arange(samples, device=x.device, dtype=torch.float64) + window / 2) / hop - 1
    at = at.clamp(0, x.shape[-1] - 1)
    low = at.long()
    high = (low + 1).clamp(max=x.shape[-1] - 1)
    share = (at - low).to(x.dtype)
    return x[..., low] * (1 - share) + x[..., high] * share


@torch.no_grad()
def pulses(f0: Tensor, rate: int) -> Tensor:
    """f0 [..., T] in Hz -> band-limited pulse train [..., T] of unit power: all harmonics below half the rate, equally strong.

    The sum of K cosines in closed form (Dirichlet's kernel), so nothing grows with K; no gradient reaches f0.
    """
    turn = (f0.double() / rate).cumsum(-1).remainder(1) * torch.pi  # half the phase
    count = (rate / 2 / f0.double()).floor().clamp(min=1)
    below = turn.sin()
    safe = torch.where(below.abs() < 1e-7, 1e-7, below)
    total = torch.where(below.abs() < 1e-7, count, ((2 * count + 1) * turn).sin() / (2 * safe) - 0.5)
    return (total * (2 / count).sqrt()).to(f0.dtype)


def white(samples: int, like: Tensor) -> Tensor:
    """Noise [samples] of unit power, the same on every call and device; a longer one starts like a shorter."""
    source = torch.Generator().manual_seed(0)
    return torch.randn(samples, generator=source, dtype=like.dtype).to(like.device)


def excitation(f0: Tensor, periodicity: Tensor, rate: int) -> Tensor:
    """Pulses and noise [..., T] of unit power, mixed by periodicity [..., T] in 0 … 1."""
    noise = white(f0.shape[-1], f0)
    voiced = periodicity.clamp(1e-4, 1 - 1e-4)
    return voiced.sqrt() * pulses(f0, rate) + (1 - voiced).sqrt() * noise


def tilt(x: Tensor, rate: int, corner: float = 500.0) -> Tensor:
    """x [..., T] with 6 dB per octave taken off above `corner` Hz."""
    samples = x.shape[-1]
    hz = torch.fft.rfftfreq(2 * samples, 1 / rate, device=x.device, dtype=x.dtype)
    return torch.fft.irfft(torch.fft.rfft(x, 2 * samples) / (1 + (hz / corner).square()).sqrt(), 2 * samples)[..., :samples]
