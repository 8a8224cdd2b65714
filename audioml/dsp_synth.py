"""Differentiable synthesis (Engel et al. 2020): oscillators, filtered noise, time-varying filters, reverb; offline and in steps.

Controls come in frames every `hop` samples.  Frame n stands at sample n·hop; block n, the samples [n·hop, (n+1)·hop), lies
between frames n and n + 1.  Pure functions on tensors; state is an argument and a result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch.nn import functional as F

from audioml.dsp_pitch import yin

Tensor = torch.Tensor


# ---- controls ------------------------------------------------------------------------------------------------------------
def exp_sigmoid(x: Tensor) -> Tensor:
    """Any real -> an amplitude in (1e-7, 2), even in decibels below one (Engel et al. 2020, eq. 5)."""
    return 2 * torch.sigmoid(x).pow(math.log(10)) + 1e-7


def exp_sigmoid_inverse(amplitude: Tensor) -> Tensor:
    """The reverse, for amplitudes within 1e-6 … 1.99."""
    y = ((amplitude.clamp(1e-6, 1.99) - 1e-7) / 2).pow(1 / math.log(10))
    return torch.logit(y)


def ramps(x: Tensor, hop: int) -> Tensor:
    """Frames [..., N + 1] -> samples [..., N, hop] on straight lines from frame to frame."""
    w = torch.arange(hop, device=x.device, dtype=x.dtype) / hop
    return x[..., :-1, None] + (x[..., 1:] - x[..., :-1])[..., None] * w


# ---- oscillators -----------------------------------------------------------------------------------------------------------
def cycles_of(f0: Tensor, rate: int, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Frequency in Hz per sample [..., T] -> phase in cycles within [0, 1) after each sample, and where it ends [..., 1].

    Summed in double precision: in single precision a minute of 440 Hz would drift by several degrees.
    """
    total = (f0.double() / rate).cumsum(-1)
    total = total if start is None else total + start
    total = total - total.detach().floor()
    return total.to(f0.dtype), total[..., -1:].detach()


