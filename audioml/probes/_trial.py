"""What a run's folder and data give the probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audioml.build import Request
from audioml.corpus import Clip, Prepared
from audioml.datamodule import batches_of
from audioml.history import read_history
from audioml.probes._base import Trial


def trial_of(request: Request, prepared: Prepared, clips: Sequence[Clip], folder: Path, spent: Mapping[str, Any]) -> Trial:
    """Test `clips`, the first training batch, the curves and costs of a run."""
    plan, batch = request.plan, None
    if plan.method.trains:
        batch = batches_of(prepared, plan, request.settings["preset"], request.seed, stretch=1).batch(0)
    return Trial(clips, prepared.statistics, batch, read_history(folder / "metrics.csv"), spent)
