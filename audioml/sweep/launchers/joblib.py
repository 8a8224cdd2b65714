"""launcher=joblib: joblib's loky processes on this machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from audioml.errors import RequestError
from audioml.sweep.jobs import Ended, Job, died, work
from audioml.sweep.launchers import Launcher, gpus, surroundings

_place: list[object] = []  # of this process: the lock that holds its place for as long as it lives


class Joblib(Launcher):
    """`jobs` processes.  When one dies loky ends them all; what had begun is then run alone, so that only the guilty job fails."""

    def __init__(self, *, jobs: int | None, threads: int | None) -> None:
        self.share(jobs, threads, len(gpus()))

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """As they end."""
        try:
            from joblib.externals.loky.process_executor import BrokenProcessPool
        except ImportError:
            raise RequestError("launcher=joblib needs joblib; pip install 'audioml[launchers]'") from None

        with tempfile.TemporaryDirectory() as name:
            folder, left = Path(name), dict(enumerate(jobs))
            rounds = [(list(left), self.jobs)] if left else []
            while rounds:
                numbers, processes = rounds.pop(0)
                try:
                    for number, ended in self._parallel(folder, {n: left[n] for n in numbers}, processes):
                        yield self.back(ended, left.pop(number))
                except BrokenProcessPool:
                    numbers = [n for n in numbers if n in left]
                    begun = [n for n in numbers if (folder / f"begun-{n}").exists()]
                    if processes == 1 or len(begun) <= 1:
                        guilty = begun.pop() if begun else numbers[0]
                        yield died(left.pop(guilty), "its worker process died: no memory was left, or a library crashed")
                    for n in begun:
                        (folder / f"begun-{n}").unlink()
                    rest = [n for n in numbers if n in left and n not in begun]
                    rounds += [([n], 1) for n in begun] + ([(rest, processes)] if rest else [])

    def _parallel(self, folder: Path, jobs: dict[int, Job], processes: int) -> Iterator[tuple[int, Ended]]:
        import joblib

        # two processes at least: with one joblib would run the job in this process, which a crash would take along
        pool = joblib.Parallel(n_jobs=max(2, processes), pre_dispatch=processes, backend="loky", return_as="generator_unordered")
        yield from pool(
            joblib.delayed(placed)(number, self.fitted(job), str(folder), self.jobs, self.threads) for number, job in jobs.items()
        )


def placed(number: int, job: Job, folder: str, places: int, threads: int | None) -> tuple[int, Ended]:
    """Run a job at the place that this process has taken; a mark says that it has begun and has not come back."""
    from filelock import FileLock, Timeout

    for place in range(places if not _place else 0):
        lock = FileLock(Path(folder) / f"place-{place}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        _place.append(lock)
        os.environ.update(surroundings(place, threads))
        break
    mark = Path(folder) / f"begun-{number}"
    mark.touch()
    ended = work(job)
    mark.unlink(missing_ok=True)
    return number, ended
