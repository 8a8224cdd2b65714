"""Checkpoints of a run: which are kept, and what may be read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint

from audioml.errors import RunError
from audioml.nn.ema import Average
from audioml.system import System


class Keeper(ModelCheckpoint):
    """A ModelCheckpoint with a fixed key; Lightning asks for it at every hook of every step and would format it anew."""

    def __init__(self, place: Path, name: str, **how: Any) -> None:
        self._key = f"Keeper {name}"
        super().__init__(place, filename=name, save_top_k=1, enable_version_counter=False, **how)

    @property
    def state_key(self) -> str:
        """Its place in a checkpoint."""
        return self._key


def checkpoints(folder: Path, patience: int) -> list[Callback]:
    """last.ckpt after every stretch of `validate_every` steps, best.ckpt by validation loss, an early stop if asked for."""
    place = folder / "checkpoints"
    last = Keeper(place, "last", every_n_epochs=1, save_on_train_epoch_end=True)
    best = Keeper(place, "best", monitor="valid/loss", mode="min", save_weights_only=True)
    stop = [EarlyStopping("valid/loss", mode="min", patience=patience, check_finite=True)] if patience else []
    return [best, last, *stop]


def load_weights(system: System, path: Path, signature: str | None) -> None:
    """Weights only, the averaged ones where a run kept such: code in a checkpoint is refused, and so are weights of another plan.

    Raises RunError.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        state = {k.removeprefix("system."): v for k, v in saved["state_dict"].items() if not k.startswith("average.")}
        kept = {k: v for k, v in saved["state_dict"].items() if k.startswith("average.average")}
        theirs = saved.get("audioml", {}).get("signature")
        learnt = dict(saved.get("audioml", {}).get("representations", {}))
    except FileNotFoundError:
        raise RunError(f"there is no checkpoint {path}") from None
    except Exception as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path} is refused: it is not a plain checkpoint of weights ({why[:160]})") from None
    if signature is not None and theirs != signature:
        raise RunError(f"{path} belongs to another plan (signature {theirs}, this run has {signature})")
    try:
        for port, side in system.plan.sides().items():
            if side.representation.fits:
                side.representation.load_state(learnt[port])
        system.load_state_dict(state)
        with torch.no_grad():
            for i, own in enumerate(Average.followed(system).values() if kept else ()):
                own.copy_(kept[f"average.average{i}"])
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path} belongs to another plan: {(str(error).splitlines() or [''])[-1].strip()}") from None
