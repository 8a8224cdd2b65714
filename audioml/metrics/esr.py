"""Error-to-signal ratio (Wright et al. 2019, eq. 9, without pre-emphasis): energy of the error over energy of the target, in dB.

0 dB is silence, lower is better.  Neither gain nor phase is forgiven.  Silent targets are left out; clipped to [-100, 60] dB.
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "audio"
PACKAGES = ()


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/esr in dB."""
    return {"fidelity/esr": Quantity("dB", "low")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item: the mean over its stems and channels that are not silent."""
    from collections import Counter

    import numpy as np

    from audioml.metrics._audio import SILENT, nanmean, silent, stacks

    rows = np.full(len(items), np.nan)
    for index, target, output, _ in stacks(items):
        t, o = target.astype(np.float64), output.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = 10 * np.log10(np.square(t - o).sum(-1) / np.square(t).sum(-1))
        found[silent(target)] = np.nan
        rows[index] = nanmean(np.clip(found, -100, 60).reshape(len(index), -1))
    return {"fidelity/esr": Scored(rows, rows, Counter({SILENT: int(np.isnan(rows).sum())}))}
