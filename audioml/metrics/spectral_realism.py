"""How far the outputs' average sound lies from that of the real clips, in decibels: their spectrum, and how it moves.

`realism/spectrum`: difference of the mean log-mel levels over both sets, averaged over bands.  `realism/movement`: the same for the
deviation of each band over time and its change from frame to frame.  Both compare averages over sets, so they are blind to what
single clips do, and to diversity: a low value is necessary for realism, not enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioml.metrics._base import Items, Quantity, Scored

if TYPE_CHECKING:
    import numpy as np

JUDGES = "audio"
PACKAGES = ()
ALIGNED = False


def gap(sums: np.ndarray) -> np.ndarray:
    """Sums [..., k + 1] of (differences, 1) -> mean over k of the size of their means [...]."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(sums[..., :-1] / sums[..., -1:]).mean(-1)


def quantities(items: Items) -> dict[str, Quantity]:
    """realism/spectrum and realism/movement in dB."""
    return {f"realism/{name}": Quantity("dB", "low", combine=gap) for name in ("spectrum", "movement")}


def score(items: Items) -> dict[str, Scored]:
    """Per item the differences of its features to its target's; they are averaged over the set before their size is taken."""
    import numpy as np

    from audioml.metrics._sets import described
    from audioml.nn.embedding import BANDS

    rate = items.rate or 16000
    difference = described(items.outputs, rate) - described(items.targets, rate)
    one = np.ones((len(items), 1))
    parts = {"spectrum": difference[:, :BANDS], "movement": difference[:, BANDS : 3 * BANDS]}
    return {f"realism/{name}": Scored(np.concatenate([part, one], 1)) for name, part in parts.items()}
