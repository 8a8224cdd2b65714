"""Losses between waves: estimate and reference [B, S, T] with valid lengths [B] -> a scalar.  Named in conf/method/*.yaml.

Each is a mean over signals (`SIGNALS` gives them one by one, [B, S]), so that signals whose order is free can be put into the
best one first (`best_order`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import torch
from torch import Tensor

from audioml import dsp

SCALES = (2048, 1024, 512, 256, 128, 64)  # windows of `multispectral` (Engel et al. 2020, §4.2.1)


def _valid(x: Tensor, n: Tensor) -> Tensor:
    """Zero what lies past each clip's end."""
    if int(n.min()) >= x.shape[-1]:
        return x
    return x * (torch.arange(x.shape[-1], device=x.device) < n.to(x.device)[:, None])[:, None]


def _energies(estimate: Tensor, reference: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Valid parts, and a floor of a thousandth of the item's mean energy, so that silent references stay finite."""
    estimate, reference = _valid(estimate, n), _valid(reference, n)
    floor = 1e-3 * reference.square().sum(-1).mean(1, keepdim=True) + 1e-6
    return estimate, reference, floor


def snr(estimate: Tensor, reference: Tensor, n: Tensor) -> Tensor:
    """Negative signal-to-noise ratio in dB [B, S], soft-limited to 30 dB (Wisdom et al. 2020, eq. 2); silent references allowed."""
    estimate, reference, floor = _energies(estimate, reference, n)
    signal = reference.square().sum(-1)
    error = (estimate - reference).square().sum(-1)
    return 10 * torch.log10((error + 1e-3 * signal + floor) / (signal + floor))


def si_sdr(estimate: Tensor, reference: Tensor, n: Tensor) -> Tensor:
    """Negative scale-invariant SDR in dB [B, S] (Le Roux et al. 2019, eq. 3), soft-limited; silent references count as snr."""
    estimate, reference, floor = _energies(estimate, reference, n)
    signal = reference.square().sum(-1)
    scale = (estimate * reference).sum(-1) / (signal + 1e-8)
    audible = signal > floor
    scale = torch.where(audible, scale, torch.ones_like(scale))
    target = scale[..., None] * reference
    error = (estimate - target).square().sum(-1)
    power = torch.where(audible, target.square().sum(-1), signal)
    floor = torch.where(audible, 1e-8 + 0 * floor, floor)
    return 10 * torch.log10((error + 1e-3 * power + floor) / (power + floor))


def l1(estimate: Tensor, reference: Tensor, n: Tensor) -> Tensor:
    """Mean absolute difference of samples [B, S]."""
    return (_valid(estimate, n) - _valid(reference, n)).abs().mean(-1)


def spectral(estimate: Tensor, reference: Tensor, n: Tensor) -> Tensor:
    """Distance of compressed spectra [B, S] (power 0.3, 32 ms frames at 16 kHz), of magnitudes and complex (Ephrat et al. 2018)."""
    x, y = (_compressed(_valid(w, n)) for w in (estimate, reference))
    return (x.abs() - y.abs()).square().mean((-1, -2)) + torch.view_as_real(x - y).square().mean((-1, -2, -3))


def _compressed(wave: Tensor, window: int = 512, hop: int = 256) -> Tensor:
    return dsp.compress(torch.fft.rfft(dsp.frames_of(wave, window, hop)) * (2 / window) ** 0.5, 0.3)


def multispectral(estimate: Tensor, reference: Tensor, n: Tensor) -> Tensor:
    """L1 of magnitudes and of log magnitudes over six resolutions [B, S] (Engel et al. 2020, eq. 4).

    Blind to phase: for synthesisers, whose partials start where they like.  Log magnitudes are floored 80 dB below full scale.
    """
    estimate, reference = _valid(estimate, n), _valid(reference, n)
    total = estimate.new_zeros(estimate.shape[:2])
    for size in SCALES:
        x, y = (_magnitudes(w, size) for w in (estimate, reference))
        total = total + (x - y).abs().mean((-1, -2)) + ((x + 1e-4).log() - (y + 1e-4).log()).abs().mean((-1, -2))
    return total / len(SCALES)


def _magnitudes(wave: Tensor, size: int) -> Tensor:
    """[B, S, T] -> [B, S, F, N], about unit scale for white noise of unit power."""
    window = torch.hann_window(size, device=wave.device, dtype=wave.dtype) * (8 / (3 * size)) ** 0.5
    spectrum = torch.stft(wave.flatten(0, 1), size, size // 4, window=window, pad_mode="constant", return_complex=True)
    return (torch.view_as_real(spectrum).square().sum(-1) + 1e-12).sqrt().unflatten(0, wave.shape[:2])


SIGNALS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    f.__name__: f for f in (snr, si_sdr, l1, spectral, multispectral)
}


def _mean(name: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda estimate, reference, n: SIGNALS[name](estimate, reference, n).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {name: _mean(name) for name in SIGNALS}


def best_order(estimate: Tensor, reference: Tensor, n: Tensor, criterion: str) -> Tensor:
    """Which estimate belongs to each reference: [B, S, C, T] twice -> indices [B, S] that make the mean `criterion` least.

    Utterance-level permutation-invariant training (Kolbæk et al. 2017, §III): all S! orders, at once; meant for S ≤ 5.
    """
    items, count, channels, _ = reference.shape
    with torch.no_grad():
        pairs = (items, count, count, channels)
        e = estimate[:, None].expand(*pairs, -1).flatten(1, 3)
        r = reference[:, :, None].expand(*pairs, -1).flatten(1, 3)
        cost = SIGNALS[criterion](e, r, n).view(pairs).mean(-1)  # [B, reference, estimate]
        orders = torch.tensor(list(permutations(range(count))), device=cost.device)
        totals = cost[:, torch.arange(count, device=cost.device), orders].sum(-1)
        return orders[totals.argmin(1)]


def reordered(estimate: Tensor, order: Tensor) -> Tensor:
    """estimate [B, S, C, T] by indices [B, S]."""
    return estimate.gather(1, order[:, :, None, None].expand_as(estimate))