def oscillators(f0: Tensor, amplitudes: Tensor, rate: int, hop: int, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """A bank of harmonics: f0 in Hz [B, N + 1], amplitudes [B, K, N + 1] -> samples [B, N·hop] and the phase [B, 1] to go on from.

    F0 and amplitudes run on straight lines between frames; a harmonic at or above half the rate is silent, sample by sample.
    """
    f = ramps(f0, hop)  # [B, N, hop]
    cycles, end = cycles_of(f.flatten(1), rate, start)
    k = torch.arange(1, amplitudes.shape[1] + 1, device=f0.device, dtype=f0.dtype)
    waves = torch.sin(2 * math.pi * cycles.unflatten(1, f.shape[1:])[..., None] * k)
    waves = torch.where(f[..., None] * k < rate / 2, waves, 0.0)  # [B, N, hop, K]
    frames = amplitudes.transpose(1, 2)[..., None]  # [B, N + 1, K, 1]
    w = torch.arange(hop, device=f0.device, dtype=f0.dtype) / hop
    y = (waves @ frames[:, :-1])[..., 0] * (1 - w) + (waves @ frames[:, 1:])[..., 0] * w
    return y.flatten(1), end


# ---- noise -----------------------------------------------------------------------------------------------------------------
def white_noise(start: int, samples: int, like: Tensor) -> Tensor:
    """Uniform white noise [samples] of unit power that depends on the sample's number alone (a 32-bit mixing hash)."""
    x = torch.arange(start, start + samples, device=like.device)
    x = x & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    x = x ^ (x >> 16)
    return (x.to(like.dtype) / 2**31 - 1) * math.sqrt(3)


# ---- filters that change from frame to frame ---------------------------------------------------------------------------------
@lru_cache(maxsize=16)
def band_lines(bands: int, bins: int, rate: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """[bands, bins]: each bin's share in the two bands around it.  Their centres stand evenly on the mel scale from 0 to rate/2,
    but no closer than the bins, so that every band has one."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    mel = torch.linspace(0, top, bands, dtype=torch.float64)
    centres = 700 * (10 ** (mel / 2595) - 1) / (rate / 2) * (bins - 1)
    centres = torch.maximum(centres, torch.arange(bands, dtype=torch.float64)).clamp(max=bins - 1)
    at = torch.arange(bins, dtype=torch.float64)
    below = (torch.searchsorted(centres, at, right=True) - 1).clamp(0, bands - 2)
    place = below + (at - centres[below]) / (centres[below + 1] - centres[below])
    shares = (1 - (place - torch.arange(bands, dtype=torch.float64)[:, None]).abs()).clamp(min=0)
    return shares.to(device, dtype)


def impulse_responses(log_gains: Tensor, phase: str) -> Tensor:
    """log gains [..., F] at F frequencies from 0 to half the rate -> FIR taps [..., 2·(F - 1)] (frequency sampling).

    phase="zero": symmetric around tap F - 1, where a delay of as many samples is still to be taken off; "minimum": as early
    as the gains allow, by folding the cepstrum (Oppenheim & Schafer, §13.5.4); faded out over its second half.
    """
    taps = 2 * (log_gains.shape[-1] - 1)
    if phase == "zero":
        h = torch.fft.irfft(log_gains.exp(), n=taps)
        return h.roll(taps // 2, -1) * torch.hann_window(taps, device=h.device, dtype=h.dtype)
    cepstrum = torch.fft.irfft(log_gains, n=taps)
    fold = torch.zeros(taps, device=cepstrum.device, dtype=cepstrum.dtype)
    fold[0] = fold[taps // 2] = 1
    fold[1 : taps // 2] = 2
    h = torch.fft.irfft(torch.fft.rfft(cepstrum * fold, n=2 * taps).exp(), n=2 * taps)[..., :taps]
    fade = torch.hann_window(taps, device=h.device, dtype=h.dtype).roll(taps // 2)
    fade[: taps // 2] = 1
    return h * fade


def cuts(x: Tensor, hop: int, past: Tensor | None = None) -> Tensor:
    """x [..., N·hop] -> frames [..., N, 2·hop] that reach one hop back (zeros, or `past` [..., hop], before the start)."""
    past = x.new_zeros(*x.shape[:-1], hop) if past is None else past
    return torch.cat([past, x], -1).unfold(-1, 2 * hop, hop)


def filtered(frames: Tensor, taps: Tensor, hop: int, tail: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Frames [..., N, 2·hop] through one filter each, taps [..., N, M], cross-faded -> [..., N·hop] one hop late, and the tail.

    Exact convolution (zero-padded FFT): nothing wraps around.
    """
    window = torch.hann_window(2 * hop, device=frames.device, dtype=frames.dtype)
    size = 2 * hop + taps.shape[-1]
    y = torch.fft.irfft(torch.fft.rfft(frames * window, n=size) * torch.fft.rfft(taps, n=size), n=size)
    return summed(y, hop, tail)


def summed(frames: Tensor, hop: int, tail: Tensor | None) -> tuple[Tensor, Tensor]:
    """Overlap-add of [..., N, L] every `hop` samples -> the N·hop samples that are complete, and the L - hop that are not."""
    lead, (count, length) = frames.shape[:-2], frames.shape[-2:]
    total = (count - 1) * hop + length
    y = F.fold(frames.reshape(-1, count, length).transpose(1, 2), (1, total), (1, length), stride=(1, hop))[:, 0, 0]
    y = y.reshape(*lead, total)
    if tail is not None:
        y = y + F.pad(tail, (0, total - tail.shape[-1]))
    return y[..., : count * hop], y[..., count * hop :]


# ---- reverb ------------------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=16)
def rooms(decays: tuple[float, ...], rate: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Impulse responses [R, L] of unit energy: noise that falls by 60 dB in each of `decays` seconds, L samples the longest."""
    length = max(1, int(max(decays) * rate))
    noise = torch.stack([white_noise(r * length + 977, length, torch.zeros((), dtype=torch.float64)) for r in range(len(decays))])
    t = torch.arange(length, dtype=torch.float64) / rate
    h = noise * torch.exp(-math.log(1000) * t / torch.tensor(decays, dtype=torch.float64)[:, None])
    return (h / h.square().sum(-1, keepdim=True).sqrt()).to(device, dtype)


def reverberated(x: Tensor, sends: Tensor, decays: Sequence[float], rate: int, tail: Tensor | None) -> tuple[Tensor, Tensor]:
    """x [..., T] plus what each room gives back of its share: sends [..., R, T]; and the tail [..., L - 1] still to come."""
    h = rooms(tuple(decays), rate, x.device, x.dtype)
    size = x.shape[-1] + h.shape[-1] - 1
    wet = torch.fft.irfft((torch.fft.rfft(sends * x[..., None, :], n=size) * torch.fft.rfft(h, n=size)).sum(-2), n=size)
    y = wet + F.pad(x, (0, size - x.shape[-1]))
    if tail is not None:
        y = y + F.pad(tail, (0, size - tail.shape[-1]))
    return y[..., : x.shape[-1]], y[..., x.shape[-1] :]


# ---- analysis ----------------------------------------------------------------------------------------------------------------
def centred(x: Tensor, hop: int, length: int, count: int) -> Tensor:
    """x [..., T] -> [..., count, length], frame n centred on sample n·hop, zeros outside."""
    need = (count - 1) * hop + length
    before = length // 2
    x = F.pad(x, (before, max(0, need - before - x.shape[-1])))
    return x.unfold(-1, length, hop)[..., :count, :]


def pitch_of(x: Tensor, rate: int, hop: int, low: float, high: float, count: int) -> tuple[Tensor, Tensor]:
    """F0 in Hz and aperiodicity (0 periodic … 1), both [..., count], of x [..., T] at samples n·hop: YIN in centred windows."""
    span = math.ceil(rate / low) + 3
    f0, periodicity = yin(centred(x, hop, 2 * span, count), rate, low, high, 0.15)
    return f0, 1 - periodicity


def harmonic_analysis(x: Tensor, f0: Tensor, rate: int, hop: int, harmonics: int, bands: int) -> tuple[Tensor, Tensor]:
    """x [M, T] with its F0 [M, N] -> amplitudes of the harmonics [M, K, N] and noise gains of mel bands [M, bands, N].

    Amplitudes are read off zero-padded spectra of 4·hop samples; the noise is what the harmonics leave.  White noise of unit
    power has unit gains.
    """
    length, size = 4 * hop, 16 * hop
    window = torch.hann_window(length, device=x.device, dtype=x.dtype)
    spectrum = torch.fft.rfft(centred(x, hop, length, f0.shape[-1]) * window, n=size).abs()  # [M, N, F]
    k = torch.arange(1, harmonics + 1, device=x.device, dtype=x.dtype)
    place = f0[..., None] * k * size / rate  # [M, N, K]
    inside = f0[..., None] * k < rate / 2
    bin_ = place.floor().long().clamp(0, size // 2 - 1)
    w = (place - bin_).clamp(0, 1)
    peak = spectrum.gather(-1, bin_) * (1 - w) + spectrum.gather(-1, bin_ + 1) * w
    amplitude = torch.where(inside, 2 * peak / window.sum(), 0.0)
    lines = band_lines(bands, size // 2 + 1, rate, x.device, x.dtype)
    near = (f0[..., None] * rounded(size, rate, f0) - bin_grid(size, rate, x)).abs() < 3 * rate / length  # main lobes
    heard = (spectrum.square() * ~near) @ lines.T / ((~near).to(x.dtype) @ lines.T).clamp(min=0.5)
    noise = (heard / window.square().sum()).sqrt()
    return amplitude.transpose(1, 2), noise.transpose(1, 2)


def bin_grid(size: int, rate: int, like: Tensor) -> Tensor:
    """Frequencies in Hz of the bins of a real FFT [size // 2 + 1]."""
    return torch.arange(size // 2 + 1, device=like.device, dtype=like.dtype) * rate / size


def rounded(size: int, rate: int, f0: Tensor) -> Tensor:
    """The number of the harmonic that lies nearest to each bin [..., F], at least the first."""
    return (bin_grid(size, rate, f0) / f0[..., None]).round().clamp(min=1)
