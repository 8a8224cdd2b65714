"""The small search inside a sweep: per cell the best factor of a setting's default, by validation loss, at the first seed.

Trials are ordinary runs in ``OUTPUTS/tuning/runs`` (a table of ``OUTPUTS/runs`` does not see those that lost), skipped like any
other when they are done.  The best one's folder moves to ``OUTPUTS/runs``, where it is the first seed's run.
"""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audioml.build import Request
from audioml.errors import RequestError
from audioml.records import cannot_write
from audioml.runfolder import run_signature
from audioml.sweep.composer import compose
from audioml.sweep.definition import Block
from audioml.sweep.jobs import RECORD, Job, candidates, done

FOLDER = "tuning"


@dataclass(frozen=True)
class Trial:
    """One value of each tuned setting, as arguments; a default is not named, so that it is the plain run."""

    factors: tuple[float, ...]
    settings: tuple[str, ...]
    signature: str
    job: Job


@dataclass(frozen=True)
class Tuned:
    """A cell (arguments without a seed), its trials, and where its runs go."""

    cell: tuple[str, ...]
    seeds: tuple[str, ...]
    trials: tuple[Trial, ...]
    outputs: Path
    job: Job

    @property
    def published(self) -> str | None:
        """Where records lie that count as done."""
        return self.job.published

    def pending(self) -> list[Job]:
        """The trials to run: a best one that moved to the runs proper is there to stay."""
        return [t.job for t in self.trials if done(t.signature, self.outputs, self.published) is None]

    def losses(self) -> list[float]:
        """Best validation loss of each trial; nan where it failed."""
        found = []
        for trial in self.trials:
            record = done(trial.signature, self.outputs / FOLDER) or done(trial.signature, self.outputs, self.published)
            loss = record.provenance.get("valid_loss") if record else None
            found.append(float(loss) if isinstance(loss, int | float) else math.nan)
        return found

    def best(self) -> tuple[Trial | None, str]:
        """The trial of the lowest validation loss, and a sentence; None where none was measured: the default it is."""
        losses = self.losses()
        where = " ".join(self.cell)
        known = [(loss, k) for k, loss in enumerate(losses) if math.isfinite(loss)]
        if not known:
            return None, f"tuning {where}: no trial ended with a validation loss, so the default is used"
        best = self.trials[min(known)[1]]
        listed = ", ".join(f"x{'/'.join(f'{f:g}' for f in t.factors)}: {loss:.4g}" for t, loss in zip(self.trials, losses))
        return best, f"tuning {where}: {' '.join(best.settings) or 'the default'} (validation losses {listed})"

    def final(self) -> tuple[list[Job], str]:
        """The jobs of all seeds with the best setting, and the sentence; the best trial's folder is now the first seed's run."""
        best, sentence = self.best()
        settings: tuple[str, ...] = ()
        if best is not None:
            settings = best.settings
            for path in list(candidates(best.signature, self.outputs / FOLDER)):
                if done(best.signature, self.outputs) is None and path.name == RECORD:
                    adopt(path.parent, self.outputs / "runs")
        return [replace(self.job, arguments=(*self.cell, *seed(s), *settings)) for s in self.seeds], sentence


def adopt(folder: Path, runs: Path) -> None:
    """Move a run's folder.  Raises RunError."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        os.rename(folder, runs / folder.name)
    except OSError as error:
        raise cannot_write(runs / folder.name, error) from None


def seed(said: str) -> tuple[str, ...]:
    """As arguments; an empty one is config.yaml's."""
    return (f"seed={said}",) if said else ()


def tuned(cell: tuple[str, ...], block: Block, job: Job) -> Tuned | None:
    """The trials of a cell, whose runs are like `job`; None where nothing is trained, or nothing fits.

    Raises RequestError for a factor that cannot be.
    """
    seeds = tuple(block.axes.get("seed", ("",)))
    try:
        request = compose((*cell, *seed(seeds[0])))
    except RequestError:  # each of its runs will say so
        return None
    if not request.plan.method.trains:
        return None
    outputs = Path(request.outputs)
    trials = []
    for factors in itertools.product(*block.tune.values()):
        settings = tuple(
            f"{key}={default(request, key) * factor:.6g}" for key, factor in zip(block.tune, factors, strict=True) if factor != 1
        )
        arguments = tuple(a for a in (*cell, *seed(seeds[0]), *settings) if not a.startswith("outputs="))
        trial = replace(job, arguments=(*arguments, f"outputs='{outputs / FOLDER}'"), publish=False)
        trials.append(Trial(factors, settings, run_signature(compose(trial.arguments)), trial))
    return Tuned(cell, seeds, tuple(trials), outputs, job)


def default(request: Request, key: str) -> float:
    """The number that a setting has in a cell.  Raises RequestError where it has none."""
    group, _, name = key.partition(".")
    value: Any = request.learning_rate if key == "model.learning_rate" else request.settings.get(group, {}).get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise RequestError(f"tune.{key}: its default is {value!r:.40}, not a number that a factor could change")
    return value
