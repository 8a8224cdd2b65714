"""Hyper-parameter search by Optuna, ask and tell over our own runs: on disk, resumable after a kill, pruned by validation losses.

What it minimises is the lowest validation loss of a run; the test split is never looked at for it.  A study is named by what is
searched and what is fixed, so one file may hold several, and the same command goes on with the same one.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audioml import shelf
from audioml.cli import prepare
from audioml.errors import AudiomlError, RequestError, RunError, Stopped, did_you_mean
from audioml.runfolder import run_signature
from audioml.sweep import compose, done

OWN = ("trials", "storage", "prune")
KINDS = ("log", "float", "int", "choice")  # of ranges
MACHINE = ("trainer.threads", "trainer.progress", "outputs", "logger", "name", "data.cache")  # do not change what is learnt
BEFORE = 5  # trials that are never pruned, and drawn at random, before the rest learn from them
APART = ("task", "representation", "method", "ports", "data")  # searched over, they change what the loss means


@dataclass(frozen=True)
class Axis:
    """One searched setting: `kind` is one of KINDS."""

    key: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    def ask(self, trial: Any) -> str:
        """The trial's value as an argument."""
        if self.kind == "choice":
            return self.text(trial.suggest_categorical(self.key, self.choices))
        if self.kind == "int":
            return self.text(trial.suggest_int(self.key, int(self.low), int(self.high)))
        return self.text(trial.suggest_float(self.key, self.low, self.high, log=self.kind == "log"))

    def text(self, value: Any) -> str:
        """A value as an argument."""
        return f"{self.key}={value:.6g}" if isinstance(value, float) else f"{self.key}={value}"

    def said(self) -> str:
        """As on the command line."""
        return f"{self.key}={self.kind}:" + (",".join(self.choices) or f"{self.low:g},{self.high:g}")


def axis_of(key: str, text: str) -> Axis | None:
    """``log:1e-4,1e-2 int:8,32 float:0,0.5 choice:a,b``, or None for a plain value.  Raises RequestError."""
    match = re.fullmatch(r"(\w+):(.*)", text)
    if match is None or (match[1] not in KINDS and "," not in match[2]):
        return None  # such as budget=macs:2e8; a bare comma is in no plain value
    kind, values = match[1], [v.strip() for v in match[2].split(",")]
    if kind not in KINDS:
        near = did_you_mean(kind, KINDS)
        raise RequestError(f"{key}={text}: '{kind}' is no kind of range{near or ';'} kinds: {', '.join(KINDS)}")
    wrong = f"{key}={text} should be of the form {key}={kind}:{'A,B,…' if kind == 'choice' else 'LOW,HIGH'}"
    if kind == "choice":
        if len(values) < 2 or not all(values):
            raise RequestError(wrong)
        for value in values if key in shelf.GROUPS else ():
            shelf.require(key, value)
        return Axis(key, kind, choices=tuple(values))
    try:
        low, high = (float(v) if kind != "int" else int(v) for v in values)
    except ValueError:
        raise RequestError(wrong) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (kind == "log" and low <= 0):
        raise RequestError(f"{wrong} with LOW below HIGH{', both above zero' if kind == 'log' else ''}")
    return Axis(key, kind, low, high)


@dataclass(frozen=True)
class Search:
    """What is searched, what is fixed, how long, and where it is kept."""

    axes: tuple[Axis, ...]
    fixed: tuple[str, ...]
    trials: int
    storage: Path
    prune: bool

    @property
    def name(self) -> str:
        """Of the study: equal for an equal search."""
        signed = sorted(a for a in self.fixed if a.partition("=")[0] not in MACHINE)
        text = json.dumps([sorted(a.said() for a in self.axes), signed, self.prune])
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def arguments(self, settings: Sequence[str]) -> list[str]:
        """Of a trial's run, which goes where it is not among the runs that are compared."""
        return [*([] if any(a.startswith("outputs=") for a in self.fixed) else ["outputs=outputs/search"]), *self.fixed, *settings]


def read(arguments: Sequence[str]) -> Search:
    """The command line.  Raises RequestError."""
    given, axes, fixed = {}, [], []
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key in OWN:
            given[key] = value
        elif (axis := axis_of(key, value)) is not None:
            prepare(f"{key}={axis.choices[0] if axis.choices else axis.low}")
            axes.append(axis)
        else:
            prepare(argument)
            fixed.append(argument)
    if not axes:
        raise RequestError("search needs something to vary, such as model.learning_rate=log:1e-4,1e-2 or model.width=int:8,32")
    trials = given.get("trials", "20")
    if not trials.isdigit() or not int(trials):
        raise RequestError(f"trials={trials} should be a whole number above zero")
    if given.get("prune", "true") not in ("true", "false"):
        raise RequestError(f"prune={given['prune']} should be true or false")
    storage = Path(given.get("storage") or "outputs/search/search.db")
    return Search(tuple(axes), tuple(fixed), int(trials), storage, given.get("prune", "true") == "true")


