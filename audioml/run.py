"""One run: build, plan, fit, judge, probe, record.  The only place that knows the order."""

from __future__ import annotations

import errno
import logging
import os
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audioml.build import Request
from audioml.corpus import Clip, Prepared
from audioml.errors import AudiomlError, RequestError, RunError, Stopped
from audioml.memory import keep_freed
from audioml.plan import Plan
from audioml.provenance import provenance
from audioml.records import Record, cannot_write
from audioml.runfolder import SHARED_FOLDER, held, make_folder, resolved, run_family, run_signature, trained, write_config

Watch = Callable[[int, float], None]


def execute(request: Request, *, resume: Path | None = None, watch: Watch | None = None) -> Record:
    """Run to the end and return the record, which is also written, whatever happens, to the run's folder.

    `watch` is told (step, validation loss) as training goes and may raise Stopped to end it.

    Raises AudiomlError with one sentence when the run fails, KeyboardInterrupt when it is interrupted.
    """
    sign = run_signature(request)
    folder = resume or make_folder(request, sign)
    main_process = int(os.environ.get("LOCAL_RANK", "0")) == 0
    record = Record(signature=sign, axes=request.axes(), primary=request.plan.task.primary)
    begin = time.time()
    with held(folder, main_process), _Log(folder / "train.log", main_process) as log:
        log.info(request.sentence())
        try:
            if resume is None and main_process:
                write_config(folder, request, sign)
            _Run(request, folder, sign, record, log, resume is not None, watch).all()
        except BaseException as error:
            record.status, record.error = _ending(error, folder)
            log.error("%s\n%s", record.error, traceback.format_exc())
            _write(record, request, folder, begin, main_process, failing=True)
            if isinstance(error, AudiomlError | KeyboardInterrupt):
                raise
            if record.status == "interrupted":
                raise KeyboardInterrupt from None
            raise RunError(f"{record.error} (the log is {folder / 'train.log'})") from error
        _write(record, request, folder, begin, main_process)
        log.info("done in %.0f s", time.time() - begin)
    return record


def _ending(error: BaseException, folder: Path) -> tuple[str, str]:
    """Status and sentence of a run that did not end well."""
    if isinstance(error, KeyboardInterrupt | SystemExit) or type(error).__name__ == "SIGTERMException":
        return "interrupted", f"interrupted; python train.py resume={folder} goes on from the last checkpoint"
    if isinstance(error, AudiomlError):
        return "interrupted" if isinstance(error, Stopped) else "failed", str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "failed", str(cannot_write(folder, error))
    if isinstance(error, RuntimeError) and "out of memory" in str(error).lower():
        return (
            "failed",
            f"out of memory; a smaller preset.batch, preset.seconds or model helps ({str(error).splitlines()[0][:120]})",
        )
    return "failed", f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"


def _write(record: Record, request: Request, folder: Path, begin: float, main_process: bool, failing: bool = False) -> None:
    if not main_process:
        return
    record.provenance = {
        **provenance(seed=request.seed, wall_s=round(time.time() - begin, 2), folder=folder.name, name=request.name),
        "config": resolved(request),
        "family": run_family(request),
        **record.provenance,
    }
    try:
        record.write(folder / "record.json")
    except RunError:
        if not failing:
            raise


class _Log:
    """train.log: our own words, Lightning's, and warnings; the terminal stays for the sentence and the bar."""

    def __init__(self, path: Path, active: bool) -> None:
        self.path, self.active = path, active
        self.logger = logging.getLogger("audioml")
        self.others = [logging.getLogger(n) for n in ("pytorch_lightning", "lightning_fabric", "lightning", "py.warnings")]
        self.handler: logging.Handler = logging.NullHandler()

    def __enter__(self) -> logging.Logger:
        import pytorch_lightning  # noqa: F401  it gives its loggers handlers of their own when it is first imported

        if self.active:
            try:
                self.handler = logging.FileHandler(self.path, encoding="utf-8")
            except OSError as error:
                raise cannot_write(self.path, error) from None
        self.handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self.kept = [(lg, lg.handlers[:], lg.propagate, lg.level) for lg in (self.logger, *self.others)]
        for logger in (self.logger, *self.others):
            logger.handlers, logger.propagate = [self.handler], False
        self.logger.setLevel(logging.INFO)
        logging.captureWarnings(True)
        return self.logger

    def __exit__(self, *_: Any) -> None:
        logging.captureWarnings(False)
        for logger, handlers, propagate, level in self.kept:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        self.handler.close()


