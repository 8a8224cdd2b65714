"""Chromagram: how much of each pitch class sounds, whatever the octave."""

from __future__ import annotations

from typing import Any

from audioml.errors import RequestError
from audioml.kinds import Grid, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.framed import Framed, dsp

torch = LazyModule("torch")
dsp_cqt = LazyModule("audioml.dsp_cqt")


class Chroma(Framed):
    """Grid [B, C, classes, N]: power per pitch class, C first, over its maximum in each frame, so between 0 and 1.

    As librosa.feature.chroma_stft over left-padded frames; `floor` is added to the maximum so that silence stays zero.  Octave,
    timbre and level are lost, so it does not render.  `argmax`: one for the strongest class of each frame that is not silent, zero
    else, which leaves hardly more than a melody (MusicGen, Copet et al. 2023, §2.3).
    """

    renders = False

    def __init__(self, *, window: int, hop: int, classes: int, tuning: float, floor: float, argmax: bool) -> None:
        super().__init__(window=window, hop=hop)
        if classes < 12 or classes % 12:
            raise RequestError(f"representation.classes={classes} should be a multiple of 12")
        if floor <= 0:
            raise RequestError(f"representation.floor={floor} should be above zero")
        self.classes, self.tuning, self.floor, self.argmax = classes, tuning, floor, argmax

    def space(self, world: Wave | Stems) -> Grid:
        """Grid of one plane per signal."""
        self._check(world)
        return Grid(self.signals(world), self.classes, self.rate(world))

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, C, classes, N], (samples, lengths))."""
        frames = self.frames(seq)
        return Seq(self._chroma(frames.x, world), frames.n), (seq.x.shape[-1], seq.n)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, C, classes, k]."""
        frames, state = dsp.frames_step(x, state, self.window, self.hop)
        return self._chroma(frames, world), None, state

    def _chroma(self, frames: Any, world: Wave | Stems) -> Any:
        power = torch.fft.rfft(frames).abs().square() * (2 / self.window)
        bank = dsp_cqt.chroma_bank(world.rate or 0, self.window, self.classes, self.tuning, power.device, power.dtype)
        x = torch.matmul(power, bank)
        most = x.amax(-1, keepdim=True)
        x = ((x == most) & (most > self.floor)).to(x.dtype) if self.argmax else x / (most + self.floor)
        return x.transpose(-1, -2)
