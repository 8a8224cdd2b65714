"""The waveform itself, cut into short overlapping frames so that every network runs at the frame rate.

A linear embedding of such frames is exactly the learned filterbank of Conv-TasNet (Luo & Mesgarani 2019, §II-B) up to a fixed
window; `window: 1` with `hop: 1` is the plain sample sequence.
"""

from __future__ import annotations

from typing import Any, Literal

from audioml.kinds import Frames, Seq, Stems, Wave
from audioml.representations.framed import Framed, dsp, unflatten


class Waveform(Framed):
    """Frames [B, C·window, N] at rate/hop; invertible to float precision."""

    samples = True

    def __init__(self, *, window: int, hop: int, level: Literal["none", "clip"]) -> None:
        super().__init__(window=window, hop=hop)
        self.level = level

    def space(self, world: Wave | Stems) -> Frames:
        """Frames of window samples of each signal."""
        self._check(world)
        return Frames(self.signals(world) * self.window, self.rate(world))

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, C·window, N], (samples, lengths))."""
        frames = self.frames(seq)
        return Seq(frames.x.transpose(-1, -2).flatten(1, 2), frames.n), (seq.x.shape[-1], seq.n)

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, S·C·window, N] -> the wave, by overlap-add."""
        frames = seq.x.unflatten(1, (-1, self.window)).transpose(-1, -2)
        return self.wave(frames, *side, world)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, C·window, k]."""
        self._whole_clip()
        frames, state = dsp.frames_step(x, state, self.window, self.hop)
        return frames.transpose(-1, -2).flatten(1, 2), None, state

    def decode_step(self, y: Any, side: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """[B, S·C·window, k] -> k·hop samples."""
        frames = y.unflatten(1, (-1, self.window)).transpose(-1, -2)
        wave, state = dsp.overlap_add_step(frames, state, self.window, self.hop)
        return unflatten(wave, world), state
