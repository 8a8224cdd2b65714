"""EMBED[space] and HEAD[space]: how a space enters a network's layout and how a layout emits a space.  One entry per space."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from audioml.kinds import Codes, Frames, Grid, Space, Tokens
from audioml.nn.norms import SharedBatchNorm


class Embed(nn.Module):
    """[B, D, N] or [B, C, F, N] -> `width` channels in the network's layout, frame by frame, each of unit deviation.

    `fold` neighbouring bins of a Grid become one (a patch embedding along the bins), padded with zeros at the top.
    Spectra are small numbers (0.1, say): networks made for unit deviation hardly hear them, and recurrent ones learnt no more
    than a mask that never changes (docs/architecture.md).
    """

    def __init__(self, space: Frames | Grid, layout: Frames | Grid, width: int, fold: int) -> None:
        super().__init__()
        self.flatten = isinstance(space, Grid) and isinstance(layout, Frames)
        self.pad = 0
        if isinstance(layout, Grid):
            self.pad = -layout.bins % fold
            self.map: nn.Module = nn.Conv2d(layout.channels, width, (fold, 1), (fold, 1), bias=False)
        else:
            self.map = nn.Conv1d(layout.dim, width, 1, bias=False)  # the norm has one
        self.norm: nn.Module = SharedBatchNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Linear in each frame, then scaled per channel."""
        x = x.flatten(1, 2) if self.flatten else x
        return self.norm(self.map(nn.functional.pad(x, (0, 0, 0, self.pad)) if self.pad else x))


class AsItIs(nn.Module):
    """For a network that sees the stream itself: [B, D, N] unchanged, a Grid flattened where it takes Frames."""

    def __init__(self, space: Space, layout: Frames | Grid) -> None:
        super().__init__()
        self.flatten = isinstance(space, Grid) and isinstance(layout, Frames)

    def forward(self, x: Tensor) -> Tensor:
        """No number changes."""
        return x.flatten(1, 2) if self.flatten else x


