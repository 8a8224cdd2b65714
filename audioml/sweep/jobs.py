"""One job of a sweep: composed, looked up by its signature, run under its lock, and told in one line whatever came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from audioml.build import Request
from audioml.cli import summary
from audioml.errors import AudiomlError, Misfit
from audioml.records import Record
from audioml.runfolder import make_folder, run_signature, unfinished
from audioml.sweep.composer import compose

RECORD = "record.json"


@dataclass(frozen=True)
class Job:
    """Arguments of one run.  `published`: a folder whose records count as done too; `publish`: leave the record there as well;
    `wait`: for another process that is at it, instead of leaving it alone."""

    arguments: tuple[str, ...]
    published: str | None = None
    publish: bool = False
    wait: bool = False

    def names(self, key: str) -> bool:
        """Whether an argument sets `key`."""
        return any(a.lstrip("+").startswith(f"{key}=") for a in self.arguments)


@dataclass(frozen=True)
class Ended:
    """What came of a job: `status` done, known (done before), busy (another process is at it), misfit or failed.

    `said` is one line; `seconds` and `cpu_s` are what it took here.
    """

    job: Job
    status: str
    said: str
    seconds: float = 0.0
    cpu_s: float = 0.0
    record: Record | None = field(default=None, compare=False, repr=False)


def run(job: Job, request: Request | None = None) -> Ended:
    """Run unless it is done; one that was interrupted goes on.  `request`: what the arguments were composed to, if they were.

    Raises AudiomlError when it fails or does not fit, KeyboardInterrupt when it is interrupted.
    """
    from filelock import FileLock, Timeout

    from audioml.run import execute

    request = request or compose(job.arguments)
    sign, outputs = run_signature(request), Path(request.outputs)
    (outputs / "runs").mkdir(parents=True, exist_ok=True)
    begin, cpu = time.time(), time.process_time()
    try:
        with FileLock(outputs / "runs" / f".{sign}.lock", timeout=-1 if job.wait else 0):
            known = done(sign, outputs, job.published)
            if known is not None:
                return known_before(job, known)
            record = execute(request, resume=unfinished(sign, outputs))
            shelve(job, record)
            return Ended(job, "done", summary(record), time.time() - begin, time.process_time() - cpu, record)
    except Timeout:
        return Ended(job, "busy", "another process is at it")


def work(job: Job) -> Ended:
    """As `run`, but a failure is told, never raised: it is what a worker does.  Only Ctrl-C comes through."""
    begin, cpu = time.time(), time.process_time()
    try:
        return run(job)
    except Misfit as misfit:
        return misfits(job, misfit)
    except AudiomlError as error:
        why = str(error)
    except Exception as error:  # a flaw of ours in one cell must not cost the other cells
        why = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
    return Ended(job, "failed", f"failed: {why}", time.time() - begin, time.process_time() - cpu)


def known_before(job: Job, record: Record) -> Ended:
    """A job that is done already."""
    shelve(job, record)
    return Ended(job, "known", f"done before: {summary(record)}", record=record)


def shelve(job: Job, record: Record) -> None:
    """Leave a slim copy of a finished record where the sweep publishes, if it is to be published and is not there yet."""
    if job.publish and job.published is not None and record.status == "done":
        place = Path(job.published) / f"{record.axes.get('task')}_{record.axes.get('row')}_{record.signature}.json"
        if not any(place.parent.rglob(f"*{record.signature}*.json")):
            slim(record).write(place)


def slim(record: Record) -> Record:
    """The record with per-item numbers of its primary metric only, and without the report on the data."""
    items, floor = ({k: v for k, v in i.items() if k == record.primary} for i in (record.items, record.baseline_items))
    provenance = {k: v for k, v in record.provenance.items() if k != "data_report"}
    return replace(record, items=items, baseline_items=floor, provenance=provenance)


def misfits(job: Job, misfit: Misfit) -> Ended:
    """What is said of parts that do not fit; no failure."""
    return Ended(job, "misfit", f"does not fit: {str(misfit).splitlines()[0]}")


def died(job: Job, why: str) -> Ended:
    """A job whose process ended under it: the record that it could not write itself says so."""
    said = f"{why}; the next sweep runs it again"
    try:
        request = compose(job.arguments)
        sign = run_signature(request)
        begun = [p for p in sorted((Path(request.outputs) / "runs").glob(f"*_{sign}*")) if not (p / RECORD).exists()]
        folder = begun[-1] if begun else make_folder(request, sign)
        record = Record(signature=sign, axes=request.axes(), primary=request.plan.task.primary, status="failed", error=said)
        record.provenance = {"folder": folder.name, "name": request.name, "seed": request.seed}
        record.write(folder / RECORD)
    except AudiomlError as error:  # told all the same
        said = f"{said} (and no record could be written: {error})"
    return Ended(job, "failed", f"failed: {said}")


def done(sign: str, outputs: Path, published: str | Path | None = None) -> Record | None:
    """A finished record of that signature, in the outputs or among the published ones."""
    for path in candidates(sign, outputs, published):
        try:
            record = Record.read(path)
        except AudiomlError:
            continue
        if record.signature == sign and record.status == "done":
            return record
    return None


def candidates(sign: str, outputs: Path, published: str | Path | None = None) -> Iterator[Path]:
    """Where a record of that signature may lie."""
    yield from sorted((outputs / "runs").glob(f"*{sign}*/{RECORD}"), reverse=True)
    yield from sorted(Path(published).rglob(f"*{sign}*.json")) if published is not None else ()


def jobs_of(cells: Sequence[tuple[str, ...]], published: Path | None, publish: bool = False) -> list[Job]:
    """Jobs of cells, each cell once."""
    return [Job(cell, str(published) if published else None, publish) for cell in dict.fromkeys(cells)]
