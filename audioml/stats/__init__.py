"""What several seeds and many test items can tell: means with intervals, which rows can be told apart, ranks.  numpy is lazy."""

from __future__ import annotations

from audioml.stats.means import RESAMPLES, Doubt, Estimate, Items, Seeds, affordable, doubt, draws, estimate, matrix
from audioml.stats.pairs import (
    BEHIND,
    BEST,
    BETTER,
    FEWEST,
    ONE_SEED,
    TIE,
    TIED,
    UNTESTED,
    WORSE,
    Contrast,
    compare,
    contrast,
    holm,
    standings,
)
from audioml.stats.ranks import positions, spearman

__all__ = [
    "BEHIND", "BEST", "BETTER", "FEWEST", "ONE_SEED", "RESAMPLES", "TIE", "TIED", "UNTESTED", "WORSE",
    "Contrast", "Doubt", "Estimate", "Items", "Seeds",
    "affordable", "compare", "contrast", "doubt", "draws", "estimate", "holm", "matrix", "positions", "spearman", "standings",
]  # fmt: skip
