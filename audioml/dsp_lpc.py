"""Linear prediction in batches: autocorrelation, Levinson-Durbin, residual and its exact inverse.  Pure functions on tensors.

Polynomials are A(z) = 1 + a1·z^-1 + … with the leading one stored, [..., p + 1].  Loops run over the order or over powers of two,
never over samples or frames.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

Tensor = torch.Tensor


def autocorrelation(frames: Tensor, order: int) -> Tensor:
    """Windowed frames [..., window] -> lags 0 … order [..., order + 1], in double precision."""
    size = 1 << (frames.shape[-1] + order).bit_length()
    return torch.fft.irfft(torch.fft.rfft(frames.double(), size).abs().square(), size)[..., : order + 1]


def levinson(lags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Autocorrelation [..., p + 1] -> (polynomial [..., p + 1], reflection coefficients [..., p], error energy [...]).

    Levinson-Durbin recursion (Makhoul 1975, eqs. 38a to e); the lags of a positive signal give |k| < 1, a stable filter.
    """
    a, error, ks = torch.ones_like(lags[..., :1]), lags[..., 0], []
    for i in range(1, lags.shape[-1]):
        k = -(a * lags[..., 1 : i + 1].flip(-1)).sum(-1) / error
        a = _step_up(a, k)
        error = error * (1 - k * k)
        ks.append(k)
    return a, torch.stack(ks, -1), error


def polynomial(reflection: Tensor) -> Tensor:
    """Reflection coefficients [..., p] -> polynomial [..., p + 1]."""
    a = torch.ones_like(reflection[..., :1])
    for k in reflection.unbind(-1):
        a = _step_up(a, k)
    return a


def _step_up(a: Tensor, k: Tensor) -> Tensor:
    longer = F.pad(a, (0, 1))
    return longer + k[..., None] * longer.flip(-1)


def residual(x: Tensor, a: Tensor, hop: int) -> Tensor:
    """x [..., p + N·hop] with p samples of history, polynomials [..., N, p + 1] -> prediction error [..., N, hop].

    Block n is filtered by its own polynomial.
    """
    order = a.shape[-1] - 1
    blocks = x.unfold(-1, hop + order, hop).unfold(-1, order + 1, 1)
    return (blocks @ a.flip(-1)[..., None])[..., 0]


def resynthesis(error: Tensor, a: Tensor, history: Tensor | None = None) -> Tensor:
    """Inverse of `residual`: error [..., N, hop], polynomials [..., N, p + 1], the p samples before (zeros) -> [..., N·hop].

    Within a block the output is the impulse response of 1/A convolved with the error and with what the last p samples ring on;
    the p samples at the blocks' ends form a linear recurrence, solved by a parallel scan in log2 N steps (Hillis & Steele 1986).
    """
    kind, (count, hop), order = error.dtype, error.shape[-2:], a.shape[-1] - 1
    error, a = error.double(), a.double()
    response = _inverse(a, hop)
    driven = _convolve(response, error, hop)
    # ring[..., t, j]: what sample j of the last p adds at time t of the block, before the filter: the sum over k > t of -a_k
    index = torch.arange(order, device=a.device)
    tap = order + index[:, None] - index
    ring = torch.where(tap <= order, -a[..., tap.clamp(max=order)], 0)
    rung = _convolve(response[..., None, :], ring.transpose(-1, -2), hop)  # [..., N, j, hop]
    step = rung[..., hop - order :].transpose(-1, -2)
    ends = _scan(step, driven[..., hop - order :], history)
    first = torch.zeros_like(ends[..., :1, :]) if history is None else history.double()[..., None, :]
    before = torch.cat([first, ends[..., : count - 1, :]], -2)
    out = driven + (before[..., None, :] @ rung)[..., 0, :]
    return out.flatten(-2).to(kind)


def _inverse(a: Tensor, length: int) -> Tensor:
    """Impulse response of 1/A, `length` samples, by Newton's iteration on power series."""
    g, have = torch.ones_like(a[..., :1]), 1
    while have < length:
        have = min(2 * have, length)
        error = -_convolve(F.pad(a, (0, max(0, have - a.shape[-1])))[..., :have], g, have)
        error = torch.cat([error[..., :1] + 2, error[..., 1:]], -1)
        g = _convolve(g, error, have)
    return g


def _convolve(x: Tensor, y: Tensor, length: int) -> Tensor:
    """The first `length` samples of the convolution along the last axis."""
    size = 1 << (x.shape[-1] + y.shape[-1] - 1).bit_length()
    full = torch.fft.irfft(torch.fft.rfft(x, size) * torch.fft.rfft(y, size), size)
    return F.pad(full, (0, max(0, length - size)))[..., :length]


def _scan(matrix: Tensor, shift: Tensor, history: Tensor | None) -> Tensor:
    """s_n = matrix_n s_(n-1) + shift_n for all n: matrix [..., N, p, p], shift [..., N, p] -> s [..., N, p]."""
    if history is not None:
        head = shift[..., :1, :] + (matrix[..., :1, :, :] @ history.double()[..., None, :, None])[..., 0]
        shift = torch.cat([head, shift[..., 1:, :]], -2)
    count, reach = shift.shape[-2], 1
    while reach < count:
        later, earlier = matrix[..., reach:, :, :], matrix[..., :-reach, :, :]
        moved = shift[..., reach:, :] + (later @ shift[..., :-reach, :, None])[..., 0]
        shift = torch.cat([shift[..., :reach, :], moved], -2)
        matrix = torch.cat([matrix[..., :reach, :, :], later @ earlier], -3)
        reach *= 2
    return shift
