"""Symbolic music: notes -> notes."""

from __future__ import annotations

from audioml.kinds import Notes
from audioml.parts import Task


class Symbolic(Task):
    """The beginning of a score -> how it goes on; judged by the likelihood of the true notes, prompt included, and by style.

    Times of the score count from the end of the prompt, which may be empty.
    """

    def __init__(self) -> None:
        super().__init__(
            name="symbolic",
            inputs={"prompt": Notes()},
            outputs={"score": Notes()},
            metrics=("likelihood", "continuation"),
            primary="likelihood/nats_per_symbol",
            prefers=("ar",),
            baseline="voice_bigram",
            ceiling="truth",
            models=("transformer",),
        )
