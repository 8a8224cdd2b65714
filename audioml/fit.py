"""How a run is trained and where its numbers go: the settings of trainer= and logger=.  Light; Lightning is imported when used."""

from __future__ import annotations

import datetime
import json
import os
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from audioml.errors import RequestError
from audioml.examples import MANIFEST
from audioml.records import whole


class Fit:
    """Settings of a Lightning Trainer and of AdamW.

    `minutes` caps the time; `warmup` is the share of steps in which the learning rate rises; `anneal` then lowers it to zero
    along a cosine; `threads` CPU threads (null: all cores); `average` decay of a moving average of the weights (null: none).
    """

    def __init__(
        self,
        *,
        accelerator: str,
        devices: int | str,
        strategy: str,
        precision: str,
        threads: int | None,
        gradient_clip: float,
        warmup: float,
        weight_decay: float,
        average: float | None,
        minutes: float | None,
        anneal: bool,
        progress: bool,
    ) -> None:
        self.accelerator, self.devices, self.strategy, self.precision = accelerator, devices, strategy, precision
        self.threads, self.gradient_clip, self.warmup, self.weight_decay = threads, gradient_clip, warmup, weight_decay
        self.minutes, self.anneal, self.progress = minutes, anneal, progress
        if average is not None and not 0 < average < 1:
            raise RequestError(f"trainer.average={average} should be null or between 0 and 1, such as 0.999")
        self.average = average

    def trainer(self, *, steps: int, callbacks: list[Any], folder: Path, manual: bool = False) -> Any:
        """A pytorch_lightning.Trainer whose own bar, logger and summary are off: ours cost less per step (docs/architecture.md).

        `manual`: the module clips its gradients itself.
        """
        import pytorch_lightning as pl

        try:
            return pl.Trainer(
                accelerator=self.accelerator,
                devices=self.devices,
                strategy=self.strategy,
                precision=self.precision,  # type: ignore[arg-type]
                max_steps=steps,
                max_epochs=-1,
                max_time=self._max_time(),
                gradient_clip_val=None if manual else self.gradient_clip or None,
                callbacks=callbacks,
                default_root_dir=str(folder),
                logger=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=True,
                plugins=[_straight()],
                profiler=_unwatched(),
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
            )
        except (ValueError, pl.utilities.exceptions.MisconfigurationException) as error:
            raise RequestError(f"this machine cannot run the trainer's settings: {str(error).splitlines()[0]}") from None

    def _max_time(self) -> datetime.timedelta | None:
        return datetime.timedelta(minutes=self.minutes) if self.minutes else None


def _unwatched() -> Any:
    """A profiler that does nothing.  Lightning's own does nothing in a generator, some forty of them a step."""
    from pytorch_lightning.profilers import PassThroughProfiler

    class Unwatched(PassThroughProfiler):
        """One context for all actions."""

        nothing = nullcontext()

        def profile(self, action_name: str) -> Any:
            return self.nothing

    return Unwatched()


def _straight() -> Any:
    """Writes checkpoints straight to disk, whole or not at all.

    Lightning gathers the file in memory first and copies it once more.  Given a path, torch would make a RuntimeError of a full
    disk; given a file, it stays an OSError.
    """
    import torch
    from lightning_fabric.plugins.io import TorchCheckpointIO

    class Straight(TorchCheckpointIO):
        """Reads as Lightning does."""

        def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
            """Raises OSError, and then leaves what was there before."""
            with whole(Path(path), sure=False) as file:
                torch.save(checkpoint, file)

    return Straight()


