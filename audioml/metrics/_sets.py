"""What metrics share that compare a set of outputs with a set of targets: their fixed description, in the targets' units.

The description (audioml/nn/embedding.py) is standardised by the targets' means and deviations and squashed smoothly at REACH
deviations, so that one clip far out does not decide alone.  Outputs may have any length; the sets, not the pairs, are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioml.metrics._base import Items, UnscoredError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

REACH = 3.0  # deviations
LEAST = 0.1  # least deviation of a feature, in dB
MOST = 8  # sets of clips whose description is kept
_KNOWN: dict[bytes, np.ndarray] = {}
FEWEST = 4  # items below which a distance between sets says nothing


def mono(x: np.ndarray) -> np.ndarray:
    """[C, T] or [S, C, T] -> [T], the mean of all signals."""
    return x.reshape(-1, x.shape[-1]).mean(0)


def described(waves: Sequence[np.ndarray], rate: int) -> np.ndarray:
    """Features [n, D] of waves [C, T]; remembered, since several metrics ask for the same clips."""
    import hashlib

    import numpy as np

    digest = hashlib.blake2b(str(rate).encode(), digest_size=16)
    for wave in waves:
        digest.update(str(wave.shape).encode() + np.ascontiguousarray(wave).tobytes())
    key = digest.digest()
    if key not in _KNOWN:
        _KNOWN[key] = _described(waves, rate)
        while len(_KNOWN) > MOST:
            _KNOWN.pop(next(iter(_KNOWN)))
    return _KNOWN[key]


def _described(waves: Sequence[np.ndarray], rate: int) -> np.ndarray:
    """Clips of one length at once."""
    import numpy as np
    import torch

    from audioml.nn.embedding import SIZE, describe

    found = np.zeros((len(waves), SIZE))
    lengths = np.array([w.shape[-1] for w in waves])
    for length in np.unique(lengths):
        index = np.flatnonzero(lengths == length)
        batch = torch.from_numpy(np.stack([mono(np.asarray(waves[i])) for i in index])).float()
        found[index] = torch.cat([describe(part, rate) for part in batch.split(16)]).double().numpy()
    return found


def features(items: Items) -> tuple[np.ndarray, np.ndarray]:
    """(targets, outputs), each [n, D], in the targets' units.  Raises UnscoredError for fewer than FEWEST items."""
    import numpy as np

    if len(items) < FEWEST:
        raise UnscoredError(f"a distance between sets needs {FEWEST} items or more, here are {len(items)}")
    rate = items.rate or 16000
    raw = described(items.targets, rate), described(items.outputs, rate)
    mean, deviation = raw[0].mean(0), np.maximum(raw[0].std(0), LEAST)
    return tuple(_squash((x - mean) / deviation) for x in raw)  # type: ignore[return-value]


def _squash(z: np.ndarray) -> np.ndarray:
    import numpy as np

    return z / np.sqrt(1 + (z / REACH) ** 2)


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Root mean square distance per feature between the rows of x [n, D] and y [m, D]: [n, m]."""
    import numpy as np

    gap = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
    return np.sqrt(np.maximum(gap, 0) / x.shape[1])
