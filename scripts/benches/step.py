"""What a training step costs beside a bare PyTorch loop: same module, batches, optimiser, clipping, schedule, threads, validation
and two checkpoints (one of the weights alone); ours has the progress bar, metrics.csv, the NaN guard and Lightning on top.

CPU time of whole stretches of steps on one thread, in pairs whose order changes, so that other work on the machine does not
count; a bare step of about 5 ms and one of about 50 ms on a core of an AMD EPYC with AVX-512 (the table says what it took).  The
first pair is thrown away: until the allocator holds what a large step needs, its pages are faulted in anew (5 ms a step, in
either loop).  What waits without computing (a slow disk at a checkpoint) is not seen.
"""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from audioml import build, shelf
from audioml.checkpoints import checkpoints
from audioml.fit import NoLogger
from audioml.history import History
from audioml.kinds import Seq
from audioml.lit import Lit, Meter
from audioml.memory import keep_freed
from audioml.system import System
from benches._timing import Row

SIZES = {"step of about 5 ms": (56, 1, 0.38, 400, 0.85), "step of about 50 ms": (384, 4, 1.0, 100, 0.98)}
ROUNDS = 8  # pairs


def run() -> list[Row]:
    """The rows of both sizes; the targets are issue 2's."""
    torch.set_num_threads(1)
    keep_freed()  # as a run does
    for name in ("pytorch_lightning", "lightning_fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    rows = []
    for name, (width, items, seconds, steps, target) in SIZES.items():
        batches = make_batches(items, seconds)
        times: dict[str, list[float]] = {"bare": [], "audioml": []}
        loops: list[tuple[str, Callable[..., float]]] = [("bare", bare), ("audioml", ours)]
        for k in range(1 + ROUNDS):
            for who, loop in loops[:: 1 if k % 2 else -1]:
                took = loop(make(width), batches, steps) / steps * 1e6
                times[who] += [took] if k else []
        cost = {who: statistics.median(t) for who, t in times.items()}
        spread = {who: (max(t) - min(t)) / cost[who] for who, t in times.items()}
        rows.append(Row("step", f"bare loop, {name}", cost["bare"], "µs CPU/step", 1.0, spread["bare"]))
        ratio = statistics.median(b / a for b, a in zip(times["bare"], times["audioml"], strict=True))
        rows.append(Row("step", f"audioml, {name}", cost["audioml"], "µs CPU/step", ratio, spread["audioml"], target))
    return rows


def make(width: int) -> System:
    """The quick fcn of that width on the enhancement task."""
    task = shelf.make("task", "enhancement")
    draft = build.Draft(task, build.generic_worlds(task), {"model": {"width": width}}, {}, "quick")
    torch.manual_seed(0)
    return System(draft.plan({"task": "enhancement", "representation": "stft_mag", "model": "fcn", "method": "mask"}))


def make_batches(items: int, seconds: float) -> list[dict[str, Seq]]:
    """Eight batches that both loops go round."""
    samples = int(16000 * seconds)
    n = torch.full((items,), samples)
    out = []
    for _ in range(8):
        clean = 0.1 * torch.randn(items, 1, samples)
        out.append({"noisy": Seq(clean + 0.05 * torch.randn_like(clean), n), "clean": Seq(clean, n)})
    return out


class Loader:
    """`steps` batches, round and round."""

    def __init__(self, batches: list[dict[str, Seq]], steps: int) -> None:
        self.batches, self.steps = batches, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Any:
        return (self.batches[k % len(self.batches)] for k in range(self.steps))


def timed(begin: Callable[[], Any]) -> float:
    """CPU seconds."""
    start = time.process_time()
    begin()
    return time.process_time() - start


class Clock(pl.Callback):
    """CPU seconds between the start and the end of training."""

    def on_train_start(self, *_: Any) -> None:
        self.begun = time.process_time()

    def on_train_end(self, *_: Any) -> None:
        self.seconds = time.process_time() - self.begun


def bare(net: System, batches: list[dict[str, Seq]], steps: int) -> float:
    """CPU seconds of a plain loop, with validation and two files at the end."""
    method = net.plan.method

    def total(batch: dict[str, Seq]) -> torch.Tensor:
        return torch.stack([method.losses[k] * v for k, v in method.loss(net, batch).items()]).sum()

    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)

    def loop(folder: str) -> None:
        net.train()
        for batch in Loader(batches, steps):
            loss = total(batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            total(batches[0])
        torch.save({"net": net.state_dict()}, os.path.join(folder, "best.pt"))
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, os.path.join(folder, "last.pt"))

    with tempfile.TemporaryDirectory() as folder:
        return timed(lambda: loop(folder))


def ours(net: System, batches: list[dict[str, Seq]], steps: int) -> float:
    """CPU seconds between the start and the end of training as train.py does it."""
    fit = shelf.make("trainer", "cpu", {"threads": 1})
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lit = Lit(net, fit=fit, learning_rate=1e-3, steps=steps, seed=0, signature="bench")
        meter = Meter(History(folder / "metrics.csv"), NoLogger(), steps=steps, progress=True)
        trainer = fit.trainer(steps=steps, callbacks=[clock := Clock(), meter, *checkpoints(folder, 0)], folder=folder)
        trainer.fit(lit, train_dataloaders=Loader(batches, steps), val_dataloaders=Loader(batches, 1))
        return clock.seconds
