"""What a run's folder and data give the probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audioml.build import Request
from audioml.corpus import Clip, Prepared
from audioml.datamodule import DataModule
from audioml.evaluate import Sample
from audioml.history import read_history
from audioml.probes._base import Trial


def sampled(request: Request) -> Prepared:
    """The request's data with as many validation and test clips as its preset says, and its share of the training clips."""
    preset, whole = request.settings["preset"], request.corpus.prepare(request.plan.task)
    if request.share < 1:
        whole.narrow(request.share, request.seed)
    return Sample(whole, {"valid": preset["valid_items"], "test": preset["test_items"]})


def batches_of(request: Request, prepared: Prepared, stretch: int) -> DataModule:
    """The data as Lightning reads it, `stretch` steps between validations."""
    preset, task = request.settings["preset"], request.plan.task
    return DataModule(
        prepared,
        request.plan.worlds(),
        batch_size=preset["batch"],
        seconds=None if task.whole_clips else max(preset["seconds"], task.seconds or 0.0),
        steps_per_epoch=stretch,
        seed=request.seed,
    )


def trial_of(request: Request, prepared: Prepared, clips: Sequence[Clip], folder: Path, spent: Mapping[str, Any]) -> Trial:
    """Test `clips`, the first training batch, the curves and costs of a run."""
    batch = batches_of(request, prepared, 1).batch(0) if request.plan.method.trains else None
    return Trial(clips, prepared.statistics, batch, read_history(folder / "metrics.csv"), spent)
