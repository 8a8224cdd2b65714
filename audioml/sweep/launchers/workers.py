"""launcher=workers: long-lived processes on this machine; each imports once and then runs job after job.

A worker speaks through its standard input and output, one line of JSON each way, so nothing is pickled and none outlives its sweep:
it ends when its input ends, or within half a second when the process that started it is gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Self

from audioml.sweep.jobs import Ended, Job, died
from audioml.sweep.launchers import Launcher, gpus, surroundings

PATIENCE = 10  # seconds that an interrupted run has to write down that it was


class Workers(Launcher):
    """`jobs` processes; a job is given to whoever is free; one that dies costs its job and is replaced."""

    def __init__(self, *, jobs: int | None, threads: int | None) -> None:
        self.share(jobs, threads, len(gpus()))
        self.team: list[_Worker] = []
        self.selector = selectors.DefaultSelector()
        self.imports_cpu_s: dict[int, float] = {}  # process id -> CPU seconds of its imports, where told

    def __enter__(self) -> Self:
        self._fill(self.jobs)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.team:
            worker.stop()
        deadline = time.time() + PATIENCE
        for worker in self.team:
            worker.end(deadline)
        self.selector.close()

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """From one queue, in order, as they end."""
        waiting = deque(jobs)
        while waiting or any(worker.job for worker in self.team):
            self._fill(min(self.jobs, len(self.team) + len(waiting)))
            for worker in self.team:
                if worker.job is None and waiting:
                    job = waiting.popleft()
                    worker.give(job, self.fitted(job))
            for key, _ in self.selector.select():
                ended = self._hear(key.data)
                if ended is not None:
                    yield ended

    def _hear(self, worker: _Worker) -> Ended | None:
        """The end of a worker's job, or of the worker; None where it had none."""
        job, line = worker.job, worker.process.stdout.readline()  # type: ignore[union-attr]
        assert job is not None or not line, "a worker speaks only of its job"
        worker.job = None
        if line.endswith(b"\n"):
            told = json.loads(line)
            self.imports_cpu_s[worker.process.pid] = told.pop("imports_cpu_s")
            return Ended(job, **told)  # type: ignore[arg-type]
        self.selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        self.team.remove(worker)
        return died(job, ending(worker.process.wait())) if job else None

    def _fill(self, size: int) -> None:
        """Start what is missing to a team of that size, at the free places."""
        for place in sorted(set(range(self.jobs)) - {w.place for w in self.team})[: max(0, size - len(self.team))]:
            worker = _Worker(place, surroundings(place, self.threads))
            self.team.append(worker)
            self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]


class _Worker:
    """A process, and the job that it is at."""

    def __init__(self, place: int, environment: dict[str, str]) -> None:
        self.place, self.job = place, None  # type: tuple[int, Job | None]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "audioml.sweep.worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C reaches the sweep, which then asks its workers
        )

    def give(self, job: Job, fitted: Job) -> None:
        """One line; where the process is gone already, its end is heard next."""
        self.job = job
        plain = dataclasses.asdict(fitted)
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps(plain).encode() + b"\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]

    def stop(self) -> None:
        """End of input, and Ctrl-C where it is at a job: its record then says so."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if self.job is not None else signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.process.stdin.close()  # type: ignore[union-attr]

    def end(self, deadline: float) -> None:
        """Wait until then, and no longer."""
        try:
            self.process.wait(max(0.1, deadline - time.time()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]


def ending(code: int) -> str:
    """How a process ended, as a sentence without its full stop."""
    if code >= 0:
        return f"its worker process ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    usual = {"SIGKILL": ": often the machine had no memory left", "SIGSEGV": ": a library crashed"}.get(name, "")
    return f"its worker process was ended by {name}{usual}"
