"""U-Net (Ronneberger et al. 2015; for spectrograms Jansson et al. 2017; bottlenecks: CRN, DPCRN)."""

from __future__ import annotations

import itertools
from typing import Any, Literal

from torch import Tensor, nn

from audioml.kinds import Frames, Grid, Space, Tokens
from audioml.nn.layers import Chain, DualPath, FlatPath, TimeConv, make_norm
from audioml.nn.network import Network
from audioml.nn.prelu import PReLU
from audioml.nn.upsample import ConvTranspose2d


class Unet(Network):
    """Halves the bins of a Grid [B, width, F, N] `depth` times and back, with skips; time keeps its rate, so it can stream.

    `fold` bins enter as one; on Frames [B, width, N] the channels take the bins' place: see `_as_grid`.  `bottleneck` is
    `none`, or `layers` recurrent blocks: `lstm` over all bins at once, `dual` across the bins and then along time; with `bi`
    in front the recurrence along time goes both ways.  With symbols to emit only the way down is built, and bins are not
    folded.
    """

    takes = ("Grid", "Frames")
    traffic = ("aligned",)
    causal_if = {"causal": True, "norm": "frame", "bottleneck": "none"}

    def __init__(
        self,
        inp: Space,
        out: Space,
        *,
        fold: int,
        width: int,
        depth: int,
        growth: float,
        widest: int,
        kernel: list[int],
        causal: bool,
        norm: Literal["batch", "frame", "global"],
        bottleneck: Literal["none", "lstm", "bilstm", "dual", "bidual"],
        cells: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__(inp, out)
        self.causal, self.kind, self.neck = causal, norm, bottleneck
        self.flat = isinstance(inp, Frames)
        self.fold = 1 if isinstance(out, Tokens) else fold
        self.bins = 64 if self.flat else -(-inp.bins // self.fold)  # type: ignore[union-attr]
        self.width = width * self.bins if self.flat else width
        channels = [min(widest, round(width * growth**i)) for i in range(depth + 1)]
        sizes = [self.bins]
        for _ in range(depth):
            sizes.append((sizes[-1] + 1) // 2)

        def conv(a: int, b: int, stride: int = 1) -> Chain:
            layer = TimeConv(a, b, (kernel[0], kernel[1]), causal=causal, bin_stride=stride)
            return Chain(layer, make_norm(norm, b, 2), PReLU())

        self.down = nn.ModuleList([conv(a, b, 2) for a, b in itertools.pairwise(channels)])
        ways = 2 if bottleneck.startswith("bi") else 1
        middle: list[nn.Module] = []
        for _ in range(0 if bottleneck == "none" else layers):
            if bottleneck.endswith("dual"):
                middle.append(DualPath(channels[-1], cells, directions=ways, dropout=dropout))
            else:
                middle.append(FlatPath(channels[-1], sizes[-1], cells, directions=ways, dropout=dropout))
        self.middle = nn.ModuleList(middle)
        self.ups = not isinstance(out, Tokens)
        self.up, self.merge = nn.ModuleList(), nn.ModuleList()
        if self.ups:
            for i in reversed(range(depth)):
                odd = sizes[i] % 2
                self.up.append(
                    ConvTranspose2d(channels[i + 1], channels[i], (kernel[0], 1), (2, 1), (kernel[0] // 2, 0), (1 - odd, 0))
                )
                self.merge.append(conv(channels[i], channels[i]))
        last = (channels[0], sizes[0]) if self.ups else (channels[-1], sizes[-1])
        rate = inp.rate  # type: ignore[union-attr]
        self.out = Frames(last[0] * last[1], rate) if self.flat else Grid(*last, rate)

    def _as_grid(self, h: Tensor) -> Tensor:
        """Frames [B, width·64, N] -> [B, width, 64, N]: the embedding learns an order of 64 "bins"."""
        return h.unflatten(1, (-1, self.bins)) if self.flat else h

    def _run(self, h: Tensor, n: Tensor | None, state: dict[str, Any] | None) -> tuple[Tensor, dict[str, Any] | None]:
        """All frames (state None) or the next ones (state a dict, empty at the start)."""
        new: dict[str, Any] = {}

        def through(key: str, layer: Any, x: Tensor, *extra: Any) -> Tensor:
            if state is None:
                return layer(x, *extra)
            x, new[key] = layer.step(x, state.get(key))
            return x

        x, skips = self._as_grid(h), []
        for i, layer in enumerate(self.down):
            skips.append(x)
            x = through(f"down{i}", layer, x)
        for i, layer in enumerate(self.middle):
            x = through(f"middle{i}", layer, x, *(() if state is not None else (n,)))
        for i, (up, merge) in enumerate(zip(self.up, self.merge, strict=True)):
            x = through(f"merge{i}", merge, up(x) + skips.pop())
        return (x.flatten(1, 2) if self.flat else x), (None if state is None else new)

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """[B, width, F, N] -> the same layout."""
        return self._run(h, n, None)[0]

    def cannot_step(self) -> str:
        """Steps when causal, without a norm over the clip, and with at most a one-way bottleneck."""
        if self.kind == "global":
            return "unet with norm=global averages over the whole clip; norm=frame or norm=batch streams"
        if self.neck.startswith("bi"):
            return f"unet with bottleneck={self.neck} reads the clip from its end; bottleneck={self.neck[2:]} streams"
        return "" if self.causal else "unet with causal=false looks at later frames; causal=true streams"

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next frames; the state holds each layer's past inputs and the bottleneck's cells."""
        return self._run(h, None, state or {})  # type: ignore[return-value]
