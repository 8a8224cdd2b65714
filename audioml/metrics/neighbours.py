"""Precision and coverage of a set of outputs: how many look real, and how many kinds of real clip they reach.

`realism/precision`: share of outputs that lie nearer to some real clip than its K-th nearest real neighbour does (Kynkäänniemi et
al. 2019, eq. 1).  `realism/coverage`: share of real clips that have an output within that radius (Naeem et al. 2020, eq. 6); low
where a generator repeats itself.  Distances over a fixed description of clips (audioml/nn/embedding.py).
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "audio"
PACKAGES = ()
ALIGNED = False
K = 5


def quantities(items: Items) -> dict[str, Quantity]:
    """realism/precision and realism/coverage, shares."""
    return {f"realism/{name}": Quantity("", "high", share=True) for name in ("precision", "coverage")}


def score(items: Items) -> dict[str, Scored]:
    """Zeros and ones: per output for precision, per real clip for coverage."""
    import numpy as np

    from audioml.metrics._sets import distances, features

    real, made = features(items)
    among = np.sort(distances(real, real), 1)  # the first is the clip itself
    radius = among[:, min(K, len(real) - 1)]
    near = distances(real, made) <= radius[:, None] + 1e-6
    rows = {"precision": near.any(0).astype(float), "coverage": near.any(1).astype(float)}
    return {f"realism/{name}": Scored(row, row) for name, row in rows.items()}