class EmbedSymbols(nn.Module):
    """Symbols [B, L] or [B, K, N] -> [B, width, N]; the vectors of several books add up."""

    def __init__(self, space: Tokens | Codes, layout: Frames | Grid, width: int, fold: int) -> None:
        super().__init__()
        books = space.books if isinstance(space, Codes) else 1
        self.table = nn.Embedding(books * space.size, width)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(books))
        self.register_buffer("offset", torch.arange(books)[:, None] * space.size, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """One row of the table per symbol and book."""
        x = x[:, None] if x.dim() == 2 else x
        return self.table(x + self.offset).sum(1).transpose(1, 2)


class HeadFrames(nn.Module):
    """Any layout -> Frames [B, dim, N]."""

    def __init__(self, layout: Frames | Grid, emit: Frames) -> None:
        super().__init__()
        self.flatten = isinstance(layout, Grid)
        self.map = nn.Conv1d(layout.flat().dim if isinstance(layout, Grid) else layout.dim, emit.dim, 1)

    def forward(self, h: Tensor) -> Tensor:
        """Linear in each frame."""
        return self.map(h.flatten(1, 2) if self.flatten else h)


class HeadGrid(nn.Module):
    """Grid whose bins are the target's, or `fold` times fewer, by a 1x1 or an unfolding convolution; any other layout through
    all its channels and bins."""

    def __init__(self, layout: Frames | Grid, emit: Grid) -> None:
        super().__init__()
        self.emit = emit
        fold = -(-emit.bins // layout.bins) if isinstance(layout, Grid) else 0
        self.direct = isinstance(layout, Grid) and layout.bins == -(-emit.bins // fold)
        self.map: nn.Module
        if self.direct:
            self.map = nn.ConvTranspose2d(layout.channels, emit.channels, (fold, 1), (fold, 1))  # type: ignore[union-attr]
        else:
            self.map = HeadFrames(layout, emit.flat())

    def forward(self, h: Tensor) -> Tensor:
        """Linear in each frame."""
        y = self.map(h)
        return y[:, :, : self.emit.bins] if self.direct else y.unflatten(1, (self.emit.channels, self.emit.bins))


class HeadTokens(nn.Module):
    """Any layout -> logits [B, V, N]."""

    def __init__(self, layout: Frames | Grid, emit: Tokens) -> None:
        super().__init__()
        self.map = HeadFrames(layout, Frames(emit.size, layout.rate))

    def forward(self, h: Tensor) -> Tensor:
        """Linear in each frame."""
        return self.map(h)


class HeadCodes(nn.Module):
    """Any layout -> logits [B, K, V, N]."""

    def __init__(self, layout: Frames | Grid, emit: Codes) -> None:
        super().__init__()
        self.shape = (emit.books, emit.size)
        self.map = HeadFrames(layout, Frames(emit.books * emit.size, layout.rate))

    def forward(self, h: Tensor) -> Tensor:
        """Linear in each frame."""
        return self.map(h).unflatten(1, self.shape)


class HeadPooled(nn.Module):
    """Any layout -> logits [B, V, 1] of mean and maximum over the valid frames, or of the means of `parts` equal stretches."""

    def __init__(self, layout: Frames | Grid, emit: Tokens, parts: int) -> None:
        super().__init__()
        self.flatten, self.parts = isinstance(layout, Grid), parts
        dim = layout.flat().dim if isinstance(layout, Grid) else layout.dim
        self.map = nn.Linear(max(2, parts) * dim, emit.size)

    def forward(self, h: Tensor, n: Tensor) -> Tensor:
        """Padding past each clip's end takes no part."""
        h = h.flatten(1, 2) if self.flatten else h
        return self.map(self._means(h, n) if self.parts > 1 else self._mean_and_top(h, n))[..., None]

    def _means(self, h: Tensor, n: Tensor) -> Tensor:
        place = torch.arange(h.shape[-1], device=h.device) * self.parts // n.to(h.device)[:, None]  # past the end: no part
        member = (place[..., None] == torch.arange(self.parts, device=h.device)).to(h)  # [B, N, parts]
        return (h @ (member / member.sum(1, keepdim=True).clamp(min=1))).flatten(1)

    def _mean_and_top(self, h: Tensor, n: Tensor) -> Tensor:
        valid = (torch.arange(h.shape[-1], device=h.device) < n.to(h.device)[:, None])[:, None]
        mean = (h * valid).sum(-1) / n.to(h)[:, None].clamp(min=1)
        top = h.masked_fill(~valid, -torch.inf).amax(-1).nan_to_num(neginf=0.0)
        return torch.cat([mean, top], 1)


class Clock(nn.Module):
    """A number per item (a noise level in [0, 1]) -> [B, width]: sines, then two layers (Ho et al. 2020, app. B)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequency", torch.logspace(0, 3, 32), persistent=False)
        self.map = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, level: Tensor) -> Tensor:
        """[B] -> [B, width]."""
        angle = level[:, None] * self.frequency
        return self.map(torch.cat([angle.sin(), angle.cos()], 1))


EMBED: dict[type, Callable[..., nn.Module]] = {Frames: Embed, Grid: Embed, Tokens: EmbedSymbols, Codes: EmbedSymbols}
HEAD: dict[tuple[type, bool], Callable[..., nn.Module]] = {
    (Frames, False): HeadFrames,
    (Grid, False): HeadGrid,
    (Codes, False): HeadCodes,
    (Tokens, False): HeadTokens,
    (Tokens, True): HeadPooled,
}


def embed(space: Space, layout: Frames | Grid, width: int, fold: int) -> nn.Module:
    """The entry of EMBED for a network's input."""
    return EMBED[type(space)](space, layout, width, fold)


def head(layout: Frames | Grid, emit: Space, pool: int) -> nn.Module:
    """The entry of HEAD for what a method emits."""
    return HEAD[type(emit), pool > 0](layout, emit, *((pool,) if pool else ()))
