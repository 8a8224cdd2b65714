"""Constant-Q filters, their response in batches, and chroma filters over a spectrum.  Pure functions on tensors.

Filters are grouped by octave, so that a short one is never padded to the length of the longest; each group is one matrix product.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

Tensor = torch.Tensor


class Group(NamedTuple):
    """Filters of one octave: `kernels` [2·bins, span], real parts, then imaginary; `shortest` in samples."""

    kernels: Tensor
    span: int
    shortest: int


def frequencies(low: float, bins: int, per_octave: int) -> np.ndarray:
    """Centre frequencies [bins] in Hz."""
    return low * 2.0 ** (np.arange(bins) / per_octave)


def relative_bandwidth(per_octave: int) -> float:
    """Bandwidth over centre frequency; Q is its inverse (Glasberg-like spacing, as librosa 0.11)."""
    return math.tanh(math.log(2) / per_octave)


def filters(rate: int, low: float, bins: int, per_octave: int) -> list[np.ndarray]:
    """Complex filters: a Hann window of Q·rate/f samples times a phasor at f, of unit sum, times the root of its length.

    Schörkhuber & Klapuri 2010, eqs. 2 and 5, with librosa's scaling: white noise is equally loud in every bin.
    """
    out = []
    for f in frequencies(low, bins, per_octave):
        length = rate / f / relative_bandwidth(per_octave)
        time = np.arange(-length // 2, length // 2)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(len(time)) / len(time))
        out.append(window / window.sum() * np.exp(2j * np.pi * f / rate * time) * np.sqrt(length))
    return out


@lru_cache(maxsize=16)
def groups(
    rate: int, low: float, bins: int, per_octave: int, align: str, device: torch.device, dtype: torch.dtype
) -> tuple[Group, ...]:
    """The filters, octave by octave from the lowest; align "centre" or "past" (all end with the frame)."""
    every = filters(rate, low, bins, per_octave)
    out = []
    for start in range(0, bins, per_octave):
        part = every[start : start + per_octave]
        span = max(map(len, part)) + max(map(len, part)) % 2
        table = np.zeros((len(part), span), complex)
        for row, kernel in zip(table, part, strict=True):
            at = span - len(kernel) if align == "past" else span // 2 - len(kernel) // 2
            row[at : at + len(kernel)] = kernel.conj()
        stacked = torch.from_numpy(np.concatenate([table.real, table.imag])).to(device, dtype)
        out.append(Group(stacked, span, min(map(len, part))))
    return tuple(out)


def looks(group: Group, hop: int, dense: bool) -> int:
    """Looks per hop, a power of two dividing it, so that consecutive filters overlap by half; 1 where not `dense`."""
    count = 1
    while dense and hop % (2 * count) == 0 and 2 * hop > count * group.shortest:
        count *= 2
    return count


def power(x: Tensor, count: int, hop: int, bank: tuple[Group, ...], align: str, dense: bool, before: int = 0) -> Tensor:
    """x [..., T] -> |CQT|² [..., bins, count], averaged over the looks of each hop.

    "centre": frame n is centred at n·hop.  "past": it ends at (n + 1)·hop, with `before` samples of history at the head of x.
    """
    parts = []
    for group in bank:
        many = looks(group, hop, dense)
        step = hop // many
        left = group.span // 2 + (hop - step) // 2 if align == "centre" else group.span - step - before
        need = (count * many - 1) * step + group.span
        padded = F.pad(x, (left, need - left - x.shape[-1]))
        response = padded.unfold(-1, group.span, step) @ group.kernels.T
        re, im = response.chunk(2, -1)
        parts.append((re.square() + im.square()).unflatten(-2, (count, many)).mean(-2))
    return torch.cat(parts, -1).transpose(-1, -2)


@lru_cache(maxsize=16)
def passed(rate: int, low: float, bins: int, per_octave: int, window: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """[window/2 + 1, bins]: how much power each filter passes of an STFT bin, the STFT's power scaled by 2/window."""
    every = filters(rate, low, bins, per_octave)
    size = max(window, 2 ** int(np.ceil(np.log2(max(map(len, every))))) * 2)
    gain = np.stack([np.abs(np.fft.fft(k, size)[: size // 2]) ** 2 for k in every]) / size
    nearest = np.rint(np.arange(size // 2) * window / size).astype(int)
    out = np.zeros((window // 2 + 1, bins))
    np.add.at(out, nearest, gain.T)
    return torch.from_numpy(out).to(device, dtype)


@lru_cache(maxsize=16)
def chroma_bank(rate: int, window: int, classes: int, tuning: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    """[window/2 + 1, classes]: Gaussian bumps around each pitch class, C first, weighted by octave (Ellis 2007, chroma features).

    `tuning` in fractions of a class, 0 for A = 440 Hz; octaves are weighted by a Gaussian of two octaves around 440 Hz · 2^0.25.
    """
    hz = np.linspace(0, rate, window, endpoint=False)[1:]
    place = classes * np.log2(hz / (440 * 2.0 ** (tuning / classes) / 16))
    place = np.concatenate([[place[0] - 1.5 * classes], place])
    width = np.concatenate([np.maximum(np.diff(place), 1), [1]])
    half = np.round(classes / 2)
    away = np.remainder(place[:, None] - np.arange(classes) + half + 10 * classes, classes) - half
    bank = np.exp(-0.5 * (2 * away / width[:, None]) ** 2)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    bank *= np.exp(-0.5 * ((place / classes - 5) / 2) ** 2)[:, None]
    bank = np.roll(bank, -3 * (classes // 12), axis=1)
    return torch.from_numpy(bank[: window // 2 + 1]).to(device, dtype)
