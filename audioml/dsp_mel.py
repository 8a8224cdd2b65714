"""Filterbanks over a power spectrum: the mel bank, what normalisation does to log energies, and the way back.

Pure functions on tensors; state is an argument and a result.
"""

from __future__ import annotations

from functools import lru_cache

import torch

Tensor = torch.Tensor


@lru_cache(maxsize=32)
def mel_bank(rate: int, window: int, bins: int, low: float, high: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Triangular filters [window/2 + 1, bins], Slaney's scale and norm, as librosa's default."""
    from torchaudio.functional import melscale_fbanks

    return melscale_fbanks(window // 2 + 1, low, high, bins, rate, norm="slaney", mel_scale="slaney").to(device, dtype)


@lru_cache(maxsize=32)
def dct(bins: int, kept: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The first `kept` rows of the orthonormal DCT-II [kept, bins]; its transpose is the least-squares way back."""
    n, k = torch.arange(bins, dtype=torch.float64) + 0.5, torch.arange(kept, dtype=torch.float64)[:, None]
    basis = torch.cos(torch.pi / bins * n * k) * (2 / bins) ** 0.5
    basis[0] /= 2**0.5
    return basis.to(device, dtype)


def normalise(x: Tensor, n: Tensor, how: str) -> Tensor:
    """x [B, C, F, N], valid frames n [B]: each bin's mean over time taken off, over the clip ("clip"), also divided by its standard
    deviation ("clip_variance"), over the past ("running", "running_variance"), or nothing ("none"); frames past a clip's end are
    zero."""
    valid = (torch.arange(x.shape[-1], device=x.device) < n.to(x.device)[:, None])[:, None, None]
    count = n.to(x)[:, None, None, None]
    if how in ("clip", "clip_variance"):
        x = x - (x * valid).sum(-1, keepdim=True) / count
    if how == "clip_variance":
        x = x / ((x.square() * valid).sum(-1, keepdim=True) / count + 1e-6).sqrt()
    if how in RUNNING:
        x, _ = RUNNING[how](x, None)
    return x * valid


def running(x: Tensor, past: tuple[Tensor, int] | None) -> tuple[Tensor, tuple[Tensor, int]]:
    """x [..., N] less the mean of all frames so far; `past` is (sum, count)."""
    total, count = past or (torch.zeros_like(x[..., :1]), 0)
    sums = total + x.cumsum(-1)
    counts = count + torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=x.dtype)
    return x - sums / counts, (sums[..., -1:], count + x.shape[-1])


def running_variance(x: Tensor, past: tuple[Tensor, Tensor, int] | None) -> tuple[Tensor, tuple[Tensor, Tensor, int]]:
    """The same, divided by the standard deviation of all frames so far; `past` is (sum, sum of squares, count), float64."""
    wide = x.double()
    zero = torch.zeros_like(wide[..., :1])
    total, squares, count = past or (zero, zero, 0)
    sums, squares = total + wide.cumsum(-1), squares + wide.square().cumsum(-1)
    counts = count + torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=torch.float64)
    mean = sums / counts
    y = (wide - mean) / ((squares / counts - mean.square()).clamp(min=0) + 1e-6).sqrt()
    return y.to(x), (sums[..., -1:], squares[..., -1:], count + x.shape[-1])


RUNNING = {"running": running, "running_variance": running_variance}


def spread(energy: Tensor, bank: Tensor, steps: int = 30) -> Tensor:
    """Non-negative power spectra [..., F] whose filterbank energies come close to `energy` [..., bins]; `bank` [F, bins].

    Multiplicative updates for least squares (Lee & Seung 2001, theorem 1) from each band's energy spread evenly over it.  They
    run without gradient; one last update with it makes the result differentiable in the energies.  Frequencies that no filter
    sees stay silent.
    """
    energy = energy.clamp(min=0)
    with torch.no_grad():
        share = bank / (bank.sum(0) + 1e-12)
        density = energy / (bank.sum(0) + 1e-12)
        power = (density @ share.T) / (share.sum(1) + 1e-12)
        for _ in range(steps):
            power = _update(power, energy, bank)
    return _update(power, energy, bank)


def _update(power: Tensor, energy: Tensor, bank: Tensor) -> Tensor:
    return power * (energy @ bank.T) / ((power @ bank) @ bank.T + 1e-12)


def regression_slope(x: Tensor, width: int) -> Tensor:
    """Slope of a line through each `width` (odd) consecutive frames: x [..., N] -> [..., N - width + 1]."""
    half = width // 2
    ramp = torch.arange(-half, half + 1, device=x.device, dtype=x.dtype)
    return (x.unfold(-1, width, 1) * (ramp / ramp.square().sum())).sum(-1)
