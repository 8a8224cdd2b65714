"""Kernel distance between the outputs and the real clips as two sets: squared maximum mean discrepancy, unbiased.

Over a fixed description of clips (audioml/nn/embedding.py), with the cubic kernel (x·y/D + 1)³ of KID (Bińkowski et al. 2018) and
the one-sample U-statistic of Gretton et al. (2012, eq. 4).  Zero on average for clips of the same kind, and then as often below
zero as above.  It is not FAD or KAD: those describe clips by networks trained elsewhere.

Per item stands its jackknife pseudo-value (Efron & Tibshirani 1993, §11.5): their mean is the distance itself, and their spread
gives intervals and paired comparisons their width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioml.metrics._base import Items, Quantity, Scored

if TYPE_CHECKING:
    import numpy as np

JUDGES = "audio"
PACKAGES = ()
ALIGNED = False
NAME = "realism/kernel_distance"


def quantities(items: Items) -> dict[str, Quantity]:
    """realism/kernel_distance, no unit."""
    return {NAME: Quantity("", "low")}


def score(items: Items) -> dict[str, Scored]:
    """One pseudo-value per item."""
    from audioml.metrics._sets import features

    rows = pseudo_values(*features(items))
    return {NAME: Scored(rows, rows)}


def pseudo_values(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Two samples [n, D] of equal size -> [n], whose mean is the unbiased squared MMD."""
    import numpy as np

    n, size = x.shape
    k = {(a, b): (u @ v.T / size + 1) ** 3 for a, u in enumerate((x, y)) for b, v in enumerate((x, y))}
    h = k[0, 0] + k[1, 1] - k[0, 1] - k[0, 1].T
    np.fill_diagonal(h, 0)
    each = h.sum(1) / (n - 1)
    return (2 * (n - 1) * each - n * each.mean()) / (n - 2)
