"""Magnitude and power spectra that may be rendered without an input's phase."""

from __future__ import annotations

from typing import Any, Literal

from audioml.errors import Misfit
from audioml.kinds import Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.framed import dsp, unflatten
from audioml.representations.mel import check_rendering, sound
from audioml.representations.stft import StftMagnitude

torch = LazyModule("torch")


class Spectrum(StftMagnitude):
    """|STFT|^power as Grid [B, C, window/2 + 1, N]: power 1 the magnitude, 2 the power spectrum, below 1 compressed.

    `render`: "phase" borrows the phase of an input (exact where the spectrum is the input's), "griffin_lim" finds one in
    `iterations` and needs no input.  With window = hop·2 and few samples these are the short FFT frames of the talk.
    """

    mixes = False  # decode takes one phase per signal

    def __init__(
        self,
        *,
        window: int,
        hop: int,
        power: float,
        level: Literal["none", "clip"],
        render: Literal["phase", "griffin_lim"],
        iterations: int,
        momentum: float,
    ) -> None:
        super().__init__(window=window, hop=hop, power=power, level=level)
        check_rendering(1.0, iterations, momentum)
        self.render, self.iterations, self.momentum = render, iterations, momentum
        self.borrows = "phase" if render == "phase" else None
        self.phaseless = render != "phase"

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, C, F, N], (unit phase, samples, lengths)), without the phase where none is borrowed."""
        coded, side = super().encode(seq, world)
        return coded, side if self.borrows else side[1:]

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, S·C, F, N] and an input's phase, or none -> the wave."""
        magnitude = self._linear(seq.x)
        if not self.borrows:
            return sound(self, magnitude, self.window, self.hop, side[-2:], world)
        phase, samples, lengths = side
        return self.wave(self._turned(magnitude, phase), samples, lengths, world)

    def decode_step(self, y: Any, side: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """[B, S·C, F, k] -> k·hop samples; Griffin-Lim needs the whole clip and refuses."""
        if not self.borrows:
            raise Misfit(f"representation '{self.name}' with render=griffin_lim looks at the whole clip; render=phase streams")
        wave, state = dsp.overlap_add_step(self._turned(self._linear(y), side[0]), state, self.window, self.hop)
        return unflatten(wave, world), state

    def _linear(self, x: Any) -> Any:
        """|X|^power of any sign -> linear magnitude; the floor (-140 dB) keeps gradients finite."""
        return x.clamp(min=10 ** (-7 * self.power)).pow(1 / self.power) * (self.window / 2) ** 0.5

    def _turned(self, magnitude: Any, phase: Any) -> Any:
        """Linear magnitude [B, S·C, F, N] under a phase [B, C, F, N] -> frames [B, S·C, N, window]."""
        spectrum = magnitude * phase.repeat(1, magnitude.shape[1] // phase.shape[1], 1, 1)
        return torch.fft.irfft(spectrum.transpose(-1, -2), n=self.window)
