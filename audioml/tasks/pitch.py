"""Pitch: audio -> fundamental frequency over time."""

from __future__ import annotations

from audioml.kinds import Curve, Wave
from audioml.parts import Task


class Pitch(Task):
    """A voice or melody -> its F0 a hundred times a second, 0 where there is none; judged within 50 cents, voicing included."""

    def __init__(self) -> None:
        super().__init__(
            name="pitch",
            inputs={"audio": Wave()},
            outputs={"f0": Curve(("f0",), 100)},
            metrics=("pitch",),
            primary="quality/overall_accuracy",
            prefers=("framewise",),
            baseline="constant_pitch",
            ceiling="truth",
            models=("cnn2d",),
        )
