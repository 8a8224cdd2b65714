"""Tags: average precision of the scores, and F1 of those that reach one half.

`map` means the average precision over the tags that occur, `map_micro` takes all decisions as one list, `map_samples` ranks
the tags of each item: the one that can be paired, item by item.  Ties count as one threshold, as in scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.metrics._base import Items, Quantity, Scored

if TYPE_CHECKING:
    import numpy as np

JUDGES = "tags"
PACKAGES = ()
HALF = 0.5


def average_precision(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under precision over recall: scores [n], truth [n] of 0 and 1, weights [..., n] -> [...]; NaN without a positive."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    s, w = scores[order], weights[..., order]
    last = np.searchsorted(-s, -s, side="right") - 1  # the end of each run of equal scores
    hits = w * truth[order]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.cumsum(hits, -1)[..., last] / np.cumsum(w, -1)[..., last]
        return np.nansum(hits * precision, -1) / hits.sum(-1)


def _macro(scores: np.ndarray, truth: np.ndarray) -> Any:
    """Weights [..., n] of the items -> the mean over tags that occur among them."""
    import warnings

    import numpy as np

    def combine(weights: np.ndarray) -> np.ndarray:
        each = np.stack([average_precision(s, t, weights) for s, t in zip(scores.T, truth.T, strict=True)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return np.nanmean(each, 0)

    return combine


def _micro(scores: np.ndarray, truth: np.ndarray) -> Any:
    import numpy as np

    return lambda weights: average_precision(scores.ravel(), truth.ravel(), np.repeat(weights, scores.shape[1], -1))


def f1_micro(sums: np.ndarray) -> np.ndarray:
    """Sums [..., 3C] of hits, answers and targets per tag -> F1 of all decisions [...]; 0 where there was nothing to find."""
    import numpy as np

    hits, answers, targets = (part.sum(-1) for part in np.split(sums, 3, axis=-1))
    return 2 * hits / np.maximum(answers + targets, 1e-12)


def _arrays(items: Items) -> tuple[Any, Any]:
    import numpy as np

    return np.asarray(items.outputs, np.float64), np.asarray(items.targets, np.float64) >= HALF


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/map, map_micro, map_samples, f1_micro and f1_macro, 0 … 1."""
    from audioml.metrics.f1 import macro_f1

    def macro(weights):
        return _macro(*_arrays(items))(weights)

    def micro(weights):
        return _micro(*_arrays(items))(weights)

    return {
        "quality/map": Quantity("", "high", combine=macro),
        "quality/map_micro": Quantity("", "high", combine=micro),
        "quality/map_samples": Quantity("", "high"),
        "quality/f1_micro": Quantity("", "high", combine=f1_micro),
        "quality/f1_macro": Quantity("", "high", combine=macro_f1),
    }


def score(items: Items) -> dict[str, Scored]:
    """Rows: which item (so that sums of rows weigh the items), each item's own average precision, hits/answers/targets."""
    from collections import Counter

    import numpy as np

    scores, truth = _arrays(items)
    ones = np.ones(scores.shape[1])
    own = np.asarray([average_precision(s, t, ones) for s, t in zip(scores, truth, strict=True)])
    answers = scores >= HALF
    counts = np.concatenate([answers & truth, answers, truth], 1).astype(np.float64)
    which = Scored(np.eye(len(scores)))
    return {
        "quality/map": which,
        "quality/map_micro": which,
        "quality/map_samples": Scored(own, own, Counter({"no tag in the target": int(np.isnan(own).sum())})),
        "quality/f1_micro": Scored(counts),
        "quality/f1_macro": Scored(counts),
    }
