"""Short-time Fourier transform: complex (two planes), or its magnitude with the phase borrowed from an input.

Magnitudes are compressed by `power` (|X|^power, phase kept), which is invertible and makes quiet partials visible to a network;
a mask in the compressed space is the same filter as its 1/power-th power in the linear one.
"""

from __future__ import annotations

from typing import Any, Literal

from audioml.kinds import Grid, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.framed import Framed, dsp, fan, unflatten

torch = LazyModule("torch")


class Stft(Framed):
    """Complex STFT as Grid [B, 2·C, window/2 + 1, N]: real planes of all signals, then imaginary planes; invertible.

    `level` is what the network sees: each clip as it is, or divided by its own level ("clip", which cannot stream).
    """

    masks = True
    mixes = True  # `mask` takes several sources at once

    def __init__(self, *, window: int, hop: int, power: float, level: Literal["none", "clip"]) -> None:
        super().__init__(window=window, hop=hop)
        self.level = level
        self.power = power
        self.bins = window // 2 + 1

    def space(self, world: Wave | Stems) -> Grid:
        """Grid of twice the signals."""
        self._check(world)
        return Grid(2 * self.signals(world), self.bins, self.rate(world))

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, 2C, F, N], (samples, lengths))."""
        frames = self.frames(seq)
        return Seq(self._planes(self._spectrum(frames.x)), frames.n), (seq.x.shape[-1], seq.n)

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, 2·S·C, F, N] -> the wave."""
        return self.wave(self._synthesis(seq.x), *side, world)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, 2C, F, k]."""
        self._whole_clip()
        frames, state = dsp.frames_step(x, state, self.window, self.hop)
        return self._planes(self._spectrum(frames)), None, state

    def decode_step(self, y: Any, side: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """[B, 2·S·C, F, k] -> k·hop samples."""
        wave, state = dsp.overlap_add_step(self._synthesis(y), state, self.window, self.hop)
        return unflatten(wave, world), state

    def mask(self, x: Any, emission: Any, sources: int = 1) -> Any:
        """x [B, 2·I·C, F, N] of I `sources` times one bounded complex mask for each of them and each of W output signals, emission
        [B, 2·I·W, F, N]; summed over the sources -> [B, 2·W, F, N].

        The mask's magnitude is squashed by tanh (as in DCCRN, Hu et al. 2020, eq. 6) so that it cannot explode early; a silent
        network passes the input's phase (the mask is one plus the emission), which halves the time to learn.
        """
        re, im = emission.chunk(2, 1)
        re = re + 1
        size = (re.square() + im.square() + 1e-8).sqrt()
        scale = torch.tanh(size) / size
        a, b = (fan(half, sources, re.shape[1] // sources) for half in x.chunk(2, 1))
        re, im = re * scale, im * scale
        re, im = a * re - b * im, a * im + b * re
        return torch.cat([re, im], 1) if sources == 1 else self._planes(self._mixed(re, im, sources))

    def _mixed(self, re: Any, im: Any, sources: int) -> Any:
        """Compressed spectra of I·W signals -> the compressed spectrum of their sums over the I sources, [B, W, F, N] complex."""
        linear = dsp.expand(re, im, self.power).unflatten(1, (sources, -1)).sum(1)
        return dsp.compress(linear, self.power)

    def ideal_mask(self, mixture: Any, target: Any) -> Any:
        """The target as the best complex mask of magnitude at most 1 leaves it: mixture [B, 2C, F, N], target [B, 2SC, F, N]."""
        a, b = mixture.chunk(2, 1)
        c, d = target.chunk(2, 1)
        copies = c.shape[1] // a.shape[1]
        a, b = a.repeat(1, copies, 1, 1), b.repeat(1, copies, 1, 1)
        power = a.square() + b.square() + 1e-12
        re, im = (a * c + b * d) / power, (a * d - b * c) / power
        scale = 1 / (re.square() + im.square()).sqrt().clamp(min=1)
        re, im = re * scale, im * scale
        return torch.cat([a * re - b * im, a * im + b * re], 1)

    def _spectrum(self, frames: Any) -> Any:
        """Windowed frames [B, C, N, window] -> compressed spectrum [B, C, F, N] complex, about unit scale."""
        spectrum = torch.fft.rfft(frames).transpose(-1, -2) * (2 / self.window) ** 0.5
        return dsp.compress(spectrum, self.power)

    @staticmethod
    def _planes(spectrum: Any) -> Any:
        return torch.cat([spectrum.real, spectrum.imag], 1)

    def _synthesis(self, y: Any) -> Any:
        """[B, 2C, F, N] -> frames [B, C, N, window]."""
        re, im = y.chunk(2, 1)
        spectrum = dsp.expand(re, im, self.power) * (self.window / 2) ** 0.5
        return torch.fft.irfft(spectrum.transpose(-1, -2), n=self.window)


class StftMagnitude(Stft):
    """Magnitude of the STFT, Grid [B, C, F, N]; decode borrows the phase of an input."""

    borrows = "phase"

    def space(self, world: Wave | Stems) -> Grid:
        """Grid of one plane per signal."""
        self._check(world)
        return Grid(self.signals(world), self.bins, self.rate(world))

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, C, F, N], (unit phase, samples, lengths))."""
        frames = self.frames(seq)
        magnitude, phase = self._polar(self._spectrum(frames.x))
        return Seq(magnitude, frames.n), (phase, seq.x.shape[-1], seq.n)

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, S·C, F, N] and the phase of an input [B, C, F, N] -> the wave.

        [B, I·S·C, F, N], one magnitude per output signal and source of the input: each takes its source's phase, then they add up.
        """
        phase, samples, lengths = side
        return self.wave(self._synthesis(self._with_phase(seq.x, phase, self.signals(world))), samples, lengths, world)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, C, F, k], with the phase as side."""
        self._whole_clip()
        frames, state = dsp.frames_step(x, state, self.window, self.hop)
        magnitude, phase = self._polar(self._spectrum(frames))
        return magnitude, (phase,), state

    def decode_step(self, y: Any, side: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """[B, S·C, F, k] -> k·hop samples."""
        return super().decode_step(self._with_phase(y, side[0], self.signals(world)), None, state, world)

    def mask(self, x: Any, emission: Any, sources: int = 1) -> Any:
        """x [B, I·C, F, N] of I `sources` times a mask in (0, 1) per source and output signal -> [B, I·W, F, N]; decode adds up."""
        return fan(x, sources, emission.shape[1] // sources) * torch.sigmoid(emission)

    def ideal_mask(self, mixture: Any, target: Any) -> Any:
        """The target's magnitude as a mask in [0, 1] on the mixture leaves it (ideal ratio mask, truncated)."""
        return torch.minimum(target, mixture.repeat(1, target.shape[1] // mixture.shape[1], 1, 1))

    @staticmethod
    def _polar(spectrum: Any) -> tuple[Any, Any]:
        magnitude = spectrum.abs()
        return magnitude, spectrum / magnitude.clamp(min=1e-12)

    def _with_phase(self, magnitude: Any, phase: Any, signals: int) -> Any:
        """Magnitudes [B, I·W, F, N] on unit phases [B, I·C, F, N] -> planes [B, 2·W, F, N], summed over the I sources."""
        sources = magnitude.shape[1] // signals
        placed = magnitude.clamp(min=0) * fan(phase, sources, signals)
        return self._planes(placed if sources == 1 else self._mixed(placed.real, placed.imag, sources))
