"""The LightningDataModule over any Prepared: training batches by step number, fixed clips for validation and test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from audioml.corpus import Clip, Prepared
from audioml.data.prefetch import prefetch
from audioml.kinds import Batch, Label, Notes, Phones, Seq, Tags, Text, World
from audioml.plan import Plan


class DataModule(pl.LightningDataModule):
    """Batches of a Prepared as dict[port, Seq].

    `plan_ports` the ports wanted, with their worlds; `batch_size` items per process; `seconds` length of training crops
    (None: whole clips); `steps_per_epoch` batches between two validations; `valid_seconds` audio in one validation batch.
    The batch of a step depends on (seed, step) alone: a resumed run goes on where it stopped, mid-epoch too, and W
    processes of batch size B see together what one of W·B sees.
    """

    def __init__(
        self,
        prepared: Prepared,
        plan_ports: Mapping[str, World],
        *,
        batch_size: int,
        seconds: float | None,
        steps_per_epoch: int,
        seed: int,
        valid_seconds: float = 60.0,
    ) -> None:
        super().__init__()
        self.prepared, self.ports = prepared, dict(plan_ports)
        self.batch_size, self.seconds, self.steps_per_epoch, self.seed = batch_size, seconds, steps_per_epoch, seed
        self.valid_seconds = valid_seconds

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """The share of process `rank` of `world` in the training batch of `step`."""
        made = self.prepared.train_batch(step, self.batch_size * world, self.seconds, self.seed)
        mine = slice(rank * self.batch_size, (rank + 1) * self.batch_size)
        return {port: as_seq(made[port][0][mine], made[port][1][mine]) for port in self.ports}

    def train_dataloader(self) -> TrainLoader:
        """`steps_per_epoch` batches from the trainer's present step on."""
        return TrainLoader(self)

    def val_dataloader(self) -> ClipLoader:
        """The fixed clips of split "valid", padded into batches."""
        return ClipLoader(self, "valid")

    def test_dataloader(self) -> ClipLoader:
        """The fixed clips of split "test", padded into batches."""
        return ClipLoader(self, "test")


def batches_of(prepared: Prepared, plan: Plan, preset: Mapping[str, Any], seed: int, *, stretch: int) -> DataModule:
    """The data as a run of `plan` reads it: batches and crops as its `preset` says, `stretch` steps between validations."""
    return DataModule(
        prepared,
        plan.worlds(),
        batch_size=preset["batch"],
        seconds=None if plan.task.whole_clips else max(preset["seconds"], plan.task.seconds or 0.0),
        steps_per_epoch=stretch,
        seed=seed,
    )


class TrainLoader:
    """One epoch of training batches per iteration, made ahead by one thread.

    Where it starts is read from the trainer when the first batch is asked for (by then Lightning has put its counters
    right after a resume), so that it needs no state of its own.
    """

    def __init__(self, data: DataModule) -> None:
        self.data = data

    def __len__(self) -> int:
        return self.data.steps_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        epoch, done, rank, world = self._place()
        first = epoch * len(self)
        yield from prefetch(lambda step: self.data.batch(step, rank, world), range(first + done, first + len(self)))

    def _place(self) -> tuple[int, int, int, int]:
        trainer = self.data.trainer
        if trainer is None:
            return 0, 0, 0, 1
        done = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        return trainer.current_epoch, done, trainer.global_rank, trainer.world_size

    def state_dict(self) -> dict[str, Any]:
        """Nothing: it tells Lightning that this loader resumes exactly."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The trainer's counters say all."""


class ClipLoader:
    """The fixed clips of a split in batches of about `valid_seconds` of audio, zero-padded to the longest of each."""

    def __init__(self, data: DataModule, split: str) -> None:
        self.data, self.split = data, split
        self._groups: list[range] | None = None

    def __len__(self) -> int:
        return len(self.groups())

    def __iter__(self) -> Iterator[Batch]:
        groups = self.groups()
        return prefetch(lambda k: self._batch(groups[k]), range(len(groups)))

    def groups(self) -> list[range]:
        """Neighbouring clips that go into one batch: at most `batch_size`, and no more audio than `valid_seconds`."""
        if self._groups is None:
            self._groups, first, longest = [], 0, 0.0
            for i, clip in enumerate(self.data.prepared.clips(self.split)):
                length = max((seconds_of(clip.ports[p], world) for p, world in self.data.ports.items()), default=0.0)
                full = i - first >= self.data.batch_size or max(longest, length) * (i + 1 - first) > self.data.valid_seconds
                if full and i > first:
                    self._groups.append(range(first, i))
                    first, longest = i, 0.0
                longest = max(longest, length)
            self._groups.append(range(first, self.data.prepared.size(self.split)))
        return self._groups

    def _batch(self, group: range) -> Batch:
        clips = [self.data.prepared.clip(self.split, i) for i in group]
        return collate(clips, self.data.ports)


def seconds_of(value: Any, world: World) -> float:
    """How long an item lasts, as far as its kind says."""
    rate = getattr(world, "rate", None)
    if rate:
        return value.shape[-1] / rate
    return float(value[:2].max(initial=0.0)) if isinstance(world, Notes | Phones) else 0.0


def collate(clips: list[Clip], ports: Mapping[str, World]) -> Batch:
    """Clips -> one batch, zero-padded on the last axis, with the valid steps of each."""
    return {port: _JOIN.get(type(world), _pad)([clip.ports[port] for clip in clips]) for port, world in ports.items()}


def _pad(items: list[np.ndarray]) -> Seq:
    n = [item.shape[-1] for item in items]
    out = np.zeros((len(items), *items[0].shape[:-1], max(1, *n)), np.float32)
    for row, item in zip(out, items, strict=True):
        row[..., : item.shape[-1]] = item
    return as_seq(out, np.asarray(n))


_JOIN = {
    Text: lambda texts: as_seq(texts, np.asarray([len(text) for text in texts])),
    Label: lambda labels: as_seq(np.asarray(labels, np.int64), np.ones(len(labels))),
    Tags: lambda tags: as_seq(np.asarray(tags, np.float32), np.ones(len(tags))),
}


def as_seq(x: Any, n: Any) -> Seq:
    """Arrays as tensors (sharing memory), texts as they are; lengths int64."""
    return Seq(torch.from_numpy(x) if isinstance(x, np.ndarray) else x, torch.from_numpy(np.asarray(n).astype(np.int64)))