class NoLogger:
    """The run's own folder is the log."""

    def __init__(self) -> None:
        pass

    def start(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Nothing to open."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """metrics.csv has them already."""

    def finish(self, record: Mapping[str, Any], folder: Path) -> None:
        """Nothing to close."""


class WandbLogger(NoLogger):
    """The same numbers, sounds and pictures in Weights & Biases.  What goes wrong there is told once and never fails the run."""

    def __init__(self, *, project: str, offline: bool | None) -> None:
        self.project, self.offline, self.run = project, offline, None

    def _try(self, what: Any) -> None:
        try:
            what()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            warnings.warn(f"wandb is left out from here: {type(error).__name__}: {error}", stacklevel=2)
            self.run = None

    def start(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Open a run; offline unless WANDB_API_KEY is set or `offline` says otherwise."""

        def begin() -> None:
            import wandb

            offline = self.offline if self.offline is not None else not os.environ.get("WANDB_API_KEY")
            mode = "offline" if offline else "online"
            whole = {**config, **_settings(folder)}
            # a run before this one in the same process may have failed: its numbers and ours must not mix
            place: dict[str, Any] = {"dir": str(folder), "name": folder.name, "reinit": "finish_previous"}
            self.run = wandb.init(project=self.project, config=whole, mode=mode, **place)

        self._try(begin)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One line of the curves."""
        if self.run is not None:
            self._try(lambda: self.run.log(dict(numbers), step=step))

    def finish(self, record: Mapping[str, Any], folder: Path) -> None:
        """The record's values, the examples, and close."""
        if self.run is None:
            return

        def end() -> None:
            import wandb

            summary = {n: v["value"] for n, v in record["values"].items() if v["value"] is not None}
            self.run.summary.update({**summary, "status": record["status"]})
            sounds = {f"audio/{p.stem}": wandb.Audio(str(p)) for p in sorted((folder / "audio").glob("*.wav"))}
            pictures = {f"spectrogram/{p.stem}": wandb.Image(str(p)) for p in sorted((folder / "audio").glob("*.png"))}
            tables = {name: wandb.Table(columns=list(columns), data=rows) for name, (columns, rows) in _tables(record).items()}
            self.run.log({**sounds, **pictures, **tables, "examples": self._examples(wandb, folder)})
            self.run.finish(exit_code=0 if record["status"] == "done" else 1)

        self._try(end)

    @staticmethod
    def _examples(wandb: Any, folder: Path) -> Any:
        """What was given, made and wanted, clip by clip: sounds to play and texts to read."""
        clips = json.loads((folder / MANIFEST).read_text("utf-8"))["clips"]
        rows = []
        for clip in clips:
            for entry in clip["files"]:
                sound = wandb.Audio(str(folder / entry["file"]), caption=f"{clip['name']} {entry['role']}")
                rows.append([clip["name"], entry["role"], entry["port"], entry["stem"], sound, None])
            rows += [[clip["name"], entry["role"], entry["port"], "", None, str(entry["text"])] for entry in clip["texts"]]
        return wandb.Table(columns=["clip", "role", "port", "stem", "sound", "text"], data=rows)


def _settings(folder: Path) -> dict[str, Any]:
    """The run's own config.yaml: every name and setting as resolved."""
    import yaml

    return yaml.safe_load((folder / "config.yaml").read_text("utf-8"))


def _tables(record: Mapping[str, Any]) -> dict[str, tuple[tuple[str, ...], list[list[Any]]]]:
    """The comparison's numbers as tables: what was measured beside floor and ceiling, and why something was not."""
    columns = ("name", "value", "text", "low", "high", "unit", "better", "n", "baseline", "ceiling", "reason")
    rows = []
    for name, value in sorted(record["values"].items()):
        got, (low, high) = value["value"], value["ci"] or (None, None)
        number, text = (None, got) if isinstance(got, str) else (got, None)
        beside = [_number(record[kind].get(name)) for kind in ("baselines", "ceilings")]
        rows.append([name, number, text, low, high, value["unit"], value["better"], value["n"], *beside, value.get("reason")])
    return {"values": (columns, rows)}


def _number(value: Mapping[str, Any] | None) -> float | None:
    got = None if value is None else value["value"]
    return None if isinstance(got, str) else got
