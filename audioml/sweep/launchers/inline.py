"""launcher=inline: one run after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from audioml.sweep.jobs import Ended, Job, work
from audioml.sweep.launchers import Launcher


class Inline(Launcher):
    """No second process: the run's own bar is seen, and all cores are the run's."""

    def __init__(self) -> None:
        pass

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """In order."""
        return (work(job) for job in jobs)
