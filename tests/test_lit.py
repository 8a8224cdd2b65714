"""What Lit hands to Lightning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from audioml import shelf
from audioml.lit import Lit
from tests.test_system import batch_of, system


class Norms(pl.Callback):
    """The norm of the gradients that each step was made with."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        grads = [p.grad for p in module.parameters() if p.grad is not None]
        self.seen.append(float(torch.nn.utils.get_total_norm(grads)))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_and_the_optimiser_is_fused(precision: str, tmp_path: Path) -> None:
    norms: dict[float, list[float]] = {}
    for clip in (0.0, 1e-3):
        fit = shelf.make("trainer", "cpu", {"precision": precision, "gradient_clip": clip, "threads": 1})
        net = system("enhancement", "stft", "cnn1d", "mask")
        batch = batch_of(net)
        lit = Lit(net, fit=fit, learning_rate=1e-3, steps=3, seed=0, signature="x")
        watch = Norms()
        trainer = fit.trainer(steps=3, callbacks=[watch], folder=tmp_path)
        trainer.fit(lit, torch.utils.data.DataLoader([batch] * 3, batch_size=None))  # type: ignore[arg-type]
        norms[clip] = watch.seen
        assert trainer.optimizers[0].defaults["fused"]
    assert min(norms[0.0]) > 1e-2, "there is something to clip"
    assert max(norms[1e-3]) < 1.01e-3
