"""Attention over a clip or in steps with cached keys and values; over the frames themselves or over a memory."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audioml.kinds import Seq
from audioml.nn.positions import Relative, rotate, sinusoids

Positions = Literal["rotary", "relative", "sinusoidal", "cosines", "none"]


def allowed_pairs(queries: Tensor, keys: Tensor, *, window: int, causal: bool, chunk: int) -> Tensor:
    """Who sees whom [N, M], from positions [N] and [M].

    Causal: a frame sees its own chunk and `window` frames before that chunk (Emformer, Shi et al. 2021; chunk=1 is plain
    causal attention).  Otherwise `window` frames on either side.
    """
    i, j = queries[:, None], keys
    if not causal:
        return (i - j).abs() <= window
    first = i if chunk == 1 else i - i % chunk
    return (j < first + chunk) & (j >= first - window)


class Attention(nn.Module):
    """Multi-head self-attention on [B, N, D] within `window` frames; see `allowed_pairs` for `causal` and `chunk`."""

    def __init__(
        self, width: int, heads: int, *, window: int, causal: bool, chunk: int, positions: Positions, clip: int, bias: bool = True
    ) -> None:
        super().__init__()
        self.heads, self.window, self.rotary = heads, window, positions == "rotary"
        self.rule = {"window": window, "causal": causal, "chunk": chunk}
        self.qkv = nn.Linear(width, 3 * width, bias)
        self.out = nn.Linear(width, width, bias)
        future = chunk - 1 if causal else clip
        self.relative = Relative(heads, width // heads, clip=clip, future=future) if positions == "relative" else None

    def _split(self, x: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [3, B, H, N, d]
        return (*rotate(qkv[:2], start).unbind(), qkv[2]) if self.rotary else qkv.unbind()  # type: ignore[return-value]

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None) -> Tensor:
        if self.relative is None:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        else:  # by hand: a mask that wants a gradient sends torch's own attention down a slower path
            extra = self.relative(q, k.shape[-2]).flatten(0, 1)
            scores = torch.baddbmm(extra, q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), alpha=q.shape[-1] ** -0.5)
            scores = scores.view(*q.shape[:-1], -1)
            scores = scores if allowed is None else scores.masked_fill(~allowed, -torch.inf)
            y = scores.softmax(-1) @ v
        return self.out(y.transpose(1, 2).flatten(2))

    def allowed(self, x: Tensor, n: Tensor | None) -> Tensor:
        """Who sees whom, the same in every layer: [N, N], or [B, 1, N, N] where clips end early and are not seen past that."""
        i = torch.arange(x.shape[1], device=x.device)
        pairs = allowed_pairs(i, i, **self.rule)
        return pairs if n is None else pairs & ((i < n.to(i.device)[:, None])[:, None, None] | (i[:, None] == i))

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        """All frames at once."""
        return self._attend(*self._split(x, 0), allowed)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames, whole chunks of them, against a cache of the last `window` keys and values."""
        keys, values, start = state or (None, None, 0)
        q, k, v = self._split(x, start)
        if keys is not None:
            k, v = torch.cat([keys, k], -2), torch.cat([values, v], -2)
        end = start + x.shape[1]
        pairs = None  # one frame sees all that is kept
        if x.shape[1] > 1:
            queries, seen = torch.arange(start, end, device=x.device), torch.arange(end - k.shape[-2], end, device=x.device)
            pairs = allowed_pairs(queries, seen, **self.rule)
        y = self._attend(q, k, v, pairs)
        cut = max(0, k.shape[-2] - self.window)
        return y, (k[..., cut:, :], v[..., cut:, :], end)


class CrossAttention(nn.Module):
    """Multi-head attention of frames [B, N, D] over a memory [B, dim, M].

    `placed` adds sinusoids to queries and keys: an encoder with relative positions has none of its own to point at.
    """

    def __init__(self, width: int, dim: int, heads: int, *, placed: bool, bias: bool = True) -> None:
        super().__init__()
        self.heads, self.placed = heads, placed
        self.q = nn.Linear(width, width, bias)
        self.kv = nn.Linear(dim, 2 * width, bias)
        self.out = nn.Linear(width, width, bias)

    def keep(self, memory: Seq) -> tuple[Tensor, Tensor, Tensor]:
        """Keys and values [B, H, M, d] and who may be seen [B, 1, 1, M]: all that decoding caches of a memory."""
        x = memory.x.transpose(1, 2)
        size = x.shape[1]
        k, v = self.kv(x).chunk(2, -1)
        if self.placed:
            k = k + sinusoids(0, size, k.shape[-1], k)
        seen = torch.arange(size, device=x.device) < memory.n.to(x.device).clamp(min=1)[:, None]
        return self._heads(k), self._heads(v), seen[:, None, None]

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor, kept: tuple[Tensor, Tensor, Tensor], start: int = 0) -> Tensor:
        """x [B, N, D], whose first frame is number `start` -> [B, N, D]."""
        q = self.q(x)
        if self.placed:
            q = q + sinusoids(start, x.shape[1], q.shape[-1], q)
        k, v, seen = kept
        y = F.scaled_dot_product_attention(self._heads(q), k, v, attn_mask=seen)
        return self.out(y.transpose(1, 2).flatten(2))
