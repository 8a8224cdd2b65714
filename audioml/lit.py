"""The one LightningModule: it weighs the method's losses; its callback watches, and writes down how training goes."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from audioml.chance import reseed
from audioml.errors import RequestError, RunError
from audioml.fit import Fit, NoLogger
from audioml.history import History
from audioml.kinds import Batch, Seq
from audioml.nn.ema import Average
from audioml.system import System

FLUSH = 20  # steps between looks at the losses: reading them each step would stall a GPU and cost 1 ms on a CPU


class Lit(pl.LightningModule):
    """A System in training.  Every step's randomness comes from (seed, step), so that a resumed run draws what it would have."""

    def __init__(self, system: System, *, fit: Fit, learning_rate: float, steps: int, seed: int, signature: str) -> None:
        super().__init__()
        self.system, self.fit_settings, self.learning_rate = system, fit, learning_rate
        self.total_steps, self.seed, self.signature = steps, seed, signature
        self.weights = dict(system.plan.method.losses)
        self._valid: list[tuple[torch.Tensor, int]] = []
        self.began = time.monotonic()
        self.turns = system.plan.method.turns
        self.automatic_optimization = len(self.turns) == 1 and system.plan.method.gradient
        self.average = Average(system, fit.average) if fit.average else None
        if self.average is not None and any(isinstance(m, Average) for m in system.modules()):
            name = system.plan.method.name
            raise RequestError(f"method '{name}' keeps an average of the weights already; take trainer.average=null")

    def __setattr__(self, name: str, value: Any) -> None:
        """Lightning notes the running hook on the module some forty times a step; nn.Module would search its tables each time."""
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move tensors; on a CPU there is nothing to do, and walking the batch would cost more than a small layer."""
        if device.type == "cpu":
            return batch
        return {
            p: Seq(*(v.to(device, non_blocking=True) if isinstance(v, torch.Tensor) else v for v in s)) for p, s in batch.items()
        }

    def _weigh(self, losses: dict[str, torch.Tensor]) -> torch.Tensor:
        """The only place where loss weights are applied."""
        return torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()

    def training_step(self, batch: Batch, index: int) -> dict[str, torch.Tensor]:
        """Total loss; the named parts ride along, detached."""
        reseed((self.seed * 1_000_003 + self.steps_done) * 64 + self.global_rank)
        if not self.system.plan.method.gradient:
            return self._gather(batch)
        if not self.automatic_optimization:
            return self._turns(batch)
        losses = self.system.plan.method.loss(self.system, batch)
        return {"loss": self._weigh(losses), **{k: v.detach() for k, v in losses.items()}}

    @property
    def steps_done(self) -> int:
        """Training steps behind us, whatever the number of optimisers."""
        return self.global_step // len(self.turns)

    def _turns(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Each turn in order: its losses, its optimiser, its schedule."""
        shown, total = {}, 0.0
        optimizers, schedules = self.optimizers(), self.lr_schedulers()
        for turn, optimizer, schedule in zip(self.turns, optimizers, schedules, strict=True):  # type: ignore[arg-type]
            self.toggle_optimizer(optimizer)
            losses = getattr(self.system.plan.method, turn)(self.system, batch)
            loss = self._weigh(losses)
            optimizer.zero_grad()
            self.manual_backward(loss)
            self.configure_gradient_clipping(optimizer, self.fit_settings.gradient_clip)
            optimizer.step()
            schedule.step()
            self.untoggle_optimizer(optimizer)
            shown |= {k: v.detach() for k, v in losses.items()}
            total = loss.detach()
        return {"loss": total, **shown}

    def _gather(self, batch: Batch) -> dict[str, torch.Tensor]:
        """The turn's statistics.  The idle optimiser only lets Lightning count the step."""
        (turn,) = self.turns
        losses = getattr(self.system.plan.method, turn)(self.system, batch)
        self.optimizers().step()  # type: ignore[union-attr]
        return {"loss": self._weigh(losses), **losses}

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """What the method does after a step (averages, dead codes), and the average of the weights."""
        self.system.plan.method.after_step(self.system, self.steps_done)
        if self.average is not None:
            self.average.update(self.system)

    def configure_gradient_clipping(self, optimizer: Any, gradient_clip_val: float | None = None, *_: Any, **__: Any) -> None:
        """By their norm.  Lightning's own refuses fused optimisers in any mixed precision; bfloat16 has no scale to mind."""
        if gradient_clip_val:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    def validation_step(self, batch: Batch, index: int) -> None:
        """The same losses on fixed clips, of the averaged weights where there are such."""
        with self.average.instead(self.system) if self.average is not None else nullcontext():
            losses = self.system.plan.method.loss(self.system, batch)
        self._valid.append((self._weigh(losses), len(next(iter(batch.values())).n)))

    def on_validation_epoch_end(self) -> None:
        """One number for the callbacks that choose and stop."""
        if self._valid:
            total = sum(loss * count for loss, count in self._valid) / sum(count for _, count in self._valid)
            self._valid = []
            self.log("valid/loss", total, sync_dist=True)

    def on_fit_start(self) -> None:
        """The clock of a schedule that ends by time."""
        self.began = time.monotonic()

    def configure_optimizers(self) -> Any:
        """AdamW; the learning rate rises over `warmup` of the steps, then falls to zero along a cosine."""
        if not self.system.plan.method.gradient:
            return torch.optim.SGD(self.system.parameters(), lr=0.0)
        fit = self.fit_settings
        scaled = fit.precision.startswith("16")  # a fused optimiser would see the gradients clipped before they are scaled back
        adversarial = len(self.turns) > 1

        def adam(turn: str) -> torch.optim.Optimizer:
            return torch.optim.AdamW(
                self.system.plan.method.parameters(self.system, turn),
                lr=self.learning_rate,
                weight_decay=fit.weight_decay,
                betas=(0.8, 0.99) if adversarial else (0.9, 0.99),  # as in HiFi-GAN (Kong et al. 2020, §3.1)
                fused=None if scaled else True,
            )

        rise = max(1, round(fit.warmup * self.total_steps))

        def factor(step: int) -> float:
            spent = (time.monotonic() - self.began) / (60 * fit.minutes) if fit.minutes else 0.0
            if step < rise and (not fit.minutes or spent < fit.warmup):
                return max((step + 1) / rise, spent / fit.warmup if fit.warmup else 1.0)
            done = max((step - rise) / max(1, self.total_steps - rise), (spent - fit.warmup) / (1 - fit.warmup))
            return 0.5 * (1 + math.cos(math.pi * min(1.0, done))) if fit.anneal else 1.0

        def schedule(optimizer: torch.optim.Optimizer) -> Any:
            return {"scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, factor), "interval": "step"}

        optimizers = [adam(turn) for turn in self.turns]
        return [{"optimizer": o, "lr_scheduler": schedule(o)} for o in optimizers] if adversarial else {
            "optimizer": optimizers[0], "lr_scheduler": schedule(optimizers[0])
        }  # fmt: skip

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Name the plan, so that another plan's run refuses these weights; keep what representations learnt."""
        states = {p: s.representation.state() for p, s in self.system.plan.sides().items() if s.representation.fits}
        checkpoint["audioml"] = {"signature": self.signature, "representations": states}


class Meter(Callback):
    """Progress bar, metrics.csv, the logger and the NaN guard, all fed every FLUSH steps.

    `watch` is told each validation loss and may end the run by an error."""

    def __init__(self, history: History, logger: NoLogger, *, steps: int, progress: bool, watch: Any = None) -> None:
        self.history, self.logger, self.steps, self.progress, self.watch = history, logger, steps, progress, watch
        self.waiting: list[tuple[int, dict[str, torch.Tensor]]] = []
        self.bar: Any = None
        self.seconds, self._begin = 0.0, 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Open the bar where the run stands."""
        self._begin = time.perf_counter()
        if self.progress and trainer.is_global_zero:
            from tqdm import tqdm

            self.bar = tqdm(total=self.steps, initial=module.steps_done, desc="train", unit="step", mininterval=0.5, leave=False)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int) -> None:
        """Remember; look only now and then."""
        self.waiting.append((module.steps_done, outputs))  # type: ignore[arg-type, operator]
        if self.bar is not None:
            self.bar.update()
        if len(self.waiting) >= FLUSH:
            self.look(trainer)

    def look(self, trainer: pl.Trainer) -> None:
        """Read the waiting losses in one go; stop at the first that is not finite."""
        if not self.waiting:
            return
        names = list(self.waiting[0][1])
        table = torch.stack([losses[n] for _, losses in self.waiting for n in names]).float().cpu().reshape(-1, len(names))
        steps = [step for step, _ in self.waiting]
        self.waiting = []
        bad = (~table.isfinite()).any(1).nonzero()
        if len(bad):
            step = steps[int(bad[0])]
            values = ", ".join(f"{n}={v:g}" for n, v in zip(names, table[int(bad[0])].tolist(), strict=True))
            raise RunError(
                f"the loss is not finite at step {step} (batch {step - 1} of this seed's order; {values}); the last checkpoint is "
                "from before; a lower model.learning_rate or trainer.gradient_clip often helps"
            )
        mean = dict(zip((f"train/{n}" for n in names), table.mean(0).tolist(), strict=True))
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        if trainer.is_global_zero:
            self.history.log(steps[-1], {**mean, "train/learning_rate": rate})
            self.logger.log(steps[-1], {**mean, "train/learning_rate": rate})
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {mean['train/loss']:.3g}", refresh=False)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Before any checkpoint is written, be sure that its losses were finite."""
        self.look(trainer)
        valid = trainer.callback_metrics.get("valid/loss")
        if valid is not None and trainer.is_global_zero:
            self.history.append(module.steps_done, "valid/loss", float(valid))  # type: ignore[arg-type, operator]
            self.logger.log(module.steps_done, {"valid/loss": float(valid)})  # type: ignore[arg-type, operator]
        if trainer.is_global_zero:
            self.history.flush()
        if valid is not None and self.watch is not None:
            self.watch(module.steps_done, float(valid))

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Close the bar, stop the clock."""
        self.close()

    def close(self) -> None:
        """Idempotent."""
        if self._begin:
            self.seconds, self._begin = time.perf_counter() - self._begin, 0.0
        if self.bar is not None:
            self.bar.close()
            self.bar = None