class _Run:
    """The steps of a run that is known to be possible; fills the record as it goes."""

    def __init__(
        self, request: Request, folder: Path, sign: str, record: Record, log: logging.Logger, resumed: bool, watch: Watch | None
    ) -> None:
        self.request, self.folder, self.sign, self.record, self.log, self.resumed = request, folder, sign, record, log, resumed
        self.watch = watch
        self.preset = request.settings["preset"]
        self.main_process = int(os.environ.get("LOCAL_RANK", "0")) == 0

    def all(self) -> None:
        """Data, system, training, test, probes, examples."""
        self.data()
        self.system()
        if self.request.plan.method.trains:
            self.train()
        else:
            self.record.provenance |= self.request.plan.method.spent()
        if not self.main_process:
            return
        clips = list(self.prepared.clips("test"))
        self.judge(clips)
        self.probe(clips)
        self.logger.finish(self.record.as_dict(), self.folder)

    def data(self) -> None:
        """Prepare the corpus; say what was skipped."""
        self.prepared = self.request.prepare()
        skipped = self.prepared.report.get("skipped", [])
        self.record.provenance |= {"data_fingerprint": self.prepared.fingerprint, "data_report": dict(self.prepared.report)}
        for entry in skipped:
            self.log.warning("skipped %s: %s", entry["file"], entry["reason"])
        if skipped:
            some = ", ".join(Path(str(e["file"])).name for e in skipped[:3])
            warnings.warn(
                f"{len(skipped)} unusable audio files were skipped: {some}{' …' if len(skipped) > 3 else ''}", stacklevel=1
            )

    def system(self) -> None:
        """Weights from the seed."""
        import torch

        from audioml.shelf import make
        from audioml.system import System

        settings, names = self.request.settings, self.request.names
        self.fit = make("trainer", names["trainer"], settings["trainer"])
        self.logger = make("logger", names["logger"], settings["logger"])
        keep_freed()
        torch.set_num_threads(self.fit.threads or max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1))
        torch.manual_seed(self.request.seed)
        ready(self.request.plan, self.prepared, self.request.seed, fit=not self.resumed)
        self.net = System(self.request.plan)
        self.net.statistics = self.prepared.statistics
        self.last = self.folder / "checkpoints" / "last.ckpt"
        if self.request.init:
            from audioml.begin import begin

            begun = self.resumed and self.last.exists()  # the checkpoint holds all there is, and the folder may be gone
            self.record.provenance["init"] = self.request.init.plain() if begun else begin(self.net, self.request.init)
        if self.main_process:
            self.logger.start(self.folder, {"axes": self.record.axes, "signature": self.sign})

    def train(self) -> None:
        """Fit with checkpoints, then take the best weights."""
        import torch

        from audioml.checkpoints import checkpoints, load_weights
        from audioml.datamodule import batches_of
        from audioml.history import History
        from audioml.lit import Lit, Meter

        preset, last, method = self.preset, self.last, self.request.plan.method
        turns = len(method.turns)
        stretch = min(preset["validate_every"], preset["steps"])
        if preset["steps"] % stretch:
            raise RequestError(f"preset.steps={preset['steps']} should be a multiple of preset.validate_every={stretch}")
        done = 0
        if self.resumed and last.exists():
            load_weights(self.net, last, self.sign)  # refuses code and other plans before Lightning reads the rest
            done = int(torch.load(last, map_location="cpu", weights_only=True)["global_step"]) // turns
        lit = Lit(
            self.net,
            fit=self.fit,
            learning_rate=self.request.learning_rate,
            steps=preset["steps"],
            seed=self.request.seed,
            signature=self.sign,
        )
        history = History(self.folder / "metrics.csv", resume_step=done if self.resumed else None)
        meter = Meter(history, self.logger, steps=preset["steps"], progress=self.fit.progress, watch=self.watch)
        os.environ[SHARED_FOLDER] = str(self.folder)
        trainer = self.fit.trainer(
            steps=preset["steps"] * turns,
            callbacks=[meter, *checkpoints(self.folder, preset["patience"])],
            folder=self.folder,
            manual=turns > 1 or not method.gradient,
        )
        begun = time.process_time()
        try:
            trainer.fit(
                lit,
                datamodule=batches_of(self.prepared, self.request.plan, preset, self.request.seed, stretch=stretch),
                ckpt_path=str(last) if done else None,
                weights_only=True,
            )
        finally:
            os.environ.pop(SHARED_FOLDER, None)
            meter.close()
            history.flush()
        if trainer.interrupted:
            raise KeyboardInterrupt
        cost = {"train_s": round(meter.seconds, 2), "train_cpu_s": round(time.process_time() - begun, 2)}
        self.trained(trainer, trainer.global_step // turns, cost, done)
        best = self.folder / "checkpoints" / "best.ckpt"
        load_weights(self.net, best if best.exists() and method.keeps == "best" else last, self.sign)

    def trained(self, trainer: Any, steps: int, cost: dict[str, float], resumed_at: int) -> None:
        """What the training came to; the cost of a part of it is no cost.  CPU time (of this process) is what a busy machine does
        not stretch."""
        import torch

        lowest = trainer.checkpoint_callback.best_model_score
        self.record.provenance |= {
            "steps": steps,
            "learning_rate": self.request.learning_rate,
            "valid_loss": None if lowest is None else float(lowest),
            "examples_seen": steps * self.preset["batch"] * trainer.world_size,
            **(dict.fromkeys(cost) | {"resumed_at": resumed_at} if resumed_at else cost),
            "device": str(trainer.strategy.root_device),
            "threads": torch.get_num_threads(),
        }

    def judge(self, clips: list[Clip]) -> None:
        """The test clips through the system, beside the floor and the ceiling; examples to look at and hear."""
        import torch

        from audioml.evaluate import system_outputs, trivial_scores
        from audioml.examples import write_examples
        from audioml.metrics import evaluate

        plan, task = self.request.plan, self.request.plan.task
        device = "cuda" if torch.cuda.is_available() and "cuda" in self.record.provenance.get("device", "") else "cpu"
        torch.manual_seed(self.request.seed)  # what samples does so alike in every repetition
        found = system_outputs(self.net.to(device), clips, device)
        self.net.to("cpu")
        scores = evaluate(task, clips, found, worlds=plan.worlds())
        floor = trivial_scores(task.baseline, plan, clips, self.prepared)
        ceiling = trivial_scores(task.ceiling, plan, clips, self.prepared)
        self.record.values |= scores.values
        self.record.baselines, self.record.ceilings = floor.values, ceiling.values
        self.record.items, self.record.baseline_items = scores.items, floor.items
        self.record.provenance["test_items"] = [clip.name for clip in clips]
        write_examples(self.folder, plan, clips, found)

    def probe(self, clips: list[Clip]) -> None:
        """What the system costs, how far it hears and how it streams."""
        from audioml.probes import measure_all, measures
        from audioml.probes._trial import trial_of

        trial = trial_of(self.request, self.prepared, clips, self.folder, self.record.provenance)
        self.record.values |= measure_all(self.net.eval(), trial, self.preset["probe_seconds"])
        self.record.provenance["measures"] = measures()


def ready(plan: Plan, prepared: Prepared | None, seed: int, *, fit: bool) -> None:
    """Let representations and the method take the trained systems that they name, and representations learn what they must from the
    training data."""
    for port, side in plan.sides().items():
        rep = side.representation
        if rep.run:
            from audioml.coder import load_coder

            rep.bind(load_coder(rep.run))
        if rep.fits and fit and prepared is not None:
            rep.fit(prepared, port, side.world, seed)
    if plan.method.runs:
        from audioml.predict import load

        plan.method.join([load(trained(Path(run))) for run in plan.method.runs])
