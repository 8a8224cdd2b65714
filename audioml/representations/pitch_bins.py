"""A pitch curve as one code per frame: bins of equal width in cents, and one for unvoiced (CREPE, Kim et al. 2018)."""

from __future__ import annotations

import math
from typing import Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Codes, Curve, Seq
from audioml.lazy import LazyModule
from audioml.parts import Representation

torch = LazyModule("torch")


class PitchBins(Representation):
    """Codes [B, values, N] as fast as the network: `bins` of `cents` from `lowest` Hz up, then one that says unvoiced.

    A voiced frequency decodes to its bin's centre, at most cents/2 away; beyond the range it becomes unvoiced.
    """

    carries = (Curve,)
    follows = True

    def __init__(self, *, bins: int, cents: float, lowest: float) -> None:
        if bins < 1 or cents <= 0 or lowest <= 0:
            raise RequestError(f"bins={bins}, cents={cents:g} and lowest={lowest:g} should all be positive")
        self.bins, self.cents, self.lowest = bins, cents, lowest

    def space(self, world: Curve) -> Codes:
        """One book per value of the curve."""
        self._check(world)
        if world.rate is None or not world.values:
            raise Misfit(f"representation '{self.name}' needs the curve's rate and values, and the data leaves them open")
        return Codes(len(world.values), self.bins + 1, self.clock)

    def encode(self, seq: Seq, world: Curve) -> tuple[Seq, Any]:
        """Hz [B, values, M] at the world's rate -> ([B, values, N] int64, (M, n)): the nearest value to every frame."""
        ratio = world.rate / float(self.clock or world.rate)
        frames = math.ceil(seq.x.shape[-1] / ratio)
        n = (seq.n / ratio).ceil().long()
        index = (torch.arange(frames, device=seq.x.device) * ratio).round().long().clamp(max=max(seq.x.shape[-1] - 1, 0))
        hz = seq.x[..., index]
        number = (1200 / self.cents * (hz.clamp(min=1e-3) / self.lowest).log2()).round().long()
        voiced = (hz > 0) & (number >= 0) & (number < self.bins)
        return Seq(torch.where(voiced, number, self.bins), n), (seq.x.shape[-1], seq.n)

    def decode(self, seq: Seq, side: Any, world: Curve) -> Seq:
        """[B, values, N] -> Hz [B, values, M] at the world's rate, the nearest frame to every value, 0 where unvoiced."""
        ratio = float(self.clock or world.rate) / world.rate
        length = math.ceil(seq.x.shape[-1] / ratio)
        n = (seq.n / ratio).ceil().long()
        index = (torch.arange(length, device=seq.x.device) * ratio).round().long().clamp(max=max(seq.x.shape[-1] - 1, 0))
        code = seq.x[..., index]
        hz = self.lowest * torch.exp2(code * (self.cents / 1200))
        return Seq(torch.where(code < self.bins, hz, torch.zeros_like(hz)), n)
