"""Linear prediction: an all-pole filter per frame and what excites it, the oldest vocoder."""

from __future__ import annotations

from typing import Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Frames, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.f0 import MIDDLE, check_range
from audioml.representations.framed import Framed, dsp, unflatten

torch = LazyModule("torch")
dsp_lpc = LazyModule("audioml.dsp_lpc")
dsp_pitch = LazyModule("audioml.dsp_pitch")
CALM = 1e-5  # gain below which a frame counts as silent (-100 dB)
NOISE = 1e-4  # white noise correction (40 dB): bounds how much a filter rings, and so how rounding of the residual grows
EDGE = 0.99995  # reflection coefficients are kept inside


class Lpc(Framed):
    """Frames [B, S·C·D, N]: per signal `order` filter parameters, (ln gain + 6) / 2, then what `excitation` needs.

    `parameters`: "reflection" coefficients k, or "lar", half the log-area ratios atanh k, of which every real value is a stable
    filter.  `excitation`: "noise" (D = order + 1) renders a whisper; "pulse" (order + 3: pitch as log2(F0 / 220 Hz) and
    periodicity, by YIN) a buzz where it was voiced; "residual" (order + 1 + hop: the prediction error over the gain) the signal
    itself, to float precision, sample by sample and in a stream.  `order` null: a pole pair per kHz and four poles more.
    Autocorrelation method on root-Hann windows (Makhoul 1975), 40 dB of white noise correction.
    """

    shows = ({"excitation": "noise"}, {"excitation": "pulse"}, {"excitation": "residual"})

    def __init__(
        self,
        *,
        window: int,
        hop: int,
        order: int | None,
        parameters: Literal["reflection", "lar"],
        excitation: Literal["noise", "pulse", "residual"],
        low: float,
        high: float,
        threshold: float,
    ) -> None:
        super().__init__(window=window, hop=hop)
        if order is not None and not 1 <= order <= hop:
            raise RequestError(f"representation.order={order} should lie between 1 and hop={hop}")
        self.order, self.parameters, self.excitation = order, parameters, excitation
        self.phaseless = excitation != "residual"
        self.detached = excitation == "pulse"  # a loss between waves does not teach the pitch
        self.low, self.high, self.threshold = low, high, threshold
        if excitation == "residual":
            self.delay = 0

    def space(self, world: Wave | Stems) -> Frames:
        """The features of all signals; raises RequestError where F0 cannot be found."""
        self._check(world)
        rate = self.rate(world)
        if self.excitation == "pulse":
            check_range(self.window, self.low, self.high, world.rate or 0)
        return Frames(self.signals(world) * self._dim(world), rate)

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, C·D, N], (samples, lengths))."""
        x = seq.x.flatten(1, -2)
        count = dsp.frame_count(x.shape[-1], self.window, self.hop)
        keep = self.window - self.hop
        x = torch.nn.functional.pad(x, (keep, count * self.hop - x.shape[-1]))
        return Seq(self._features(x, world), dsp.frame_counts(seq.n, self.window, self.hop)), (seq.x.shape[-1], seq.n)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, C·D, k]."""
        keep = self.window - self.hop
        joined = torch.cat([x.new_zeros(*x.shape[:-1], keep) if state is None else state, x], -1)
        return self._features(joined, world), None, joined[..., -keep:]

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, S·C·D, N] -> the wave, as `excitation` says."""
        samples, lengths = side
        a, gain, rest = self._split(seq.x, world)
        if self.excitation == "residual":
            x = dsp_lpc.resynthesis(rest * gain[..., None], a)
            x = torch.nn.functional.pad(x, (0, max(0, samples - x.shape[-1])))[..., :samples]
            return Seq(unflatten(x, world), lengths)
        frames = dsp.frames_of(self._excite(rest, samples, world), self.window, self.hop)[..., : seq.x.shape[-1], :]
        have = frames.shape[-2]
        poles = torch.fft.rfft(a[..., :have, :], self.window)
        spectrum = torch.fft.rfft(frames) * gain[..., :have, None] * poles.conj() / (poles.abs().square() + 1e-8)
        return self.wave(torch.fft.irfft(spectrum, self.window), samples, lengths, world)

    def decode_step(self, y: Any, side: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """[B, S·C·D, k] -> k·hop samples, not late at all; whispers and buzzes are made for the whole clip and refuse."""
        if self.excitation != "residual":
            raise Misfit(f"representation '{self.name}' with excitation={self.excitation} has no streaming decoder; residual has")
        a, gain, rest = self._split(y, world)
        x = dsp_lpc.resynthesis(rest * gain[..., None], a, state)
        return unflatten(x, world), x[..., x.shape[-1] - (a.shape[-1] - 1) :]

    def _features(self, x: Any, world: Wave | Stems) -> Any:
        """x [B, S, window - hop + N·hop] -> [B, S·D, N]."""
        raw = x.unfold(-1, self.window, self.hop)
        order, rate = self._order(world), world.rate or 0
        lags = dsp_lpc.autocorrelation(raw * dsp.root_hann(self.window, x.device, x.dtype), order)
        lags = torch.cat([lags[..., :1] * (1 + NOISE) + 1e-10, lags[..., 1:]], -1)
        _, k, error = dsp_lpc.levinson(lags)
        k = k.clamp(-EDGE, EDGE).to(x.dtype)
        gain = (error * (2 / self.window)).sqrt().clamp(min=CALM).to(x.dtype)
        parts = [k if self.parameters == "reflection" else torch.atanh(k), (gain.log()[..., None] + 6) / 2]
        if self.excitation == "pulse":
            f0, periodicity = dsp_pitch.yin(raw, rate, self.low, self.high, self.threshold)
            parts += [torch.log2(f0 / MIDDLE)[..., None], periodicity[..., None]]
        if self.excitation == "residual":
            a = dsp_lpc.polynomial(self._reflection(parts[0]))
            past = x[..., self.window - self.hop - order :].double()
            parts.append((dsp_lpc.residual(past, a, self.hop) / gain[..., None]).to(x.dtype))
        return torch.cat(parts, -1).transpose(-1, -2).flatten(1, 2)

    def _split(self, x: Any, world: Wave | Stems) -> tuple[Any, Any, Any]:
        """[B, S·D, N] -> polynomials [B, S, N, p + 1], gains [B, S, N], the rest [B, S, N, D - p - 1]."""
        x = x.unflatten(1, (-1, self._dim(world))).transpose(-1, -2)
        order = self._order(world)
        k = self._reflection(x[..., :order])
        a = dsp_lpc.polynomial(k if self.excitation == "residual" else k.to(x.dtype))
        gain = (x[..., order] * 2 - 6).clamp(max=4).exp()
        return a, gain, x[..., order + 1 :]

    def _reflection(self, x: Any) -> Any:
        """In double precision: a pole near the circle rings on a last bit that two roundings of tanh do not share."""
        x = x.double()
        return (x if self.parameters == "reflection" else torch.tanh(x)).clamp(-EDGE, EDGE)

    def _excite(self, rest: Any, samples: int, world: Wave | Stems) -> Any:
        """What drives the filters: [B, S, samples] of unit power."""
        if self.excitation == "noise":
            return dsp_pitch.white(samples, rest).expand(*rest.shape[:2], samples)
        lay = lambda v: dsp_pitch.upsample(v, samples, self.hop, self.window)  # noqa: E731
        f0 = (MIDDLE * 2 ** rest[..., 0]).clamp(self.low, self.high)
        return dsp_pitch.excitation(lay(f0), lay(rest[..., 1]), world.rate or 0)

    def _order(self, world: Wave | Stems) -> int:
        return self.order or min(self.hop, round((world.rate or 0) / 1000) + 4)

    def _dim(self, world: Wave | Stems) -> int:
        """Features of one signal."""
        return self._order(world) + 1 + {"noise": 0, "pulse": 2, "residual": self.hop}[self.excitation]
