"""A filter that changes with time, as DDSP uses it for effects: what a network emits are its settings, frame by frame.

Rendering sends the borrowed input through a memoryless curve, a gain, an FIR by frequency sampling and a few rooms (in this
order; Engel et al. 2020, §3.3-3.4; Steinmetz et al. 2022 for such chains as effects).  All settings at zero change nothing.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Frames, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.framed import Framed, fan, held, unflatten

torch = LazyModule("torch")
synth = LazyModule("audioml.dsp_synth")

RANGE = 4.6  # nepers: 40 dB up or down for the gain, and again for each band
SHARPEST = 64.0  # slope of the sharpest of the curves
SEND = 0.03  # what rooms get of a signal when their settings are zero


class Filter(Framed):
    """Frames [B, S·C·D, N]; for each signal D settings: one gain, `bands` on the mel scale, `curves` and one send per room.

    `taps` length of the FIR in samples; `phase` "minimum" adds no delay, "zero" shifts nothing but looks taps/2 ahead;
    `rooms` decay times in seconds.  Several stems may each have settings; then their filtered signals add up.
    """

    listens = "stft_mag"
    borrows = "audio"

    def __init__(
        self, *, hop: int, bands: int, taps: int, phase: Literal["minimum", "zero"], curves: int, rooms: list[float]
    ) -> None:
        super().__init__(window=2 * hop, hop=hop)
        if taps % 2 or taps < 2 * bands:
            raise RequestError(f"representation.taps={taps} must be even and at least twice the {bands} bands")
        if any(decay <= 0 for decay in rooms):
            raise RequestError(f"representation.rooms={rooms} must be decay times above zero, in seconds")
        self.bands, self.taps, self.phase, self.curves, self.rooms = bands, taps, phase, curves, tuple(rooms)
        self.delay = hop + (taps // 2 if phase == "zero" else 0)
        self.each = 1 + bands + curves + len(rooms)

    def space(self, world: Wave | Stems) -> Frames:
        """D settings per signal."""
        self._check(world)
        return Frames(self.signals(world) * self.each, self.rate(world))

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """The input itself as side, with settings that change nothing: frames of zeros."""
        x = seq.x.flatten(1, -2)
        count = -(-x.shape[-1] // self.hop) + 1
        zeros = x.new_zeros(len(x), x.shape[1] * self.each, count)
        return Seq(zeros, -(-seq.n // self.hop) + 1), (x, x.shape[-1], seq.n)

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, I·S·C·D, N] and the input's I sources -> the wave, the sum over sources."""
        x, samples, lengths = side
        blocks = -(-samples // self.hop)
        lag = -(-self.delay // self.hop)  # so many blocks more, for what comes out late
        x = torch.nn.functional.pad(x, (0, (blocks + lag) * self.hop - samples))
        y = held(seq.x, blocks + lag)
        wave, _ = self._run(y, x, None, world)
        return Seq(unflatten(wave[..., self.delay : self.delay + samples], world), lengths)

    def encode_step(self, x: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> (settings that change nothing, the input as side, no state)."""
        x = x.flatten(1, -2)
        return x.new_zeros(len(x), x.shape[1] * self.each, x.shape[-1] // self.hop), (x,), None

    def decode_step(self, y: Any, side: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """[B, I·S·C·D, k] and the same k blocks of the input -> k·hop samples, `delay` late."""
        wave, state = self._run(y, side[0], state, world)
        return unflatten(wave, world), state

    def _run(self, y: Any, x: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """Settings [B, I·W·D, N] on x [B, I·C, N·hop] -> [B, W, N·hop]; state is (past input, tail, room's tail)."""
        past, tail, late = state or (None, None, None)
        signals = self.signals(world)
        sources = y.shape[1] // (signals * self.each)
        if sources * signals * self.each != y.shape[1] or x.shape[1] % sources:
            raise Misfit(f"representation '{self.name}' cannot lay {y.shape[1]} settings on {x.shape[1]} input signals")
        x = fan(x, sources, signals)
        gain, bands, curves, sends = y.unflatten(1, (-1, self.each)).split([1, self.bands, self.curves, len(self.rooms)], 2)
        frames = self._shaped(synth.cuts(x, self.hop, past), curves)
        lines = synth.band_lines(self.bands, self.taps // 2 + 1, world.rate, y.device, y.dtype)
        shape = torch.einsum("bszn,zf->bsnf", RANGE * torch.tanh(bands / RANGE), lines)
        log_gain = shape + (RANGE * torch.tanh(gain / RANGE)).transpose(2, 3)
        wave, tail = synth.filtered(frames, synth.impulse_responses(log_gain, self.phase), self.hop, tail)
        if self.rooms:
            amount = SEND * torch.exp(RANGE * torch.tanh(sends / RANGE)).repeat_interleave(self.hop, -1)
            wave, late = synth.reverberated(wave, amount, self.rooms, world.rate, late)
        return wave.unflatten(1, (sources, signals)).sum(1), (x[..., -self.hop :], tail, late)

    def _shaped(self, frames: Any, curves: Any) -> Any:
        """A weighted sum of the signal and of ever sharper tanh curves of it; frames [B, S, N, L], curves [B, S, P, N]."""
        if not self.curves:
            return frames
        slopes = torch.logspace(0, math.log10(SHARPEST), self.curves, device=frames.device, dtype=frames.dtype)
        bent = torch.tanh(slopes[:, None, None] * frames[:, :, None])  # [B, S, P, N, L]
        return frames + (curves[..., None] * bent).sum(2)
