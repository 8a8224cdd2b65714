"""Transcription: audio -> notes."""

from __future__ import annotations

from audioml.kinds import Notes, Wave
from audioml.parts import Task


class Transcription(Task):
    """Music -> the notes that sound in it; judged by F-measures of onsets and of whole notes."""

    def __init__(self) -> None:
        super().__init__(
            name="transcription",
            inputs={"audio": Wave()},
            outputs={"notes": Notes()},
            metrics=("notes",),
            primary="quality/note_f",
            prefers=("framewise",),
            baseline="no_notes",
            ceiling="truth",
            models=("cnn2d",),
        )
