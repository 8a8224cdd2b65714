"""A continued score beside the true one, after the prompt: do the same pitch classes sound, as many notes?

Overlap of the two histograms of pitch classes, weighted by duration (1: equal, 0: nothing shared), and the difference of their
onsets per second (Yang & Lerch 2020, section 3.2).  Statistics of style, not of quality: many continuations are good.  An item
whose target continues with silence is left out and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioml.metrics._base import Items, Quantity, Scored

if TYPE_CHECKING:
    import numpy as np

JUDGES = "notes"
PACKAGES = ()


def histogram(notes: np.ndarray) -> np.ndarray:
    """Share of the sounding time per pitch class [12]; zeros without notes."""
    import numpy as np

    length = np.maximum(notes[1] - notes[0], 0).astype(np.float64)
    found = np.bincount(np.rint(notes[2]).astype(np.int64) % 12, weights=length, minlength=12)
    return found / max(found.sum(), 1e-12)


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/pitch_class_overlap 0 … 1 and quality/density_error in onsets per second."""
    return {"quality/pitch_class_overlap": Quantity("", "high"), "quality/density_error": Quantity("1/s", "low")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item."""
    from collections import Counter

    import numpy as np

    rows = np.full((len(items), 2), np.nan)
    for row, target, output in zip(rows, items.targets, items.outputs, strict=True):
        if target.shape[-1]:
            span = float(target[1].max())
            own = output[:, output[0] < span]
            row[0] = np.minimum(histogram(target), histogram(own)).sum()
            row[1] = abs(target.shape[-1] - own.shape[-1]) / max(span, 1e-3)
    silent = Counter({"silent target": int(np.isnan(rows[:, 0]).sum())})
    return {key: Scored(column, column, silent) for key, column in zip(quantities(items), rows.T, strict=True)}
