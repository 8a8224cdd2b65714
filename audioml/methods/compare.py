"""Losses between what was made and what was wanted, as waves or in the output's space; unnamed stems in their best order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioml.errors import RequestError, did_you_mean
from audioml.kinds import Batch, Seq, signals_of
from audioml.lazy import LazyModule

if TYPE_CHECKING:
    from audioml.system import System

torch = LazyModule("torch")
losses = LazyModule("audioml.losses")

LOSS_NAMES = ("snr", "si_sdr", "l1", "spectral", "multispectral")


def check_losses(given: dict[str, float], setting: str, own: tuple[str, ...] = ()) -> None:
    """Raises RequestError for a loss that neither lies between waves nor is one of the method's `own`."""
    have = (*own, *LOSS_NAMES)
    for name in given:
        if name not in have:
            near = did_you_mean(name, have)
            raise RequestError(f"method.{setting}.{name} is not a loss{near or ';'} losses: {', '.join(have)}")


def in_order(system: System, made: Any, target: Seq, by: str) -> Any:
    """The wave [B, …, T], unnamed stems in the order that loss `by` finds best."""
    if not system.plan.task.unordered:
        return made
    return losses.reordered(made, losses.best_order(made, target.x, target.n, by))


def waves(system: System, made: Any, batch: Batch, names: tuple[str, ...]) -> dict[str, Any]:
    """Losses `names` of the made wave [B, …, T]."""
    target = batch[system.plan.output.port]
    made = in_order(system, made, target, names[0])
    return {name: losses.LOSSES[name](made.flatten(1, -2), target.x.flatten(1, -2), target.n) for name in names}


def space(system: System, frames: Any, target: Seq) -> Any:
    """Mean absolute difference of frames [B, …, N] and the encoded target over its valid frames."""
    frames = fitted(frames, target.x.shape[-1])
    valid = torch.arange(frames.shape[-1], device=frames.device) < target.n.to(frames.device)[:, None]
    valid = valid.reshape(len(valid), *(1,) * (frames.dim() - 2), -1)
    frames, wanted = frames * valid, target.x * valid
    if system.plan.task.unordered:
        stems = (signals_of(system.plan.output.world)[0], -1)
        a, b = (x.flatten(2).unflatten(1, stems) for x in (frames, wanted))
        order = losses.best_order(a, b, target.n.new_full(target.n.shape, a.shape[-1]), "l1")
        frames = losses.reordered(a, order).reshape(frames.shape)
    return (frames - wanted).abs().sum() / (valid.sum().clamp(min=1) * frames[0, ..., 0].numel())


def fitted(x: Any, count: int) -> Any:
    """[..., N] -> [..., count]: cut, or the last frame held."""
    if x.shape[-1] >= count:
        return x[..., :count]
    return torch.cat([x, x[..., -1:].expand(*x.shape[:-1], count - x.shape[-1])], -1)
