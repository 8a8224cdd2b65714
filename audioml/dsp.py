"""Framing, windows and overlap-add, offline and in steps.  Pure functions on tensors; state is an argument and a result.

Frames are left-padded: frame n sees the samples up to (n + 1)·hop and none later, so analysis has no look-ahead, and
overlap-add completes a sample `window - hop` samples after it was read.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch.nn import functional as F

Tensor = torch.Tensor


@lru_cache(maxsize=64)
def root_hann(window: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Square root of a periodic Hann window [window]; applied at analysis and at synthesis it sums to a constant."""
    return torch.hann_window(window, periodic=True, device=device, dtype=dtype).sqrt()


def frame_count(samples: int, window: int, hop: int) -> int:
    """Frames that cover each of `samples` samples with all its window/hop overlaps."""
    return max(1, math.ceil((samples + window - hop) / hop))


def frame_counts(samples: Tensor, window: int, hop: int) -> Tensor:
    """`frame_count` for a tensor of lengths [B]."""
    return ((samples + window - hop + hop - 1) // hop).clamp(min=1)


def frames_of(x: Tensor, window: int, hop: int) -> Tensor:
    """x [..., T] -> windowed frames [..., N, window], N = frame_count(T)."""
    samples = x.shape[-1]
    count = frame_count(samples, window, hop)
    padded = F.pad(x, (window - hop, count * hop - samples))
    return padded.unfold(-1, window, hop) * root_hann(window, x.device, x.dtype)


def frames_step(x: Tensor, state: Tensor | None, window: int, hop: int) -> tuple[Tensor, Tensor]:
    """x [..., k·hop] and the last window - hop samples -> windowed frames [..., k, window] and the new state."""
    if state is None:
        state = x.new_zeros(*x.shape[:-1], window - hop)
    joined = torch.cat([state, x], -1)
    frames = joined.unfold(-1, window, hop) * root_hann(window, x.device, x.dtype)
    return frames, joined[..., joined.shape[-1] - (window - hop) :]


def _overlap_add(frames: Tensor, window: int, hop: int) -> Tensor:
    """Frames [M, N, window] -> [M, (N - 1)·hop + window], each windowed again and scaled to unity."""
    count = frames.shape[-2]
    scale = min(1.0, 2 * hop / window)  # above 1 where each frame is one sample and nothing overlaps
    weighted = (frames * root_hann(window, frames.device, frames.dtype) * scale).transpose(-1, -2)
    if count == 1:  # as in most streams: there is nothing to add up
        return weighted[..., 0]
    length = (count - 1) * hop + window
    return F.fold(weighted, (1, length), (1, window), stride=(1, hop))[:, 0, 0]


def overlap_add(frames: Tensor, window: int, hop: int, samples: int) -> Tensor:
    """Inverse of `frames_of`: frames [..., N, window] -> [..., samples]."""
    lead = frames.shape[:-2]
    wave = _overlap_add(frames.reshape(-1, *frames.shape[-2:]), window, hop)
    wave = wave[:, window - hop : window - hop + samples]
    if wave.shape[-1] < samples:
        wave = F.pad(wave, (0, samples - wave.shape[-1]))
    return wave.reshape(*lead, samples)


def overlap_add_step(frames: Tensor, state: Tensor | None, window: int, hop: int) -> tuple[Tensor, Tensor]:
    """Frames [..., k, window] and the tail not yet complete -> k·hop samples (window - hop late) and the new tail."""
    lead, count = frames.shape[:-2], frames.shape[-2]
    wave = _overlap_add(frames.reshape(-1, count, window), window, hop).reshape(*lead, -1)
    if state is not None:
        wave = torch.cat([wave[..., : window - hop] + state, wave[..., window - hop :]], -1)
    return wave[..., : count * hop], wave[..., count * hop :]


def compress(spectrum: Tensor, power: float) -> Tensor:
    """Complex spectrum X -> |X|^power · X/|X|, the usual loudness-like compression that keeps the phase."""
    if power == 1:
        return spectrum
    return spectrum * (spectrum.real.square() + spectrum.imag.square() + 1e-12).pow((power - 1) / 2)


def expand(re: Tensor, im: Tensor, power: float) -> Tensor:
    """Inverse of `compress` on real and imaginary parts -> complex."""
    if power == 1:
        return torch.complex(re, im)
    gain = (re.square() + im.square() + 1e-12).pow((1 / power - 1) / 2)
    return torch.complex(re * gain, im * gain)