def main(arguments: Sequence[str]) -> None:
    """``key=log:LOW,HIGH … [axis=NAME …] [trials=20] [storage=FILE.db] [prune=true]``; prints the best trial as a command."""
    from filelock import FileLock, Timeout

    search = read(arguments)
    for axis in search.axes:
        if axis.key.partition(".")[0] in APART:
            print(f"note: validation losses are compared across {axis.key}; that is fair only where its choices share a loss")
    search.storage.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{search.storage}.lock", timeout=0):
            study = open_study(search)
            begin, at = time.time(), told(study)
            while told(study) < search.trials:
                line = one(study, search)
                count = told(study)
                left = (time.time() - begin) / (count - at) * (search.trials - count) / 60 if count > at else 0
                print(f"[{count}/{search.trials}, about {left:.0f} min left] {line}", flush=True)
    except Timeout:
        raise RequestError(f"another process searches in {search.storage}; wait for it, or give another storage=") from None
    print("\n".join(report(study, search)))


def open_study(search: Search) -> Any:
    """The study in its file; what a killed process was at is asked again.  Raises RequestError."""
    try:
        import optuna
    except ImportError:
        raise RequestError("search needs Optuna; pip install 'audioml[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=BEFORE, n_warmup_steps=0) if search.prune else optuna.pruners.NopPruner()
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{search.storage.resolve()}")
        study = optuna.create_study(storage=storage, study_name=search.name, load_if_exists=True, pruner=pruner)
    except Exception as error:  # SQLAlchemy's own kinds: no folder, no database, of another version
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise RequestError(f"storage={search.storage} cannot be used: {why[:200]}") from None
    running = optuna.trial.TrialState.RUNNING
    for trial in study.get_trials(states=(running,)):  # the lock is ours, so nobody is at them
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def ends(study: Any) -> dict[str, int]:
    """How many trials finished, were pruned, failed; one that was killed left no error behind and does not count."""
    count = {"COMPLETE": 0, "PRUNED": 0, "FAIL": 0}
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name in count and (trial.state.name != "FAIL" or "error" in trial.user_attrs):
            count[trial.state.name] += 1
    return count


def told(study: Any) -> int:
    """Trials that ended by themselves."""
    return sum(ends(study).values())


def one(study: Any, search: Search) -> str:
    """Ask, run, tell; a line of what came of it."""
    import optuna

    # drawn from how many were told: a search that was killed asks what an unbroken one would have asked
    study.sampler = optuna.samplers.TPESampler(seed=told(study), n_startup_trials=BEFORE)
    trial = study.ask()
    settings = [axis.ask(trial) for axis in search.axes]
    state = optuna.trial.TrialState
    try:
        loss = run(trial, search.arguments(settings), search.prune)
        study.tell(trial, loss)
        return f"{' '.join(settings)}: validation loss {loss:.5g}"
    except Stopped as stop:
        study.tell(trial, state=state.PRUNED)
        return f"{' '.join(settings)}: {stop}"
    except AudiomlError as error:
        trial.set_user_attr("error", str(error)[:500])
        study.tell(trial, state=state.FAIL)
        return f"{' '.join(settings)}: failed: {str(error).splitlines()[0]}"


def run(trial: Any, arguments: Sequence[str], prune: bool) -> float:
    """The lowest validation loss of a run, done before or now.  Raises Stopped when it is pruned, AudiomlError when it fails."""
    from audioml.run import execute

    request = compose(arguments)

    def watch(step: int, loss: float) -> None:
        trial.report(loss, step)
        if prune and trial.should_prune():
            raise Stopped(f"pruned at step {step} with validation loss {loss:.5g}, above the median of the others")

    sign = run_signature(request)
    record = done(sign, Path(request.outputs)) or execute(request, watch=watch)
    loss = record.provenance.get("valid_loss")
    if not isinstance(loss, int | float) or not math.isfinite(loss):
        raise RunError("it has no validation loss: a method that trains is needed, and data with a validation split")
    return float(loss)


def report(study: Any, search: Search) -> list[str]:
    """How the trials ended, and the best one as the command to repeat it.  Raises RunError when none finished."""
    count = ends(study)
    if not count["COMPLETE"]:
        raise RunError(f"none of {sum(count.values())} trials finished; each said why above")
    best = study.best_trial
    settings = [axis.text(best.params[axis.key]) for axis in search.axes]
    return [
        f"{count['COMPLETE']} trials finished, {count['PRUNED']} were pruned, {count['FAIL']} failed; kept in {search.storage}",
        f"best: trial {best.number}, validation loss {best.value:.5g}; to repeat it:",
        "  " + shlex.join(["python", "train.py", *search.fixed, *settings]),
    ]
