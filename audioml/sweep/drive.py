"""A sweep from its definition to its last line: what is done is skipped, the rest goes to a launcher, tuning in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from audioml import shelf
from audioml.errors import AudiomlError, Misfit, RequestError, did_you_mean
from audioml.runfolder import run_signature
from audioml.sweep.composer import compose
from audioml.sweep.definition import Definition, define
from audioml.sweep.jobs import Ended, Job, done, jobs_of, known_before, misfits
from audioml.sweep.launchers import Launcher
from audioml.sweep.tuning import Tuned, tuned

RAN = ("done", "failed")


def main(arguments: Sequence[str]) -> None:
    """``sweep=NAME [launcher=NAME] [publish=true] [axis=A,B …] [axis.setting=VALUE …]``: arguments replace axes, or add some.

    Raises RequestError for a wrong request, AudiomlError with the count when runs failed.
    """
    given = dict(a.partition("=")[::2] for a in arguments)
    name, launcher = given.pop("sweep", ""), launcher_of(given)
    publish = publishes(given.pop("publish", "false"))
    for key in given:
        if near := did_you_mean(key, ("launcher", "publish")):
            raise RequestError(f"'{key}' is no argument of a sweep{near}")
    definition = replace(define(name), publish=publish).overridden(given)
    if publish and definition.published is None:
        raise RequestError(f"conf/sweep/{name}.yaml names no folder for published records (published: NAME)")
    with launcher:
        sweep(definition, launcher)


def publishes(said: str) -> bool:
    """Of ``publish=``.  Raises RequestError for another word."""
    if said not in ("true", "false"):
        raise RequestError(f"publish={said} should be true or false")
    return said == "true"


def sweep(definition: Definition, launcher: Launcher) -> None:
    """All runs of a definition by an open launcher.  Raises AudiomlError with the count when some failed."""
    plain = [cell for block in definition.blocks if not block.tune for cell in block.cells()]
    jobs, tunes = jobs_of(plain, definition.published, definition.publish), []
    for job, tune in trials(definition):
        jobs += [job] if tune is None else tune.pending()
        tunes += [tune] if tune else []
    ended = Board(jobs, launcher).all()
    failed, total = sum(e.status == "failed" for e in ended), len(jobs)
    if tunes:
        finals = []
        for tune in tunes:
            chosen, sentence = tune.final()
            print(sentence, flush=True)
            finals += chosen
        failed += sum(e.status == "failed" for e in Board(finals, launcher).all())
        total += len(finals)
    if failed:
        raise AudiomlError(f"{failed} of {total} runs failed; each said why above")


def trials(definition: Definition) -> Iterable[tuple[Job, Tuned | None]]:
    """Each cell of the tuned blocks with its trials; None where there is nothing to tune: then the jobs are run as they are."""
    for block in definition.blocks:
        for cell in block.cells(without="seed") if block.tune else ():
            cells = [(*cell, f"seed={s}") for s in block.axes.get("seed", ())] or [cell]
            (job, *more) = jobs_of(cells, definition.published, definition.publish)
            tune = tuned(cell, block, job)
            yield job, tune
            yield from ((other, None) for other in more if tune is None)


def launcher_of(given: dict[str, str]) -> Launcher:
    """Takes ``launcher=`` and ``launcher.SETTING=`` out of the arguments.  Raises RequestError for a wrong name or type."""
    name, user = given.pop("launcher", "inline"), {}
    for key in [k for k in given if k.startswith("launcher.")]:
        try:
            user[key.removeprefix("launcher.")] = yaml.safe_load(given.pop(key))
        except yaml.YAMLError:
            raise RequestError(f"{key} cannot be read; a number, a word or null is asked for") from None
    return shelf.make("launcher", name, user)


class Board:
    """Jobs of one stage, each told as it ends, with how much time is left."""

    def __init__(self, jobs: Sequence[Job], launcher: Launcher) -> None:
        self.jobs, self.launcher = list(jobs), launcher
        self.common = set.intersection(*(set(j.arguments) for j in jobs)) if len(jobs) > 1 else set()
        self.told, self.seconds = 0, []

    def all(self) -> list[Ended]:
        """Run them; each comes back once."""
        ended: list[Ended] = []

        def fresh() -> Iterator[Job]:
            for job in self.jobs:
                known = survey(job) if self.launcher.far else None
                if known is None:
                    yield job
                else:
                    ended.append(self.tell(known))

        busy = []
        for each in self.launcher.run(fresh()):
            (busy if each.status == "busy" else ended).append(self.tell(each))
        # what another process was at is done now, or was left undone by it
        again = [replace(each.job, wait=True) for each in busy]
        return ended + [self.tell(each) for each in self.launcher.run(again)]

    def tell(self, ended: Ended) -> Ended:
        """Its line."""
        self.told += ended.status != "busy"
        self.seconds += [ended.seconds] if ended.status in RAN else []
        print(f"[{self.told}/{len(self.jobs)}{self.left()}] {self.label(ended.job)}: {ended.said}", flush=True)
        return ended

    def left(self) -> str:
        """From the mean of what ran so far and how many run at a time."""
        remaining = len(self.jobs) - self.told
        if not self.seconds or not remaining:
            return ""
        rounds = max(1.0, remaining / self.launcher.jobs)
        seconds = rounds * sum(self.seconds) / len(self.seconds)
        return f", about {f'{seconds:.0f} s' if seconds < 100 else f'{seconds / 60:.0f} min'} left"

    def label(self, job: Job) -> str:
        """What tells the job from the others."""
        return " ".join(a for a in job.arguments if a not in self.common) or " ".join(job.arguments)


def survey(job: Job) -> Ended | None:
    """What is known of a job without running it: a job that ends here need not travel."""
    try:
        request = compose(job.arguments)
    except Misfit as misfit:
        return misfits(job, misfit)
    except RequestError as error:
        return Ended(job, "failed", f"failed: {error}")
    record: Any = done(run_signature(request), Path(request.outputs), job.published)
    return known_before(job, record) if record is not None else None


