"""What waveform, STFT and mel share: a wave cut into left-padded, overlapping frames (audioml/dsp.py)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from audioml.errors import Misfit, RequestError
from audioml.kinds import Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.parts import Representation

dsp = LazyModule("audioml.dsp")
torch = LazyModule("torch")


class Framed(Representation):
    """Frames of `window` samples every `hop`; `block` is one hop, decode lags by window - hop samples.

    `samples`: whether window=1 with hop=1 (no frames at all) makes sense.
    """

    carries = (Wave, Stems)
    samples: bool = False

    def __init__(self, *, window: int, hop: int) -> None:
        if (hop < 1 or window < 2 * hop or window % hop) and not (self.samples and window == hop == 1):
            raise RequestError(f"window={window} must be a multiple of hop={hop}, at least twice it")
        self.window, self.hop = window, hop
        self.block = hop
        self.delay = self.overlap = window - hop

    def rate(self, world: Wave | Stems) -> Fraction:
        """Frames per second, exact."""
        if world.rate is None:
            raise Misfit(f"representation '{self.name}' needs the sampling rate, and the data left it open")
        return Fraction(world.rate, self.hop)

    @staticmethod
    def signals(world: Wave | Stems) -> int:
        """Audio signals side by side: channels, times stems."""
        return (world.channels or 1) * (len(world.names or ()) if isinstance(world, Stems) else 1)

    def loudness(self, seq: Seq) -> Any:
        """With level=clip, the root mean square of each clip's valid frames; frames past its end hold zeros."""
        if self.level == "none":
            return None
        x = seq.x.flatten(1)
        share = seq.x.shape[-1] / seq.n.to(x)
        return ((x.square().mean(1) * share).sqrt() + 1e-5).view(-1, *(1,) * (seq.x.dim() - 1))

    def _whole_clip(self) -> None:
        """Raises Misfit where the level needs the clip's end."""
        if self.level == "clip":
            raise Misfit(f"representation '{self.name}' with level=clip measures the whole clip; level=none streams")

    def frames(self, seq: Seq) -> Seq:
        """[B, C, T] or [B, S, C, T] -> windowed frames [B, S·C, N, window] with their counts."""
        x = seq.x.flatten(1, -2)
        return Seq(dsp.frames_of(x, self.window, self.hop), dsp.frame_counts(seq.n, self.window, self.hop))

    def wave(self, frames: Any, samples: int, lengths: Any, world: Wave | Stems) -> Seq:
        """Frames [B, S·C, N, window] -> the world's wave, `samples` long."""
        x = dsp.overlap_add(frames, self.window, self.hop, samples)
        return Seq(unflatten(x, world), lengths)


def unflatten(x: Any, world: Wave | Stems) -> Any:
    """[B, S·C, T] -> [B, S, C, T] for Stems, unchanged for Wave."""
    return x.unflatten(1, (len(world.names or ()), -1)) if isinstance(world, Stems) else x


def fan(x: Any, sources: int, signals: int) -> Any:
    """x [B, I·C, …] of I `sources` -> [B, I·W, …]: every source once per each of W output signals, its channels in turn.

    Raises Misfit where the channels of an input do not divide the output's signals.
    """
    channels = x.shape[1] // sources
    if signals % channels:
        raise Misfit(f"{channels} channels of an input cannot make {signals} output signals; one channel, or as many, can")
    if signals == channels:
        return x
    shape = x.shape[2:]
    return x.unflatten(1, (sources, channels)).repeat(1, 1, signals // channels, *(1,) * len(shape)).flatten(1, 2)


def held(x: Any, count: int) -> Any:
    """Frames [..., N] -> [..., count]: cut, or the last one held."""
    if x.shape[-1] >= count:
        return x[..., :count]
    return torch.cat([x, x[..., -1:].expand(*x.shape[:-1], count - x.shape[-1])], -1)
