"""Automatic speech recognition: audio -> text."""

from __future__ import annotations

from audioml.kinds import Text, Wave
from audioml.parts import Task


class Asr(Task):
    """Speech -> its transcript in characters; judged by word and character error rates."""

    def __init__(self) -> None:
        super().__init__(
            name="asr",
            inputs={"audio": Wave()},
            outputs={"text": Text()},
            metrics=("wer",),
            primary="quality/wer",
            prefers=("ctc", "ar"),
            baseline="silence",
            ceiling="truth",
            models=("rnn",),
            whole_clips=True,
        )
