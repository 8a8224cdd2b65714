"""launcher=ray: a Ray cluster, or a local Ray that is started for the sweep.  Needs the extra `ray`."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Self

from audioml.errors import RequestError
from audioml.sweep.jobs import Ended, Job, died, work
from audioml.sweep.launchers import VISIBLE, Launcher, surroundings
from audioml.sweep.launchers import gpus as visible


class Ray(Launcher):
    """Ray places each run where `threads` cores and `gpus` GPUs are free, and keeps its workers.

    `address` of a cluster (null: a local Ray); `jobs` at a time (null: as many as this machine holds).
    """

    far = True

    def __init__(self, *, jobs: int | None, threads: int | None, gpus: float | None, address: str | None) -> None:
        mine = len(visible())
        self.share(jobs, threads, mine)
        self.gpus, self.address = float(bool(mine)) if gpus is None else float(gpus), address
        self.ray: Any = None
        self.own = False

    def __enter__(self) -> Self:
        try:
            self.ray = importlib.import_module("ray")
        except ImportError:
            raise RequestError("launcher=ray needs Ray; pip install 'audioml[ray]'") from None
        if not self.ray.is_initialized():
            here = {"num_cpus": self.jobs * (self.threads or 1), "include_dashboard": False}
            cluster = {"address": self.address} if self.address else here
            environment = {k: v for k, v in surroundings(0, self.threads).items() if k != VISIBLE}  # Ray sets that
            self.ray.init(**cluster, runtime_env={"env_vars": environment}, log_to_driver=False)
            self.own = True
        return self

    def __exit__(self, *_: object) -> None:
        if self.own:
            self.ray.shutdown()

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """As they end; a job whose process died is not tried again by Ray."""
        remote = self.ray.remote(num_cpus=self.threads, num_gpus=self.gpus, max_retries=0)(work)
        waiting, flying = deque(jobs), {}
        while waiting or flying:
            while waiting and len(flying) < self.jobs:
                job = waiting.popleft()
                flying[remote.remote(self.fitted(job))] = job
            (ready, *_), _ = self.ray.wait(list(flying), num_returns=1)
            job = flying.pop(ready)
            try:
                ended = self.back(self.ray.get(ready), job)
            except self.ray.exceptions.RayError as error:
                ended = died(job, f"its Ray worker ended without a result ({type(error).__name__})")
            yield ended
