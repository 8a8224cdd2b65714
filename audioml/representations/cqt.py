"""Constant-Q transform: bins a semitone apart, so that a melody is the same picture in every key."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Grid, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.parts import Representation
from audioml.representations.framed import Framed
from audioml.representations.mel import WHOLE, check_rendering, dsp_mel, sound, unrendered

torch = LazyModule("torch")
dsp_cqt = LazyModule("audioml.dsp_cqt")


class Cqt(Representation):
    """Grid [B, C, bins, N] of (ln(|CQT|² + floor) + offset) / scale at rate/hop.

    Filters as librosa.cqt's (Hann, Q of one bin), applied at the full rate without resampling.  `align` "centre": frame n is
    centred at n·hop, looks half a filter ahead and cannot stream; "past": every filter ends with its frame, so that low bins
    lag.  `dense` averages the power over the hop, for high filters are shorter than a hop and would skip samples; false: one
    look per frame, as librosa.  Rendered (align=centre, normalize=none) by non-negative least squares onto an STFT of `window`
    samples and fast Griffin-Lim: what lies between the bins' resolution and above the highest bin is lost.
    """

    carries = (Wave, Stems)
    phaseless = True

    def __init__(
        self,
        *,
        hop: int,
        low: float,
        bins: int | None,
        per_octave: int,
        align: Literal["centre", "past"],
        dense: bool,
        floor: float,
        normalize: Literal["none", "running", "clip", "clip_variance"],
        offset: float,
        scale: float,
        window: int,
        iterations: int,
        momentum: float,
    ) -> None:
        if low <= 0 or per_octave < 1 or (bins is not None and bins < 1):
            raise RequestError(f"representation.low={low}, per_octave={per_octave} and bins={bins} should be above zero")
        if hop < 1 or window < 2 * hop or window % (2 * hop):
            raise RequestError(f"representation.window={window} should be a multiple of twice hop={hop}")
        check_rendering(scale, iterations, momentum)
        self.hop, self.low, self.bins, self.per_octave = hop, low, bins, per_octave
        self.align, self.dense, self.floor, self.normalize = align, dense, floor, normalize
        self.offset, self.scale, self.window = offset, scale, window
        self.overlap = window - hop
        self.iterations, self.momentum = iterations, momentum
        self.block = hop
        self.renders = normalize == "none" and align == "centre"  # type: ignore[misc]

    def space(self, world: Wave | Stems) -> Grid:
        """Grid of one plane per signal; raises RequestError for bins above half the sampling rate."""
        self._check(world)
        if world.rate is None:
            raise Misfit(f"representation '{self.name}' needs the sampling rate, and the data left it open")
        return Grid(Framed.signals(world), self._bins(world.rate), Fraction(world.rate, self.hop))

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, C, bins, N], (samples, lengths)); N = T // hop + 1, or ⌈T / hop⌉ with align=past."""
        x = seq.x.flatten(1, -2)
        n = seq.n // self.hop + 1 if self.align == "centre" else ((seq.n + self.hop - 1) // self.hop).clamp(min=1)
        samples = x.shape[-1]
        count = samples // self.hop + 1 if self.align == "centre" else max(1, -(-samples // self.hop))
        power = dsp_cqt.power(x, count, self.hop, self._groups(x, world), self.align, self.dense)
        return Seq(dsp_mel.normalise(self._scaled(power), n, self.normalize), n), (samples, seq.n)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, C, bins, k]; refuses what looks ahead."""
        if self.align == "centre":
            raise Misfit(f"representation '{self.name}' with align=centre looks half a filter ahead; align=past streams")
        if self.normalize in WHOLE:
            raise Misfit(
                f"representation '{self.name}' with normalize={self.normalize} looks at the whole clip; normalize=running streams"
            )
        bank = self._groups(x, world)
        keep = max(group.span for group in bank)
        tail, past = state or (x.new_zeros(*x.shape[:-1], keep), None)
        joined = torch.cat([tail, x], -1)
        power = dsp_cqt.power(joined, x.shape[-1] // self.hop, self.hop, bank, self.align, self.dense, before=keep)
        y = self._scaled(power)
        if self.normalize == "running":
            y, past = dsp_mel.running(y, past)
        return y, None, (joined[..., -keep:], past)

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, S·C, bins, N] -> the wave, by Griffin-Lim."""
        if self.align == "past":
            raise Misfit(f"representation '{self.name}' with align=past delays each bin differently; align=centre renders")
        if not self.renders:
            raise Misfit(unrendered(self))
        energy = (seq.x * self.scale - self.offset).clamp(max=20).exp() - self.floor
        bank = dsp_cqt.passed(
            world.rate or 0, self.low, self._bins(world.rate or 0), self.per_octave, self.window, energy.device, energy.dtype
        )
        power = dsp_mel.spread(energy.clamp(min=0).transpose(-1, -2), bank).transpose(-1, -2)
        # left-padded frames end at (n + 1)·hop, ours are centred at n·hop
        lag = self.window // (2 * self.hop) - 1
        power = torch.nn.functional.pad(power.flatten(0, 1), (lag, lag), mode="replicate").unflatten(0, power.shape[:2])
        return sound(self, (power * (self.window / 2) + 1e-12).sqrt(), self.window, self.hop, side, world)

    def _scaled(self, power: Any) -> Any:
        return (torch.log(power + self.floor) + self.offset) / self.scale

    def _bins(self, rate: int) -> int:
        """All whole octaves, or the bins asked for where they fit."""
        most = whole_octaves(rate, self.low, self.per_octave)
        bins = self.bins or most
        top = reach(self.low, bins, self.per_octave) if bins else self.low
        if not bins or top > rate / 2:
            raise RequestError(
                f"representation.bins={self.bins} from {self.low:g} Hz reach {top:.0f} Hz, above half the sampling rate "
                f"of {rate} Hz; {most} fit"
            )
        return bins

    def _groups(self, like: Any, world: Wave | Stems) -> Any:
        rate = world.rate or 0
        return dsp_cqt.groups(rate, self.low, self._bins(rate), self.per_octave, self.align, like.device, like.dtype)


def reach(low: float, bins: int, per_octave: int) -> float:
    """Upper edge of the highest filter in Hz: its main lobe is 3 dB down there (1.5 bins are a Hann window's bandwidth)."""
    return low * 2 ** ((bins - 1) / per_octave) * (1 + 0.75 * math.tanh(math.log(2) / per_octave))


def whole_octaves(rate: int, low: float, per_octave: int) -> int:
    """The most bins, in whole octaves, that stay below half the sampling rate."""
    edge = rate / 2 / reach(low, 1, per_octave) * 2 ** (1 / per_octave)
    return max(0, math.floor(math.log2(edge) + 1e-9)) * per_octave
