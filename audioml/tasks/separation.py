"""Source separation: audio -> many audio."""

from __future__ import annotations

from audioml.kinds import Stems, Wave
from audioml.parts import Task


class Separation(Task):
    """A mixture -> its named stems (the data names them); judged by SI-SDR improvement per stem over the mixture."""

    def __init__(self) -> None:
        super().__init__(
            name="separation",
            inputs={"mix": Wave()},
            outputs={"stems": Stems()},
            metrics=("si_sdr", "spectral_distance"),
            primary="fidelity/si_sdr_improvement",
            prefers=("mask", "regress"),
            baseline="unprocessed",
            ceiling="ideal_mask",
            models=("unet",),
        )
