"""Speech enhancement: audio -> audio."""

from __future__ import annotations

from audioml.kinds import Wave
from audioml.parts import Task


class Enhancement(Task):
    """Noisy speech -> clean speech; judged by SI-SDR improvement over the unprocessed input, PESQ and STOI."""

    def __init__(self) -> None:
        super().__init__(
            name="enhancement",
            inputs={"noisy": Wave()},
            outputs={"clean": Wave()},
            metrics=("si_sdr", "pesq", "stoi", "spectral_distance"),
            primary="fidelity/si_sdr_improvement",
            prefers=("mask", "regress"),
            baseline="unprocessed",
            ceiling="ideal_mask",
            models=("unet",),
        )
