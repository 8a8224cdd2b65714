"""Whether outputs obey the text (or label) they were asked for with, judged by real clips of the same request.

Over a fixed description of clips (audioml/nn/embedding.py).  `conditioning/agreement`: how often an output lies nearer to a real
clip of its own request than to one of another (chance: 0.5; works for requests that occur once).  `conditioning/accuracy`: share
of outputs whose nearest request, by the mean description of its real clips, is their own; only requests with two real clips or
more take part, and an item's own target is left out of its request's mean, so that real clips have an honest accuracy too.
`conditioning/chance`: that accuracy by guessing among the requests.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from audioml.metrics._base import Items, Quantity, Scored, UnscoredError

if TYPE_CHECKING:
    import numpy as np

JUDGES = "audio"
PACKAGES = ()
ALIGNED = False
SINGLE = "its request has one real clip"


def quantities(items: Items) -> dict[str, Quantity]:
    """Shares; the chance level stands beside the accuracy."""
    shares = {f"conditioning/{name}": Quantity("", "high", share=True) for name in ("agreement", "accuracy")}
    return {**shares, "conditioning/chance": Quantity("", "")}


def score(items: Items) -> dict[str, Scored]:
    """One row per output.  Raises UnscoredError without requests, or with only one."""
    import numpy as np

    from audioml.metrics._sets import distances, features

    asked = requests(items)
    real, made = features(items)
    request = np.unique(asked, return_inverse=True)[1]
    same = request[:, None] == request
    if same.all():
        raise UnscoredError("all items have the same request")
    gaps = distances(made, real)
    agreement = np.array([nearer(g[own], g[~s]) for g, own, s in zip(gaps, _others(same), same, strict=True)])
    accuracy = nearest_request(real, made, request)
    judged = np.unique(request[np.isfinite(accuracy)])
    chance = np.where(np.isfinite(accuracy), 1 / max(1, len(judged)), np.nan)
    left = Counter({SINGLE: int(np.isnan(accuracy).sum())})
    return {
        "conditioning/agreement": Scored(agreement, agreement),
        "conditioning/accuracy": Scored(accuracy, accuracy, left),
        "conditioning/chance": Scored(chance, None, left),
    }


def requests(items: Items) -> np.ndarray:
    """What each item was asked for with, as a string [n]: the texts or labels among the task's inputs."""
    import numpy as np

    given: Any = getattr(items, "given", None) or {}
    columns = [values for values in given.values() if all(isinstance(v, str | int | np.integer) for v in values)]
    if not columns:
        raise UnscoredError("the task has no text or label among its inputs")
    return np.array([" | ".join(" ".join(str(v).lower().split()) for v in row) for row in zip(*columns, strict=True)])


def _others(same: np.ndarray) -> np.ndarray:
    """Real clips of an item's request without its own target, where there are others."""
    import numpy as np

    others = same & ~np.eye(len(same), dtype=bool)
    return np.where(others.any(1, keepdims=True), others, same)


def nearer(own: np.ndarray, other: np.ndarray) -> float:
    """Share of pairs in which the own distance is the smaller; equal ones count half."""
    gap = other[None] - own[:, None]
    return float(((gap > 0) + 0.5 * (gap == 0)).mean())


def nearest_request(real: np.ndarray, made: np.ndarray, request: np.ndarray) -> np.ndarray:
    """1 where the nearest mean is the own request's, 0 where another's, NaN for requests with one real clip: [n]."""
    import numpy as np

    from audioml.metrics._sets import distances

    count = np.bincount(request)
    classes = np.flatnonzero(count > 1)
    rows = np.full(len(request), np.nan)
    if len(classes) < 2:
        return rows
    sums = np.stack([real[request == c].sum(0) for c in classes])
    gaps = distances(made, sums / count[classes, None])
    for place, c in enumerate(classes):
        index = np.flatnonzero(request == c)
        without = (sums[place] - real[index]) / (count[c] - 1)
        gaps[index, place] = np.sqrt(np.square(made[index] - without).mean(1))
        rows[index] = gaps[index].argmin(1) == place
    return rows
