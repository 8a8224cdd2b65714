"""A fixed, deterministic description of a clip, for distances between sets of clips.  Nothing in it is learnt.

No pretrained network is at hand, so that distances over it are *not* FAD or KAD as published and compare only systems judged here.
Per clip (channels averaged), from a log-mel spectrogram of BANDS bands in 32 ms frames, floored 80 dB below full scale:
mean, deviation and mean change from frame to frame of each band (dB); correlations between the levels of GROUPS groups of bands;
energies of their modulation in octaves (dB; McDermott & Simoncelli 2011 describe textures so); how peaked the fine spectrum is
within each group (dB); mean and deviation of the frames' periodicity.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional as F

from audioml.dsp_mel import mel_bank

BANDS, GROUPS = 40, 8
OCTAVES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # Hz of modulation
PITCH = (0.0025, 0.0125)  # seconds of lag that count as a period: 400 to 80 Hz
FLOOR = 1e-8  # power, -80 dB
SIZE = 3 * BANDS + GROUPS * (GROUPS - 1) // 2 + GROUPS * (len(OCTAVES) - 1) + GROUPS + 2
TEN = 10.0  # scales correlations to the size of decibels


def power_frames(x: Tensor, window: int, hop: int) -> Tensor:
    """x [B, T] -> power [B, F, N]; a full-scale sine has a power of about 1 in its bin."""
    pad = max(0, 2 * window - x.shape[-1])
    hann = torch.hann_window(window, device=x.device, dtype=x.dtype)
    spectrum = torch.stft(F.pad(x, (0, pad)), window, hop, window=hann, center=False, return_complex=True)
    return torch.view_as_real(spectrum).square().sum(-1) * (4 / window) ** 2


def decibels(power: Tensor) -> Tensor:
    """Power -> dB, floored at -80."""
    return 10 * (power + FLOOR).log10()


def levels(x: Tensor, rate: int) -> Tensor:
    """x [B, T] -> log-mel levels [B, BANDS, N] in dB; 32 ms frames every 16 ms at 16 kHz."""
    window = _window(rate, 0.032)
    power = power_frames(x, window, window // 2)
    bank = mel_bank(rate, window, BANDS, 40.0, rate / 2, x.device, x.dtype)
    bank = bank / bank.sum(0).clamp(min=1e-9)  # a mean over each band
    return decibels(torch.einsum("bfn,fm->bmn", power, bank))


def describe(x: Tensor, rate: int) -> Tensor:
    """Waves x [B, T] of equal length at `rate` Hz -> [B, SIZE]."""
    level = levels(x, rate)
    change = level.diff(dim=-1).abs().mean(-1)
    group = level.unflatten(1, (GROUPS, -1)).mean(2)
    parts = [
        level.mean(-1),
        level.std(-1),
        change,
        _correlations(group),
        _modulation(group, rate),
        _peaks(x, rate),
        _periods(x, rate),
    ]
    return torch.cat(parts, 1)


def _window(rate: int, seconds: float) -> int:
    return 2 ** round(float(torch.tensor(seconds * rate).log2()))


def _correlations(group: Tensor) -> Tensor:
    """[B, GROUPS, N] -> the upper triangle of the correlation matrix, [B, 28]."""
    y = group - group.mean(-1, keepdim=True)
    y = y / (y.square().sum(-1, keepdim=True) + 1e-3).sqrt()
    i, j = torch.triu_indices(GROUPS, GROUPS, 1, device=y.device)
    return TEN * (y @ y.transpose(1, 2))[:, i, j]


def _modulation(group: Tensor, rate: int) -> Tensor:
    """[B, GROUPS, N] -> density of modulation energy per octave in dB, [B, GROUPS * 5]."""
    fps = 2 * rate / _window(rate, 0.032)
    y = group - group.mean(-1, keepdim=True)
    size = max(y.shape[-1], round(2 * fps))
    density = torch.view_as_real(torch.fft.rfft(y, n=size)).square().sum(-1) / y.shape[-1]
    frequency = torch.arange(density.shape[-1], device=y.device) * fps / size
    bands = [density[..., (frequency >= a) & (frequency < b)].mean(-1) for a, b in itertools.pairwise(OCTAVES)]
    return (10 * (torch.stack(bands, -1) + 0.1).log10()).flatten(1)


def _peaks(x: Tensor, rate: int) -> Tensor:
    """How far the mean power in a group of bins lies above its mean level, in dB: 2.5 for noise, more for partials."""
    window = _window(rate, 0.064)
    power = power_frames(x, window, window // 2)[:, 1:]
    edges = [round(power.shape[1] * (2**k - 1) / (2**GROUPS - 1)) for k in range(GROUPS + 1)]
    edges = [max(e, 8 * k) for k, e in enumerate(edges)]
    groups = [power[:, a:b] for a, b in itertools.pairwise(edges)]
    return torch.stack([(decibels(g.mean(1)) - decibels(g).mean(1)).mean(-1) for g in groups], 1)


def _periods(x: Tensor, rate: int) -> Tensor:
    """Mean and deviation over frames of the largest normalised autocorrelation at a lag within PITCH, [B, 2]."""
    window = _window(rate, 0.032)
    frames = F.pad(x, (0, max(0, 2 * window - x.shape[-1]))).unfold(-1, window, window // 2)
    frames = frames - frames.mean(-1, keepdim=True)
    energy = frames.square().sum(-1, keepdim=True)
    power = torch.view_as_real(torch.fft.rfft(frames, n=3 * window // 2)).square().sum(-1)
    lags = torch.fft.irfft(power, n=3 * window // 2)[..., : window // 2]
    lags = lags / (energy + window * FLOOR) * (window / (window - torch.arange(window // 2, device=x.device)))
    a, b = (round(s * rate) for s in PITCH)
    peak = lags[..., a : b + 1].amax(-1)
    return TEN * torch.stack([peak.mean(-1), peak.std(-1)], 1)
