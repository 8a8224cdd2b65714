"""A sound file as the page plays it: decoded and encoded anew, so that nothing but samples reaches the page, and measured."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioml.examples import LONGEST

if TYPE_CHECKING:
    import numpy as np

TARGET = -23.0  # LUFS, EBU R 128
HEADROOM, MOST_GAIN = -1.0, 30.0  # dBFS that a peak may reach, dB that a quiet sound is raised by at most
BLOCK = 0.4  # seconds, the gating block of BS.1770


def encode(path: Path, lowered: float = 0.0) -> dict[str, Any]:
    """``{"kind", "data": base64 FLAC, "rate", "seconds", "lufs", "gain", "short", "lowered"}`` of the first 12 s.

    `gain` [dB] brings it to the common loudness; `short` [dB] is what is missing because its peaks or its quietness leave no
    room; `lowered` [dB] is what the run had to take off so that 16 bits would hold it.  Raises what soundfile raises.
    """
    import numpy as np

    x, rate = decoded(path)
    level = loudness(x, rate)
    peak = float(np.abs(x).max(initial=0.0))
    gain, short = matching_gain(level, peak)
    return {
        "kind": "audio/flac",
        "data": base64.b64encode(flac(x, rate)).decode(),
        "rate": rate,
        "seconds": round(len(x) / rate, 4),
        "lufs": round(level, 2) if math.isfinite(level) else None,
        "gain": round(gain, 2),
        "short": round(short, 2),
        "lowered": lowered,
    }


def decoded(path: Path) -> tuple[np.ndarray, int]:
    """The first 12 s of a sound file as finite samples [T, C], and its rate.  Raises what soundfile raises, ValueError for none."""
    import numpy as np
    import soundfile

    with soundfile.SoundFile(path) as file:
        rate, x = file.samplerate, file.read(int(LONGEST * file.samplerate), dtype="float32", always_2d=True)
    if not len(x):
        raise ValueError("no samples")
    return np.nan_to_num(x), rate


def flac(x: np.ndarray, rate: int) -> bytes:
    """Samples [T, C] as a FLAC file of 16 bits."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, x, rate, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def loudness(x: np.ndarray, rate: int) -> float:
    """Integrated loudness [LUFS] of samples [T, C] after BS.1770-4; -inf for silence.  More than five channels are mixed down."""
    import warnings

    import numpy as np
    from pyloudnorm import Meter

    if x.shape[1] > 5:
        x = x.mean(1, keepdims=True)
    if len(x) < BLOCK * rate + 1:  # shorter than one block: stand it in silence is not its loudness, so repeat it
        x = np.tile(x, (math.ceil((BLOCK * rate + 1) / len(x)), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # silence: log of 0, mean of no block
        return float(Meter(rate).integrated_loudness(x.astype(np.float64)))


def matching_gain(level: float, peak: float) -> tuple[float, float]:
    """(gain, what is missing to `TARGET`) in dB for a sound of `level` LUFS with largest sample `peak`; silence stays silent."""
    if not math.isfinite(level) or peak <= 0:
        return 0.0, 0.0
    wanted = TARGET - level
    possible = min(wanted, HEADROOM - 20 * math.log10(peak), MOST_GAIN)
    return possible, wanted - possible
