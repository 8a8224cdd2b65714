"""Transformer encoder (Vaswani et al. 2017) with pre-norm, rotary positions (Su et al. 2021) and windowed attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audioml.errors import RequestError
from audioml.kinds import Frames, Space
from audioml.nn.network import Network


def rotate(x: Tensor, start: int) -> Tensor:
    """Rotary position embedding on x [B, H, N, D], whose first frame has position `start`."""
    half = x.shape[-1] // 2
    angle = torch.arange(start, start + x.shape[-2], device=x.device, dtype=x.dtype)[:, None] * torch.exp(
        torch.arange(half, device=x.device, dtype=x.dtype) * (-torch.log(torch.tensor(10000.0)).item() / half)
    )
    cos, sin = angle.cos(), angle.sin()
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class Attention(nn.Module):
    """Self-attention on [B, N, D]; each frame sees `window` past frames and itself (causal) or `window` on both sides."""

    def __init__(self, width: int, heads: int, *, window: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.heads, self.window, self.causal, self.dropout = heads, window, causal, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def _split(self, x: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [B, H, N, d]
        return rotate(q, start), rotate(k, start), v

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None) -> Tensor:
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed, dropout_p=self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor, n: Tensor | None) -> Tensor:
        """All frames at once; frames past a clip's end are not attended to."""
        size = x.shape[1]
        i = torch.arange(size, device=x.device)
        gap = i[:, None] - i
        allowed = (gap <= self.window) & ((gap >= 0) if self.causal else (gap >= -self.window))
        if n is not None:
            allowed = allowed & ((i < n[:, None])[:, None, None] | (gap == 0))
        return self._attend(*self._split(x, 0), allowed)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames against a cache of the last `window` keys and values."""
        keys, values, start = state or (None, None, 0)
        q, k, v = self._split(x, start)
        past = 0 if keys is None else keys.shape[-2]
        if keys is not None:
            k, v = torch.cat([keys, k], -2), torch.cat([values, v], -2)
        gap = torch.arange(x.shape[1], device=x.device)[:, None] + past - torch.arange(k.shape[-2], device=x.device)
        y = self._attend(q, k, v, (gap >= 0) & (gap <= self.window))
        return y, (k[..., -self.window :, :], v[..., -self.window :, :], start + x.shape[1])


class Transformer(Network):
    """`layers` pre-norm blocks on Frames [B, width, N]; `window` frames of attention on each side (past only if causal)."""

    takes = ("Frames",)
    traffic = ("aligned",)

    def __init__(
        self, inp: Space, out: Space, *, width: int, layers: int, heads: int, window: int, causal: bool, expand: int, dropout: float
    ) -> None:
        super().__init__(inp, out)
        if width % (2 * heads):
            raise RequestError(f"model.width={width} must be a multiple of twice model.heads={heads}")
        self.width, self.causal = width, causal
        self.out = Frames(width, inp.rate)  # type: ignore[union-attr]
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2 * layers + 1)])
        self.attention = nn.ModuleList(
            [Attention(width, heads, window=window, causal=causal, dropout=dropout) for _ in range(layers)]
        )
        self.dense = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(width, expand * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(expand * width, width))
                for _ in range(layers)
            ]
        )

    def _run(self, h: Tensor, n: Tensor | None, state: list[Any] | None) -> tuple[Tensor, list[Any] | None]:
        x, new = h.transpose(1, 2), []
        for i, (attention, dense) in enumerate(zip(self.attention, self.dense, strict=True)):
            y = self.norms[2 * i](x)
            if state is None:
                y = attention(y, n)
            else:
                y, s = attention.step(y, state[i])
                new.append(s)
            x = x + y
            x = x + dense(self.norms[2 * i + 1](x))
        return self.norms[-1](x).transpose(1, 2), (None if state is None else new)

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """[B, width, N] -> [B, width, N]."""
        return self._run(h, n, None)[0]

    def cannot_step(self) -> str:
        """Steps when causal."""
        return "" if self.causal else "transformer with causal=false looks at later frames; causal=true streams"

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state caches keys and values."""
        return self._run(h, None, state or [None] * len(self.attention))  # type: ignore[return-value]
