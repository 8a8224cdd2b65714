"""Log-mel spectrogram: what most recognisers look at (`mel`), and the same scaled and rendered for generators (`logmel`)."""

from __future__ import annotations

from typing import Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Grid, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.framed import Framed, dsp, unflatten

torch = LazyModule("torch")
dsp_mel = LazyModule("audioml.dsp_mel")
dsp_phase = LazyModule("audioml.dsp_phase")
WHOLE = ("clip", "clip_variance")  # normalisations that need the clip's end and cannot be undone


class Mel(Framed):
    """Grid [B, C, bins, N] of natural-log mel energies (Slaney scale and norm, as librosa's default).

    `normalize` takes the mean over time off each bin: over the clip ("clip", cannot stream), over the past ("running") or not;
    "clip_variance" and "running_variance" also divide by the standard deviation.
    """

    renders = False

    def __init__(
        self,
        *,
        window: int,
        hop: int,
        bins: int,
        low: float,
        high: float | None,
        floor: float,
        normalize: Literal["none", "running", "running_variance", "clip", "clip_variance"],
    ) -> None:
        super().__init__(window=window, hop=hop)
        self.bins, self.low, self.high, self.floor, self.normalize = bins, low, high, floor, normalize

    @property
    def features(self) -> int:
        """Bins of the Grid."""
        return self.bins

    def space(self, world: Wave | Stems) -> Grid:
        """Grid of one plane per signal."""
        self._check(world)
        rate = self.rate(world)
        if self.high is not None and self.high > (world.rate or 0) / 2:
            raise RequestError(f"representation.high={self.high} Hz lies above half the sampling rate of {world.rate} Hz")
        return Grid(self.signals(world), self.features, rate)

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, C, features, N], (samples, lengths)); frames past a clip's end are zero after normalisation."""
        frames = self.frames(seq)
        x = self._features(frames.x, world)
        return Seq(dsp_mel.normalise(x, frames.n, self.normalize), frames.n), (seq.x.shape[-1], seq.n)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, C, features, k]; refuses per-clip normalisation, which needs the clip's end."""
        if self.normalize in WHOLE:
            raise Misfit(
                f"representation '{self.name}' with normalize={self.normalize} looks at the whole clip; normalize=running streams"
            )
        tail, past, inner = state or (None, None, None)
        frames, tail = dsp.frames_step(x, tail, self.window, self.hop)
        y, inner = self._features_step(frames, inner, world)
        if self.normalize in dsp_mel.RUNNING:
            y, past = dsp_mel.RUNNING[self.normalize](y, past)
        return y, None, (tail, past, inner)

    def _features(self, frames: Any, world: Wave | Stems) -> Any:
        """Windowed frames [B, C, N, window] -> [B, C, features, N]."""
        return self._log_mel(frames, world)

    def _features_step(self, frames: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """The same for the next k frames; `state` is None where a frame stands for itself."""
        return self._features(frames, world), state

    def _log_mel(self, frames: Any, world: Wave | Stems) -> Any:
        power = torch.fft.rfft(frames).abs().square() * (2 / self.window)
        energy = torch.matmul(power, self._bank(power, world))
        return torch.log(energy + self._floor(energy)).transpose(-1, -2)

    def _floor(self, energy: Any) -> Any:
        """What is added to the energies [B, C, N, bins] before the logarithm."""
        return self.floor

    def _bank(self, like: Any, world: Wave | Stems) -> Any:
        """Triangular filters [F, bins] on the device and in the type of `like`."""
        high = self.high if self.high is not None else (world.rate or 0) / 2
        return dsp_mel.mel_bank(world.rate or 0, self.window, self.bins, self.low, high, like.device, like.dtype)


class LogMel(Mel):
    """(log-mel + offset) / scale, about unit variance, rendered by fast Griffin-Lim: the mel filters are undone by non-negative
    least squares, `iterations` then find a phase.  What normalisation over time took off cannot be put back, so that only
    normalize=none renders.  Gradients reach the energies, not the phase.
    """

    phaseless = True

    def __init__(
        self,
        *,
        window: int,
        hop: int,
        bins: int,
        low: float,
        high: float | None,
        floor: float,
        normalize: Literal["none", "running", "running_variance", "clip", "clip_variance"],
        offset: float,
        scale: float,
        iterations: int,
        momentum: float,
    ) -> None:
        super().__init__(window=window, hop=hop, bins=bins, low=low, high=high, floor=floor, normalize=normalize)
        check_rendering(scale, iterations, momentum)
        self.offset, self.scale, self.iterations, self.momentum = offset, scale, iterations, momentum
        self.renders = normalize == "none"  # type: ignore[misc]

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, S·C, bins, N] -> the wave, by Griffin-Lim; raises Misfit where normalisation took off what rendering needs."""
        if not self.renders:
            raise Misfit(unrendered(self))
        energy = (seq.x * self.scale - self.offset).clamp(max=20).exp() - self.floor
        return self.render(energy, side, world)

    def render(self, energy: Any, side: Any, world: Wave | Stems) -> Seq:
        """Mel energies [B, S·C, bins, N] -> the wave."""
        energy = energy.clamp(min=0).transpose(-1, -2)
        power = dsp_mel.spread(energy, self._bank(energy, world)).transpose(-1, -2)
        return sound(self, (power * (self.window / 2) + 1e-12).sqrt(), self.window, self.hop, side, world)

    def _features(self, frames: Any, world: Wave | Stems) -> Any:
        return (self._log_mel(frames, world) + self.offset) / self.scale


def check_rendering(scale: float, iterations: int, momentum: float) -> None:
    """Raises RequestError for settings with which nothing can be rendered."""
    if scale <= 0:
        raise RequestError(f"representation.scale={scale} should be above zero")
    if iterations < 1:
        raise RequestError(f"representation.iterations={iterations} should be at least 1")
    if not 0 <= momentum <= 1:
        raise RequestError(f"representation.momentum={momentum} should lie between 0 and 1")


def unrendered(rep: Any) -> str:
    """Why a normalised representation has no way back."""
    return (
        f"representation '{rep.name}' with normalize={rep.normalize} takes off what rendering would have to put back; "
        "normalize=none renders"
    )


def sound(rep: Any, magnitude: Any, window: int, hop: int, side: Any, world: Wave | Stems) -> Seq:
    """Linear magnitude [B, S·C, F, N] -> the wave, under the phase that Griffin-Lim finds; side (samples, lengths)."""
    phase = dsp_phase.griffin_lim(magnitude, window, hop, rep.iterations, rep.momentum)
    frames = torch.fft.irfft((magnitude * phase).transpose(-1, -2), n=window)
    return Seq(unflatten(dsp.overlap_add(frames, window, hop, side[0]), world), side[1])
