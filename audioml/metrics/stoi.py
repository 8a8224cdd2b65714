"""STOI, short-time objective intelligibility (Taal et al. 2011), by pystoi (which resamples to 10 kHz).  Speech only.

Left out and counted: clips with less than 30 frames (0.4 s) of speech.  A silent output scores 0.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from audioml.metrics._base import Items, Quantity, Scored, UnscoredError
from audioml.remember import remembered

if TYPE_CHECKING:
    import numpy as np

JUDGES = "audio"
PACKAGES = ("pystoi",)
RATE = 10000  # of the method


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/stoi, a number that is at most 1."""
    return {"fidelity/stoi": Quantity("", "high")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item, meaned over channels.  Raises UnscoredError when the rate is not known."""
    from pystoi import stoi

    from audioml.metrics._audio import signal_by_signal

    if items.rate is None:
        raise UnscoredError("STOI needs the sampling rate, which the data does not state")

    def one(target: np.ndarray, output: np.ndarray) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                return float(stoi(of_target(target, items.rate), resampled(output, items.rate), RATE))
            except (RuntimeWarning, ValueError, IndexError):  # an AxisError when not one frame is left
                raise UnscoredError("STOI: less than 30 frames of speech") from None

    return {"fidelity/stoi": signal_by_signal(items, one)}


def resampled(x: np.ndarray, rate: int) -> np.ndarray:
    """x [T] as pystoi resamples it."""
    from pystoi.utils import resample_oct

    return x if rate == RATE else resample_oct(x, RATE, rate)


of_target = remembered(resampled)  # targets, which many outputs are judged by
