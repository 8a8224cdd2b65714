"""Bandwidth extension: audio -> audio."""

from __future__ import annotations

from typing import Any

from audioml.errors import RequestError
from audioml.kinds import Wave, World
from audioml.parts import Task


class Bandwidth(Task):
    """Audio without its upper band -> the whole; judged by the log-spectral distance in the band that was missing.

    The input is made from the target: resampled to twice `cutoff` Hz and back, so that nothing above is left.
    """

    cutoff: float

    def __init__(self, *, cutoff: float) -> None:
        super().__init__(
            name="bandwidth",
            inputs={"narrow": Wave()},
            outputs={"wide": Wave()},
            metrics=("band_distance", "spectral_distance", "si_sdr"),
            primary="fidelity/band_distance",
            prefers=("regress", "diffusion", "gan"),
            baseline="unprocessed",
            ceiling="truth",
            models=("unet",),
            derived={"narrow": "wide"},
        )
        if cutoff <= 0:
            raise RequestError(f"task.cutoff={cutoff} should be above 0 Hz")
        object.__setattr__(self, "cutoff", cutoff)

    def derive(self, port: str, x: Any, world: World, rng: Any) -> Any:
        """[C, T] -> the same length, without what lies above the cutoff.  RequestError where the data holds nothing above it."""
        import numpy as np
        import soxr

        rate = getattr(world, "rate", None) or 0
        if 2 * self.cutoff >= rate:
            raise RequestError(f"task.cutoff={self.cutoff:g} Hz must lie below half the data's sampling rate of {rate} Hz")
        low = soxr.resample(x.T, rate, 2 * self.cutoff, quality="HQ")
        back = soxr.resample(low, 2 * self.cutoff, rate, quality="HQ").T[:, : x.shape[1]]
        return np.pad(back, ((0, 0), (0, x.shape[1] - back.shape[1]))).astype(x.dtype)
