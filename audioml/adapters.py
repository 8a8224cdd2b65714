"""EMBED[space] and HEAD[space]: how a space enters a network's layout and how a layout emits a space.  One entry per space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from audioml.kinds import Frames, Grid, Space, Tokens


class Embed(nn.Module):
    """[B, D, N] or [B, C, F, N] -> `width` channels in the network's layout, frame by frame."""

    def __init__(self, space: Frames | Grid, layout: Frames | Grid, width: int) -> None:
        super().__init__()
        self.flatten = isinstance(space, Grid) and isinstance(layout, Frames)
        if isinstance(layout, Grid):
            self.map: nn.Module = nn.Conv2d(layout.channels, width, 1)
        else:
            self.map = nn.Conv1d(layout.dim, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Linear in each frame."""
        return self.map(x.flatten(1, 2) if self.flatten else x)


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
    """Grid of equal bins -> Grid by a 1x1 convolution; any other layout through all its channels and bins."""

    def __init__(self, layout: Frames | Grid, emit: Grid) -> None:
        super().__init__()
        self.emit = emit
        self.direct = isinstance(layout, Grid) and layout.bins == emit.bins
        self.map: nn.Module
        if self.direct:
            assert isinstance(layout, Grid)
            self.map = nn.Conv2d(layout.channels, emit.channels, 1)
        else:
            self.map = HeadFrames(layout, emit.flat())

    def forward(self, h: Tensor) -> Tensor:
        """Linear in each frame."""
        y = self.map(h)
        return y if self.direct else y.unflatten(1, (self.emit.channels, self.emit.bins))


class HeadTokens(nn.Module):
    """Any layout -> logits [B, V, N], as CTC wants them."""

    def __init__(self, layout: Frames | Grid, emit: Tokens) -> None:
        super().__init__()
        self.map = HeadFrames(layout, Frames(emit.size, layout.rate))

    def forward(self, h: Tensor) -> Tensor:
        """Linear in each frame."""
        return self.map(h)


class HeadPooled(nn.Module):
    """Any layout -> logits [B, V, 1] of mean and maximum over the valid frames."""

    def __init__(self, layout: Frames | Grid, emit: Tokens) -> None:
        super().__init__()
        self.flatten = isinstance(layout, Grid)
        dim = layout.flat().dim if isinstance(layout, Grid) else layout.dim
        self.map = nn.Linear(2 * dim, emit.size)

    def forward(self, h: Tensor, n: Tensor) -> Tensor:
        """Padding past each clip's end takes no part."""
        h = h.flatten(1, 2) if self.flatten else h
        valid = (torch.arange(h.shape[-1], device=h.device) < n.to(h.device)[:, None])[:, None]
        mean = (h * valid).sum(-1) / n.to(h)[:, None]
        top = h.masked_fill(~valid, -torch.inf).amax(-1)
        return self.map(torch.cat([mean, top], 1))[..., None]


EMBED: dict[type, Callable[..., nn.Module]] = {Frames: Embed, Grid: Embed}
HEAD: dict[tuple[type, bool], Callable[..., nn.Module]] = {
    (Frames, False): HeadFrames, (Grid, False): HeadGrid, (Tokens, False): HeadTokens, (Tokens, True): HeadPooled,
}


def embed(space: Space, layout: Frames | Grid, width: int) -> nn.Module:
    """The entry of EMBED for a network's input."""
    return EMBED[type(space)](space, layout, width)


def head(layout: Frames | Grid, emit: Space, pool: bool) -> nn.Module:
    """The entry of HEAD for what a method emits."""
    return HEAD[type(emit), pool](layout, emit)
