"""Who runs the jobs of a sweep: one file here and one in conf/launcher/ each, chosen by ``launcher=NAME``."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from audioml.errors import RequestError
from audioml.sweep.jobs import Ended, Job

VISIBLE = "CUDA_VISIBLE_DEVICES"


class Launcher:
    """Runs jobs and gives each back, ended, as soon as it is; open it for as long as workers shall be kept.

    `jobs` how many run at a time; `threads` CPU threads of each; None: the machine is shared out evenly.
    """

    far = False  # whether a job is worth looking up before it is sent off
    jobs: int = 1
    threads: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what still runs."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """Each job once, in any order.  A job that fails, or whose process dies, is told and does not stop the others."""
        raise NotImplementedError

    def fitted(self, job: Job) -> Job:
        """The job with its share of the threads and without a bar of its own, unless its arguments say otherwise."""
        more = [f"trainer.threads={self.threads}"] if self.threads and not job.names("trainer.threads") else []
        more += [] if job.names("trainer.progress") else ["trainer.progress=false"]
        return replace(job, arguments=(*job.arguments, *more))

    def back(self, ended: Ended, job: Job) -> Ended:
        """What came of a fitted job, as that of the job it was made from."""
        return replace(ended, job=job)

    def share(self, jobs: int | None, threads: int | None, gpus: int) -> None:
        """Set `jobs` and `threads` so that together they fill this machine: one job per GPU, else per core."""
        for name, number in (("jobs", jobs), ("threads", threads)):
            if number is not None and number < 1:
                raise RequestError(f"launcher.{name}={number} should be at least 1, or null to share the machine out")
        self.jobs = jobs or gpus or max(1, cores() // (threads or 1))
        self.threads = threads or max(1, cores() // self.jobs)


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; without asking torch, which takes seconds."""
    said = os.environ.get(VISIBLE)
    if said is not None:
        return [name for name in said.split(",") if name.strip() not in ("", "-1")]
    return [str(k) for k in range(len(glob.glob("/dev/nvidia[0-9]*")))]


def surroundings(place: int, threads: int | None) -> dict[str, str]:
    """Environment of the worker at a place: its GPU, where there are any (in turn), its threads, and where this package lies."""
    mine = gpus()
    out = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])])}
    out |= {VISIBLE: mine[place % len(mine)]} if mine else {}
    return out | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
