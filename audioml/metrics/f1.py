"""Macro F1: the F1 score of each class that occurs as target or as answer, meaned without weights.

A number of the whole set, not of an item: its interval resamples items, and there is nothing to pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioml.metrics._base import Items, Quantity, Scored

if TYPE_CHECKING:
    import numpy as np

JUDGES = "label"
PACKAGES = ()


def macro_f1(sums: np.ndarray) -> np.ndarray:
    """Sums [..., 3K] of right answers, answers and targets per class -> macro F1 [...]."""
    import numpy as np

    right, answers, targets = np.split(sums, 3, axis=-1)
    both = answers + targets
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(both > 0, 2 * right / both, 0).sum(-1) / (both > 0).sum(-1)


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/f1_macro, 0 … 1."""
    return {"quality/f1_macro": Quantity("", "high", combine=macro_f1)}


def score(items: Items) -> dict[str, Scored]:
    """Rows [n, 3K] of one-hot right answers, answers and targets."""
    import numpy as np

    answers, targets = (np.asarray(x, int) for x in (items.outputs, items.targets))
    eye = np.eye(1 + max(answers.max(), targets.max()))
    hot = [eye[targets] * (answers == targets)[:, None], eye[answers], eye[targets]]
    return {"quality/f1_macro": Scored(np.concatenate(hot, 1))}
