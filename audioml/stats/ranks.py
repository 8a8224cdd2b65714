"""Places in an order, with ties, and how two orders correlate; vectorised over resamples.  numpy only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioml.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")


def positions(values: np.ndarray, equal: float = 0.0) -> np.ndarray:
    """values [..., n] -> places [..., n] from 0 (the least) to 1; values no more than `equal` apart share theirs (mid-ranks)."""
    with np.errstate(invalid="ignore"):
        gap = values[..., :, None] - values[..., None, :]
    same = (np.abs(gap) <= equal) | (values[..., :, None] == values[..., None, :])  # the second: two infinities
    above = (gap > 0) & ~same
    n = values.shape[-1]
    return (above.sum(-1) + (same.sum(-1) - 1) / 2) / max(1, n - 1)


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of two arrays of `positions` [..., n] over their last axis; NaN where one of them does not vary."""
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    size = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(size > 1e-12, (a * b).sum(-1) / size, np.nan)
