"""launcher=submitit: one Slurm job per run, at most `jobs` in the queue; ``launcher.cluster=local`` runs them on this machine."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from audioml.errors import RequestError
from audioml.sweep.jobs import Ended, Job, died, work
from audioml.sweep.launchers import Launcher, surroundings


class Submitit(Launcher):
    """Slurm gives each run its cores and its GPU.  The sweep waits, and submits the next as one ends; stopped, it goes on later.

    `cluster` auto, slurm, local; `minutes` time limit of a run; `threads` cores of a run; `gpus` per run; `memory_gb` per run;
    `folder` where submitit keeps its logs; `extra` more of submitit's parameters, such as {slurm_partition: gpu}.
    """

    far = True

    def __init__(
        self,
        *,
        jobs: int,
        threads: int,
        gpus: int,
        minutes: int,
        memory_gb: int | None,
        cluster: str,
        folder: str,
        extra: dict[str, Any],
    ) -> None:
        self.share(jobs, threads, 0)
        self.gpus, self.minutes, self.memory_gb, self.cluster = gpus, minutes, memory_gb, cluster
        self.folder, self.extra, self.poll = Path(folder), dict(extra), 0.5
        self.executor: Any = None
        self.open: dict[Any, Job] = {}

    def __enter__(self) -> Self:
        try:
            import submitit
        except ImportError:
            raise RequestError("launcher=submitit needs submitit; pip install 'audioml[launchers]'") from None
        os.environ["PYTHONPATH"] = surroundings(0, None)["PYTHONPATH"]  # Slurm and the local executor hand it on
        try:
            self.executor = submitit.AutoExecutor(self.folder, cluster=None if self.cluster == "auto" else self.cluster)
            limits = {"timeout_min": self.minutes, "cpus_per_task": self.threads, "gpus_per_node": self.gpus}
            limits |= {"mem_gb": self.memory_gb} if self.memory_gb else {}
            self.executor.update_parameters(name="audioml", **limits, **self.extra)
        except (ValueError, NameError, RuntimeError, TypeError) as error:
            raise RequestError(f"launcher=submitit: {(str(error).splitlines() or [''])[0]}") from None
        return self

    def __exit__(self, *_: object) -> None:
        for submitted in self.open:
            submitted.cancel()

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """As they end."""
        waiting = deque(jobs)
        while waiting or self.open:
            while waiting and len(self.open) < self.jobs:
                job = waiting.popleft()
                self.open[self.executor.submit(work, self.fitted(job))] = job
            for submitted in [s for s in self.open if s.done()]:
                yield self._ended(submitted, self.open.pop(submitted))
            time.sleep(self.poll)

    def _ended(self, submitted: Any, job: Job) -> Ended:
        error = submitted.exception()
        if error is None:
            return self.back(submitted.result(), job)
        last = [line for line in str(error).splitlines() if line.strip()]
        return died(job, f"its Slurm job {submitted.job_id} ended without a result ({last[-1].strip()[:200] if last else ''})")
