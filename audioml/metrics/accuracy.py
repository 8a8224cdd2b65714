"""Accuracy: the share of items whose label is right.  Blind to imbalance: compare with the majority class and with f1."""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "label"
PACKAGES = ()


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/accuracy, 0 … 1."""
    return {"quality/accuracy": Quantity("", "high", share=True)}


def score(items: Items) -> dict[str, Scored]:
    """1 or 0 per item."""
    import numpy as np

    right = (np.asarray(items.outputs, int) == np.asarray(items.targets, int)).astype(np.float64)
    return {"quality/accuracy": Scored(right, right)}
