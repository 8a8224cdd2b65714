"""PESQ wide-band (ITU-T P.862.2, MOS-LQO 1.04 ... 4.64), by the package `pesq`.  Speech only.

Scored at 16 kHz; higher rates are resampled, lower ones have no wide band.  Left out and counted: clips shorter than
0.25 s and clips in which the algorithm detects no utterance.  A silent output scores the scale's end, 1.04.
About 60 ms of one core per 3 s clip, GIL held: threads gain nothing and a pool of processes costs more than a test set.
"""

from __future__ import annotations

import math

from audioml.metrics._base import Items, Quantity, Scored, UnscoredError

JUDGES = "audio"
PACKAGES = ("pesq",)
RATE = 16000
WORST = 0.999 + 4 / (1 + math.exp(1.3669 * 0.5 + 3.8224))  # P.862.2 maps the lowest raw score, -0.5, to this


def quantities(items: Items) -> dict[str, Quantity]:
    """fidelity/pesq_wb, in MOS."""
    return {"fidelity/pesq_wb": Quantity("MOS", "high")}


def score(items: Items) -> dict[str, Scored]:
    """One row per item, meaned over channels.  Raises UnscoredError when the rate has no wide band."""
    import numpy as np
    from pesq import PesqError, pesq
    from scipy.signal import resample_poly

    from audioml.metrics._audio import signal_by_signal

    if items.rate is None or items.rate < RATE:
        raise UnscoredError(f"PESQ wide-band needs audio of at least {RATE} Hz, this is {items.rate} Hz")

    def one(target: np.ndarray, output: np.ndarray) -> float:
        if np.abs(output).max() < 1e-12:
            return WORST
        if items.rate != RATE:
            target, output = (resample_poly(x, RATE, items.rate).astype(np.float32) for x in (target, output))
        try:
            found = pesq(RATE, target, output, "wb", on_error=PesqError.RAISE_EXCEPTION)
        except (PesqError, ValueError) as why:
            text = why.args[0] if why.args else type(why).__name__
            raise UnscoredError("PESQ: " + (text.decode() if isinstance(text, bytes) else str(text))) from None
        if not math.isfinite(found):
            raise UnscoredError("PESQ: no score")
        return found

    return {"fidelity/pesq_wb": signal_by_signal(items, one)}
