"""Losses between waves: estimate and reference [B, S, T] with valid lengths [B] -> a scalar.  Named in conf/method/*.yaml."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from audioml import dsp


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
    """Negative signal-to-noise ratio in dB, soft-limited to 30 dB (Wisdom et al. 2020, eq. 2); silent references allowed."""
    estimate, reference, floor = _energies(estimate, reference, n)
    signal = reference.square().sum(-1)
    error = (estimate - reference).square().sum(-1)
    return 10 * torch.log10((error + 1e-3 * signal + floor) / (signal + floor)).mean()


def si_sdr(estimate: Tensor, reference: Tensor, n: Tensor) -> Tensor:
    """Negative scale-invariant SDR in dB (Le Roux et al. 2019, eq. 3), soft-limited to 30 dB; silent references count as snr."""
    estimate, reference, floor = _energies(estimate, reference, n)
    signal = reference.square().sum(-1)
    scale = (estimate * reference).sum(-1) / (signal + 1e-8)
    audible = signal > floor
    scale = torch.where(audible, scale, torch.ones_like(scale))
    target = scale[..., None] * reference
    error = (estimate - target).square().sum(-1)
    power = torch.where(audible, target.square().sum(-1), signal)
    floor = torch.where(audible, 1e-8 + 0 * floor, floor)
    return 10 * torch.log10((error + 1e-3 * power + floor) / (power + floor)).mean()


def l1(estimate: Tensor, reference: Tensor, n: Tensor) -> Tensor:
    """Mean absolute difference of samples."""
    return F.l1_loss(_valid(estimate, n), _valid(reference, n))


def spectral(estimate: Tensor, reference: Tensor, n: Tensor) -> Tensor:
    """Distance of compressed spectra (power 0.3, 32 ms frames at 16 kHz), half of magnitudes, half complex (Ephrat et al. 2018)."""
    x, y = (_compressed(_valid(w, n)) for w in (estimate, reference))
    return F.mse_loss(x.abs(), y.abs()) + F.mse_loss(torch.view_as_real(x), torch.view_as_real(y))


def _compressed(wave: Tensor, window: int = 512, hop: int = 256) -> Tensor:
    return dsp.compress(torch.fft.rfft(dsp.frames_of(wave, window, hop)) * (2 / window) ** 0.5, 0.3)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"snr": snr, "si_sdr": si_sdr, "l1": l1, "spectral": spectral}
