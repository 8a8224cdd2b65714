"""Log-mel spectrogram: what most recognisers look at.  It does not render back to audio by itself."""

from __future__ import annotations

from typing import Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Grid, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.framed import Framed, dsp

torch = LazyModule("torch")


class Mel(Framed):
    """Grid [B, C, bins, N] of natural-log mel energies (Slaney scale and norm, as librosa's default).

    `normalize` takes the mean over time off each bin: over the clip ("clip", cannot stream), over the past ("running") or not.
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
        normalize: Literal["none", "running", "clip"],
    ) -> None:
        super().__init__(window=window, hop=hop)
        self.bins, self.low, self.high, self.floor, self.normalize = bins, low, high, floor, normalize
        self._banks: dict[Any, Any] = {}

    def space(self, world: Wave | Stems) -> Grid:
        """Grid of one plane per signal."""
        self._check(world)
        rate = self.rate(world)
        if self.high is not None and self.high > (world.rate or 0) / 2:
            raise RequestError(f"representation.high={self.high} Hz lies above half the sampling rate of {world.rate} Hz")
        return Grid(self.signals(world), self.bins, rate)

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, C, bins, N], None); frames past a clip's end are zero after normalisation."""
        frames = self.frames(seq)
        x = self._log_mel(frames.x, world)
        valid = (torch.arange(x.shape[-1], device=x.device) < frames.n[:, None])[:, None, None]
        if self.normalize == "clip":
            x = x - (x * valid).sum(-1, keepdim=True) / frames.n[:, None, None, None]
        elif self.normalize == "running":
            x, _ = self._running(x, None)
        return Seq(x * valid, frames.n), None

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, C, bins, k]; refuses per-clip normalisation, which needs the clip's end."""
        if self.normalize == "clip":
            raise Misfit("representation 'mel' with normalize=clip looks at the whole clip; normalize=running streams")
        tail, past = state or (None, None)
        frames, tail = dsp.frames_step(x, tail, self.window, self.hop)
        y = self._log_mel(frames, world)
        if self.normalize == "running":
            y, past = self._running(y, past)
        return y, None, (tail, past)

    @staticmethod
    def _running(x: Any, past: Any) -> tuple[Any, Any]:
        """Subtract the mean of all frames so far; `past` is (sum, count)."""
        total, count = past or (torch.zeros_like(x[..., :1]), 0)
        sums = total + x.cumsum(-1)
        counts = count + torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=x.dtype)
        return x - sums / counts, (sums[..., -1:], count + x.shape[-1])

    def _log_mel(self, frames: Any, world: Wave | Stems) -> Any:
        power = torch.fft.rfft(frames).abs().square() * (2 / self.window)
        return torch.log(torch.matmul(power, self._bank(power, world)) + self.floor).transpose(-1, -2)

    def _bank(self, like: Any, world: Wave | Stems) -> Any:
        """Triangular filters [F, bins] on the device and in the type of `like`."""
        key = (world.rate, like.device, like.dtype)
        if key not in self._banks:
            from torchaudio.functional import melscale_fbanks

            high = self.high if self.high is not None else (world.rate or 0) / 2
            bank = melscale_fbanks(
                self.window // 2 + 1, self.low, high, self.bins, world.rate or 0, norm="slaney", mel_scale="slaney"
            )
            self._banks[key] = bank.to(like.device, like.dtype)
        return self._banks[key]
