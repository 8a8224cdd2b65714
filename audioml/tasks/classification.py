"""Classification: audio -> label."""

from __future__ import annotations

from audioml.kinds import Label, Wave
from audioml.parts import Task


class Classification(Task):
    """A clip -> one of the data's classes; judged by accuracy."""

    def __init__(self) -> None:
        super().__init__(
            name="classification",
            inputs={"audio": Wave()},
            outputs={"label": Label()},
            metrics=("accuracy",),
            primary="quality/accuracy",
            prefers=("classify",),
            baseline="majority",
            ceiling="truth",
            models=("cnn2d",),
            whole_clips=True,
        )
