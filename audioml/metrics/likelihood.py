"""How well a model of symbols foresees the true ones: negative log-likelihood in nats per symbol, over all items.

Sums of nats over sums of symbols.  Comparable between systems that see the same symbols only: what a symbol is, the
representation says (for a score on a grid, one note or rest of one voice on one step).
"""

from __future__ import annotations

from audioml.metrics._base import ANY, Items, Quantity, Scored, UnscoredError, mean

JUDGES = ANY
PACKAGES = ()


def quantities(items: Items) -> dict[str, Quantity]:
    """likelihood/nats_per_symbol in nats."""
    return {"likelihood/nats_per_symbol": Quantity("nats", "low", combine=mean)}


def score(items: Items) -> dict[str, Scored]:
    """Rows [n, 2] of (nats, symbols).  Raises UnscoredError where no item has a likelihood."""
    from collections import Counter

    import numpy as np

    known = [pair for pair in items.nats or () if pair is not None]
    if not known:
        raise UnscoredError("this method states no likelihood")
    rows = np.asarray([pair if pair is not None else (np.nan, np.nan) for pair in items.nats or ()], np.float64)
    missing = Counter({"no likelihood": len(rows) - len(known)})
    return {"likelihood/nats_per_symbol": Scored(rows, rows[:, 0] / np.nanmean(rows[:, 1]), missing)}
