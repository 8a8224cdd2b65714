"""Beat tracking: audio -> points in time."""

from __future__ import annotations

from audioml.kinds import Times, Wave
from audioml.parts import Task


class BeatTracking(Task):
    """Music -> its beats, downbeats and onsets (those that the data names); judged by F-measure and continuity."""

    def __init__(self) -> None:
        super().__init__(
            name="beat_tracking",
            inputs={"audio": Wave()},
            outputs={"beats": Times()},
            metrics=("beats", "onsets"),
            primary="quality/beat_f",
            prefers=("framewise",),
            baseline="metronome",
            ceiling="truth",
            models=("rnn",),
        )
