"""Source separation: audio -> many audio."""

from __future__ import annotations

from audioml.kinds import Stems, Wave
from audioml.parts import Task


class Separation(Task):
    """A mixture -> its stems; judged by SI-SDR improvement per stem over the mixture.

    The data name the stems.  `unnamed`: which is which is nobody's business (two speakers), so the best order counts, in the loss
    (permutation-invariant training) and in the metrics.
    """

    def __init__(self, *, unnamed: bool) -> None:
        super().__init__(
            name="unnamed_separation" if unnamed else "separation",
            inputs={"mix": Wave()},
            outputs={"stems": Stems()},
            metrics=("si_sdr", "spectral_distance"),
            primary="fidelity/si_sdr_improvement",
            prefers=("mask", "regress"),
            baseline="unprocessed",
            ceiling="ideal_mask",
            models=("cnn1d",) if unnamed else ("unet",),
            unordered=unnamed,
        )
