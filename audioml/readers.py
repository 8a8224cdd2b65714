"""How a System reads what does not flow through its network frame by frame: encoders of side inputs, and streams side by side."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audioml.adapters import embed
from audioml.kinds import Codes, Frames, Grid, Label, Notes, Phones, Seq, Space, Tags, Text, Times, Tokens, World, waist_of
from audioml.parts import Side
from audioml.plan import ModelChoice


def build_network(model: ModelChoice, layout: Frames | Grid, emit: Space) -> Any:
    """The model's class with its settings, for that layout."""
    module, _, name = model.target.rpartition(".")
    return getattr(import_module(module), name)(layout, emit, **model.settings)


class Reader(nn.Module):
    """A side input -> [B, width, M] (to be attended to) or [B, width] (pooled).

    Frames and grids go through the row's own kind of network where it takes them; symbols, and what it does not take, through
    three residual convolutions.
    """

    def __init__(self, side: Side, model: ModelChoice, width: int, *, pool: bool) -> None:
        super().__init__()
        self.pool = pool
        symbols = isinstance(side.space, Tokens | Codes)
        layout = None if symbols else waist_of(side.space, model.takes)
        self.network: Any
        if layout is None:
            inner = side.space.flat() if isinstance(side.space, Grid) else side.space
            self.embed: nn.Module = embed(inner, Frames(getattr(inner, "dim", 1), getattr(inner, "rate", None)), width, 1)
            self.network, out = Convolutions(width), width
            self.flatten = isinstance(side.space, Grid)
        else:
            self.network = build_network(model, layout, Frames(width, layout.rate))
            self.embed = embed(side.space, layout, self.network.width, self.network.fold)
            have = self.network.out
            out = have.flat().dim if isinstance(have, Grid) else have.dim
            self.flatten = False
        self.out = nn.Linear(2 * out if pool else out, width)

    def forward(self, seq: Seq) -> Seq:
        """Padding takes no part; an empty item reads as zeros."""
        x = seq.x.flatten(1, 2) if self.flatten else seq.x
        n = seq.n.to(self.out.weight.device)
        if not x.shape[-1]:
            x, seq = x.new_zeros(*x.shape[:-1], 1), Seq(x, seq.n)
        h = self.network(self.embed(x), n.clamp(min=1))
        h = h.flatten(1, 2) if h.dim() == 4 else h
        valid = (torch.arange(h.shape[-1], device=h.device) < n[:, None])[:, None]
        if self.pool:
            mean = (h * valid).sum(-1) / n.to(h)[:, None].clamp(min=1)
            top = h.masked_fill(~valid, -torch.inf).amax(-1).nan_to_num(neginf=0.0)
            read = self.out(torch.cat([mean, top], 1))
            return Seq(read * (n > 0)[:, None], torch.ones_like(n))
        read = torch.where(valid | (n == 0)[:, None, None], self.out(h.transpose(1, 2)).transpose(1, 2), 0.0)
        return Seq(read, n.clamp(min=1))


class Convolutions(nn.Module):
    """Three residual convolutions over five steps each: [B, width, N] -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(width, width, 5, padding=2) for _ in range(3)])
        self.norms = nn.ModuleList([nn.GroupNorm(1, width) for _ in range(3)])

    def forward(self, h: Tensor, n: Tensor) -> Tensor:
        """Frames past an item's end are kept at zero, so that padding changes nothing but the norms' statistics."""
        valid = (torch.arange(h.shape[-1], device=h.device) < n[:, None])[:, None]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = (h + F.gelu(layer(norm(h * valid)))) * valid
        return h


def concatenated(parts: list[Seq]) -> Seq:
    """Memories one after the other, each item's valid steps packed to the front."""
    rows = [torch.cat([p.x[b, :, : int(p.n[b])] for p in parts], -1) for b in range(len(parts[0].n))]
    n = torch.stack([p.n for p in parts]).sum(0)
    return Seq(nn.utils.rnn.pad_sequence([r.T for r in rows], batch_first=True).transpose(1, 2), n)


def side_by_side(x: Tensor, others: list[Tensor], space: Space) -> Tensor:
    """Streams concatenated frame by frame, each cut or zero-padded to the first's frames; flat where `space` is Frames."""
    if not others:
        return x
    frames = x.shape[-1]
    fitted = [x, *(F.pad(o, (0, max(0, frames - o.shape[-1])))[..., :frames] for o in others)]
    if isinstance(space, Frames):
        fitted = [o.flatten(1, 2) if o.dim() == 4 else o for o in fitted]
    return torch.cat(fitted, 1)


def example_of(world: World, seconds: float, batch: int, like: Tensor, generator: torch.Generator | None) -> Seq:
    """A plausible item of a world kind: noise, a short text, a few notes."""
    make: Any = _EXAMPLES.get(type(world), _wave)
    return make(world, seconds, batch, like, generator)


def _wave(world: Any, seconds: float, batch: int, like: Tensor, generator: torch.Generator | None) -> Seq:
    samples = int(seconds * (world.rate or 16000))
    rows = getattr(world, "names", None) or getattr(world, "values", None) or ()
    channels = (world.channels or 1,) if hasattr(world, "channels") else ()
    x = 0.1 * torch.randn(batch, *((len(rows),) if rows else ()), *channels, samples, generator=generator).to(like)
    return Seq(x, torch.full((batch,), samples, device=like.device))


def _text(world: Text, seconds: float, batch: int, like: Tensor, generator: torch.Generator | None) -> Seq:
    letters = world.alphabet or "ab"
    text = (letters * 8)[: max(2, int(4 * seconds))]
    return Seq([text] * batch, torch.full((batch,), len(text), device=like.device))


def _label(world: Label | Tags, seconds: float, batch: int, like: Tensor, generator: torch.Generator | None) -> Seq:
    ones = torch.ones(batch, dtype=torch.long, device=like.device)
    if isinstance(world, Tags):
        return Seq(torch.zeros(batch, len(world.classes or ()), device=like.device), ones)
    return Seq(torch.zeros_like(ones), ones)


def _rows(world: Notes | Times | Phones, seconds: float, batch: int, like: Tensor, generator: torch.Generator | None) -> Seq:
    step = getattr(world, "step", None) or 0.25
    count = max(1, int(seconds / step))
    start = torch.arange(count) * step
    rows = {
        Notes: [start, start + step, 0 * start + (getattr(world, "low", None) or 60), 0 * start + 0.7, 0 * start],
        Times: [start, 0 * start],
        Phones: [start, start + step, 0 * start],
    }[type(world)]
    x = torch.stack(rows).float().to(like.device).expand(batch, -1, -1).clone()
    return Seq(x, torch.full((batch,), count, device=like.device))


_EXAMPLES = {Text: _text, Label: _label, Tags: _label, Notes: _rows, Times: _rows, Phones: _rows}
