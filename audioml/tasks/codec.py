"""Coding: audio -> few numbers or codes -> the same audio."""

from __future__ import annotations

from typing import Any

from audioml.kinds import Wave, World
from audioml.parts import Task


class Codec(Task):
    """Audio in, the same audio out through a bottleneck; judged by mel distance, the bit rate stated beside it.

    The target `decoded` is the input itself, so that any data with audio serves.
    """

    def __init__(self) -> None:
        super().__init__(
            name="codec",
            inputs={"audio": Wave()},
            outputs={"decoded": Wave()},
            metrics=("mel_distance", "spectral_distance", "si_sdr", "pesq", "stoi"),
            primary="fidelity/mel_distance",
            prefers=("vq", "vae"),
            baseline="mean_spectrum",
            ceiling="round_trip",
            models=("autoencoder",),
            derived={"decoded": "audio"},
            via="bottleneck",
        )

    def derive(self, port: str, x: Any, world: World, rng: Any) -> Any:
        """The input itself."""
        return x
