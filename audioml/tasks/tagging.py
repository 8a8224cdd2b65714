"""Tagging: audio -> any number of tags."""

from __future__ import annotations

from audioml.kinds import Tags, Wave
from audioml.parts import Task


class Tagging(Task):
    """A clip -> the tags that fit it; judged by average precision, meaned over clips and over tags, and by F1."""

    def __init__(self) -> None:
        super().__init__(
            name="tagging",
            inputs={"audio": Wave()},
            outputs={"tags": Tags()},
            metrics=("tags",),
            primary="quality/map_samples",
            prefers=("classify",),
            baseline="tag_prior",
            ceiling="truth",
            models=("cnn2d",),
            whole_clips=True,
        )
