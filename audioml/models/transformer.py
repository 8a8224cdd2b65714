"""Transformer (Vaswani et al. 2017), pre-norm: an encoder, a causal or chunked streamer, and with a memory a decoder."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from audioml.errors import RequestError
from audioml.kinds import Frames, Seq, Space
from audioml.nn.attention import Attention, CrossAttention
from audioml.nn.network import Network
from audioml.nn.positions import sinusoids


class Transformer(Network):
    """`layers` pre-norm blocks on Frames [B, width, N]; attention reaches `window` frames on each side (past only if causal).

    `positions`: rotary; relative, learned per distance up to `clip` frames (Shaw et al. 2018; skewed as in the Music
    Transformer, Huang et al. 2019); sinusoidal; cosines, the same in MusicGen's order and in the input alone; or none.
    `chunk` > 1 with causal=true: a frame also sees the rest of its chunk (Emformer, Shi et al. 2021), so that frames come out
    `chunk` at a time.  `with_memory` adds cross-attention.  `unbiased`: linear layers without biases (as in MusicGen).
    `dropout` acts on what each sublayer adds and inside the dense ones; attention weights are spared, which costs a third less.
    """

    takes = ("Frames",)
    traffic = ("aligned", "memory")
    published = ("musicgen_decoder",)
    causal_if = {"causal": True, "chunk": 1}

    def __init__(
        self,
        inp: Space,
        out: Space,
        *,
        width: int,
        layers: int,
        heads: int,
        positions: Literal["rotary", "relative", "sinusoidal", "cosines", "none"],
        clip: int,
        window: int,
        causal: bool,
        chunk: int,
        expand: int,
        dropout: float,
        unbiased: bool,
    ) -> None:
        super().__init__(inp, out)
        if width % (2 * heads):
            raise RequestError(f"model.width={width} must be a multiple of twice model.heads={heads}")
        if chunk < 1 or (chunk > 1 and not causal):
            raise RequestError(f"model.chunk={chunk} should be 1, or with model.causal=true a number of frames")
        self.width, self.causal, self.heads, self.positions = width, causal, heads, positions
        self.grain = chunk
        self.out = Frames(width, inp.rate)  # type: ignore[union-attr]
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2 * layers + 1)])
        self.bias = bias = not unbiased
        look = {"bias": bias, "window": window, "causal": causal, "chunk": chunk, "positions": positions, "clip": clip}
        self.attention = nn.ModuleList([Attention(width, heads, **look) for _ in range(layers)])  # type: ignore[arg-type]

        def dense() -> nn.Module:
            up, down = nn.Linear(width, expand * width, bias), nn.Linear(expand * width, width, bias)
            return nn.Sequential(up, nn.GELU(), nn.Dropout(dropout), down)

        self.dense = nn.ModuleList([dense() for _ in range(layers)])
        self.drop = nn.Dropout(dropout)
        self.memory_dim = 0
        self.cross, self.cross_norms = nn.ModuleList(), nn.ModuleList()

    def with_memory(self, dim: int) -> None:
        """Add cross-attention over a memory of `dim` channels to every block, between self-attention and the dense layers."""
        self.memory_dim = dim
        placed = self.positions not in ("cosines", "none")
        layers = range(len(self.attention))
        self.cross = nn.ModuleList([CrossAttention(self.width, dim, self.heads, placed=placed, bias=self.bias) for _ in layers])
        self.cross_norms = nn.ModuleList([nn.LayerNorm(self.width) for _ in layers])

    def _run(self, h: Tensor, n: Tensor | None, state: dict[str, Any] | None, memory: Seq | None) -> tuple[Tensor, dict[str, Any]]:
        """All frames (state None) or the next ones (state a dict, empty at the start)."""
        assert len(self.cross) == 0 or memory is not None, "a transformer with cross-attention needs its memory"
        old = state or {"at": 0, "self": [None] * len(self.attention), "memory": [c.keep(memory) for c in self.cross]}
        x, caches = h.transpose(1, 2), []
        allowed = self.attention[0].allowed(x, n) if state is None else None
        if self.positions in ("sinusoidal", "cosines"):
            x = x + sinusoids(old["at"], x.shape[1], self.width, x, cosines_first=self.positions == "cosines")
        for i, (attention, dense) in enumerate(zip(self.attention, self.dense, strict=True)):
            y = self.norms[2 * i](x)
            if state is None:
                y = attention(y, allowed)
            else:
                y, cache = attention.step(y, old["self"][i])
                caches.append(cache)
            x = x + self.drop(y)
            if len(self.cross):
                x = x + self.drop(self.cross[i](self.cross_norms[i](x), old["memory"][i], old["at"]))
            x = x + self.drop(dense(self.norms[2 * i + 1](x)))
        return self.norms[-1](x).transpose(1, 2), {"at": old["at"] + h.shape[-1], "self": caches, "memory": old["memory"]}

    def forward(self, h: Tensor, n: Tensor | None = None, memory: Seq | None = None) -> Tensor:
        """[B, width, N], and a memory [B, dim, M] where `with_memory` was called -> [B, width, N]."""
        return self._run(h, n, None, memory)[0]

    def cannot_step(self) -> str:
        """Steps when causal."""
        return "" if self.causal else "transformer with causal=false looks at later frames; causal=true streams"

    def step(self, h: Tensor, state: Any, memory: Seq | None = None) -> tuple[Tensor, Any]:
        """The next frames, whole chunks of them (the last may be cut short); the state caches all keys and values."""
        assert not state or state["at"] % self.grain == 0, "a step begins inside a chunk"
        return self._run(h, None, state or {}, memory)
