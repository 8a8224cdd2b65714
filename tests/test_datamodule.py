"""Batches for Lightning: a function of the step, in one process or two, stopped or not."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

sys.path.insert(0, str(Path(__file__).parent / "data"))
from audioml.corpus import Clip, Prepared
from audioml.datamodule import DataModule, collate, seconds_of
from audioml.kinds import Curve, Label, Notes, Seq, Tags, Text, Wave
from audioml.parts import Task
from tests.data.sound_folders import CLASSIFY, RECOGNISE, SEPARATE, classes, corpus, noise, write


def made(at: Path, task: Task = CLASSIFY) -> tuple[Prepared, Mapping[str, Any]]:
    texts = {"transcript": [f"{i} is said" for i in range(12)]}
    data = corpus("folder", path=str(classes(at / "set", **texts)), cache=str(at / "cache"), speed=0.1, gain_db=3.0)
    return data.prepare(task), data.provides(task)


def module(at: Path, task: Task = CLASSIFY, **how: Any) -> DataModule:
    settings = {"batch_size": 2, "seconds": 0.1, "steps_per_epoch": 4, "seed": 5} | how
    return DataModule(*made(at, task), **settings)


class Watch(pl.LightningModule):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[float] = []
        self.valid: list[int] = []

    def training_step(self, batch: dict[str, Seq], _: int) -> torch.Tensor:
        assert isinstance(batch["audio"], Seq)
        self.seen.append(float(batch["audio"].x.double().sum()))
        return self.weight.sum()

    def validation_step(self, batch: dict[str, Seq], _: int) -> None:
        self.valid.append(len(batch["label"].x))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer(at: Path, **how: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=at, **how
    )


def expected(data: DataModule, steps: range) -> list[float]:
    return [float(data.batch(step)["audio"].x.double().sum()) for step in steps]


def test_kinds_and_shapes(tmp_path: Path) -> None:
    batch = module(tmp_path).batch(0)
    assert batch["audio"].x.shape == (2, 1, 1600)
    assert batch["audio"].x.dtype == torch.float32
    assert batch["label"].x.dtype == batch["audio"].n.dtype == torch.int64
    data = module(tmp_path, RECOGNISE)
    batch = data.batch(0)
    assert isinstance(batch["text"].x, list)
    assert batch["text"].n.tolist() == [len(text) for text in batch["text"].x]
    assert set(
        DataModule(data.prepared, {"audio": data.ports["audio"]}, batch_size=1, seconds=1, steps_per_epoch=1, seed=0).batch(0)
    ) == {"audio"}


def test_two_processes_see_what_one_of_twice_the_batch_sees(tmp_path: Path) -> None:
    small, large = module(tmp_path), module(tmp_path, batch_size=4)
    for step in range(3):
        parts, whole = [small.batch(step, rank, 2) for rank in (0, 1)], large.batch(step)
        for port in whole:
            for field in (0, 1):
                assert torch.equal(torch.cat([part[port][field] for part in parts]), whole[port][field])


def test_lightning_sees_each_step_once(tmp_path: Path) -> None:
    data, watch = module(tmp_path), Watch()
    trainer(tmp_path, max_epochs=3, enable_checkpointing=False).fit(watch, datamodule=data)
    assert watch.seen == expected(data, range(12))
    assert sum(watch.valid) == 2 * 4  # the sanity check and three epochs, two clips each


@pytest.mark.parametrize("after", [2, 4, 6, 8])
def test_a_resumed_run_goes_on_where_it_stopped(tmp_path: Path, after: int) -> None:
    data, first, second = module(tmp_path), Watch(), Watch()
    keep = pl.callbacks.ModelCheckpoint(tmp_path / "k", save_last=True, every_n_train_steps=2, save_top_k=-1)
    trainer(tmp_path, max_steps=12, callbacks=[keep]).fit(first, datamodule=data)
    (checkpoint,) = (tmp_path / "k").glob(f"*step={after}.ckpt")
    trainer(tmp_path, max_steps=12, enable_checkpointing=False).fit(second, datamodule=module(tmp_path), ckpt_path=checkpoint)
    assert first.seen == expected(data, range(12))
    assert second.seen == expected(data, range(after, 12))


def test_fixed_clips_in_batches(tmp_path: Path) -> None:
    for i in range(30):
        for stem in ("a", "b"):
            write(tmp_path / f"set/{stem}/{i}.wav", noise(i, 0.05 * (1 + i % 7)))
    data = corpus("folder", path=str(tmp_path / "set"), cache=str(tmp_path / "c"))
    prepared, ports = data.prepare(SEPARATE), data.provides(SEPARATE)
    plain = DataModule(prepared, ports, batch_size=2, seconds=0.1, steps_per_epoch=1, seed=0)
    batches, clips = list(plain.test_dataloader()), list(prepared.clips("test"))
    assert [len(batch["mix"].n) for batch in batches] == [2, 1]
    assert len(plain.test_dataloader()) == 2
    for clip, (b, r) in zip(clips, ((0, 0), (0, 1), (1, 0))):
        n = int(batches[b]["stems"].n[r])
        np.testing.assert_array_equal(batches[b]["stems"].x[r, ..., :n], clip.ports["stems"])
        assert not batches[b]["stems"].x[r, ..., n:].any()
    one = DataModule(prepared, ports, batch_size=8, seconds=0.1, steps_per_epoch=1, seed=0, valid_seconds=0.01)
    assert [len(batch["mix"].n) for batch in one.val_dataloader()] == [1] * prepared.size("valid")


def test_collate_pads_every_kind(tmp_path: Path) -> None:
    prepared, ports = made(tmp_path, RECOGNISE)
    batch = collate([prepared.clip("test", i) for i in range(2)], ports)
    assert batch["text"].x == ["4 is said", "10 is said"]
    assert batch["text"].n.tolist() == [9, 10]
    assert batch["audio"].n.tolist() == [3200, 3200]


def test_collate_pads_symbols_on_their_last_axis() -> None:
    worlds = {"notes": Notes(), "f0": Curve(("f0",), 100), "tags": Tags(("a", "b")), "label": Label(("x", "y"))}

    def clip(notes: int, frames: int, tag: int) -> Clip:
        ports = {"notes": np.ones((5, notes)), "f0": np.ones((1, frames)), "tags": np.eye(2)[tag], "label": tag}
        return Clip("c", ports)

    batch = collate([clip(3, 20, 0), clip(0, 15, 1)], worlds)
    assert batch["notes"].x.shape == (2, 5, 3)
    assert batch["notes"].n.tolist() == [3, 0]
    assert not batch["notes"].x[1].any()
    assert batch["f0"].x.shape == (2, 1, 20)
    assert batch["tags"].x.tolist() == [[1, 0], [0, 1]]
    assert batch["tags"].n.tolist() == [1, 1]
    assert {batch[port].x.dtype for port in ("notes", "f0", "tags")} == {torch.float32}
    empty = collate([clip(0, 1, 0)], worlds)["notes"]
    assert (empty.x.shape, empty.n.tolist()) == ((1, 5, 1), [0])


def test_how_long_an_item_lasts() -> None:
    assert seconds_of(np.zeros((1, 8000)), Wave(1, 16000)) == 0.5
    assert seconds_of(np.zeros((1, 50)), Curve(("f0",), 100)) == 0.5
    assert seconds_of(np.asarray([[0.0, 1.0], [0.5, 2.5], [60, 60], [1, 1], [0, 0]]), Notes()) == 2.5
    assert seconds_of("a text", Text()) == 0.0
