"""Style transfer: what one recording plays, as another one sounds (timbre transfer included)."""

from __future__ import annotations

from audioml.kinds import Wave
from audioml.parts import Task


class StyleTransfer(Task):
    """Content and a style example -> the content as the example sounds; judged by mel and spectral distance and the melody kept.

    The truth is the same notes rendered with the example's instrument; the content untouched is the baseline.
    """

    def __init__(self) -> None:
        super().__init__(
            name="style_transfer",
            inputs={"content": Wave(), "style": Wave()},
            outputs={"styled": Wave()},
            metrics=("mel_distance", "spectral_distance", "melody"),
            primary="fidelity/mel_distance",
            prefers=("regress", "diffusion", "gan"),
            baseline="unprocessed",
            ceiling="truth",
            models=("unet", "cnn1d"),
        )
