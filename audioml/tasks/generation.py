"""Unconditional generation: nothing -> audio."""

from __future__ import annotations

from audioml.kinds import Wave
from audioml.parts import Task


class Generation(Task):
    """Audio out of nothing, like the data's; judged as a set against real test clips, beside noise of their spectrum."""

    def __init__(self) -> None:
        super().__init__(
            name="generation",
            inputs={},
            outputs={"audio": Wave()},
            metrics=("kernel_distance", "neighbours", "spectral_realism"),
            primary="realism/kernel_distance",
            prefers=("diffusion", "ar", "gan", "vae"),
            baseline="coloured_noise",
            ceiling="truth",
            models=("unet", "transformer"),
        )
