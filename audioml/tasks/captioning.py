"""Captioning: audio -> text."""

from __future__ import annotations

from audioml.kinds import Text, Wave
from audioml.parts import Task


class Captioning(Task):
    """A sound -> a sentence that describes it; judged by the words it shares with the true one."""

    def __init__(self) -> None:
        super().__init__(
            name="captioning",
            inputs={"audio": Wave()},
            outputs={"caption": Text()},
            metrics=("captions",),
            primary="quality/token_f1",
            prefers=("ar",),
            baseline="common_text",
            ceiling="truth",
            models=("transformer",),
            whole_clips=True,
        )
