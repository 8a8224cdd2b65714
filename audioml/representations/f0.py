"""F0, loudness and periodicity: what DDSP-like decoders are driven by, and a whistle of the melody at least."""

from __future__ import annotations

from typing import Any

from audioml.errors import RequestError
from audioml.kinds import Frames, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.framed import Framed, dsp, unflatten

torch = LazyModule("torch")
dsp_pitch = LazyModule("audioml.dsp_pitch")
MIDDLE = 220.0  # Hz: the pitch row is zero here


class F0(Framed):
    """Frames [B, 3·S·C, N]; per signal: log2(F0 / 220 Hz), A-weighted loudness as dB / 20 + 2, periodicity in 0 … 1.

    F0 by YIN on frames of `window` samples, which should hold two periods of `low`; it is the best guess where nothing is
    periodic.  Rendered as a sketch: pulses and noise by periodicity, 6 dB per octave, at the given loudness; timbre is lost.
    Gradients reach loudness and periodicity, not the pitch.
    """

    phaseless = True
    detached = True  # a loss between waves does not teach the pitch

    def __init__(self, *, window: int, hop: int, low: float, high: float, threshold: float) -> None:
        super().__init__(window=window, hop=hop)
        if not 0 < low < high:
            raise RequestError(f"representation.low={low} Hz should be above zero and below high={high} Hz")
        if not 0 < threshold < 1:
            raise RequestError(f"representation.threshold={threshold} should lie between 0 and 1")
        self.low, self.high, self.threshold = low, high, threshold

    def space(self, world: Wave | Stems) -> Frames:
        """Three features of each signal; raises RequestError where the window is too short or `high` too high."""
        self._check(world)
        rate = self.rate(world)
        check_range(self.window, self.low, self.high, world.rate or 0)
        return Frames(3 * self.signals(world), rate)

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """[B, C, T] -> ([B, 3·C, N], (samples, lengths))."""
        x = seq.x.flatten(1, -2)
        count = dsp.frame_count(x.shape[-1], self.window, self.hop)
        frames = dsp_pitch.raw_frames(x, self.window, self.hop, count)
        n = dsp.frame_counts(seq.n, self.window, self.hop)
        return Seq(self._features(frames, world), n), (seq.x.shape[-1], seq.n)

    def encode_step(self, x: Any, state: Any, world: Wave) -> tuple[Any, Any, Any]:
        """[B, C, k·hop] -> [B, 3·C, k]."""
        keep = self.window - self.hop
        joined = torch.cat([x.new_zeros(*x.shape[:-1], keep) if state is None else state, x], -1)
        return self._features(joined.unfold(-1, self.window, self.hop), world), None, joined[..., -keep:]

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, 3·S·C, N] -> the sketch."""
        samples, lengths = side
        rate = world.rate or 0
        pitch, level, periodicity = seq.x.unflatten(1, (-1, 3)).unbind(2)
        f0 = (MIDDLE * 2**pitch).clamp(self.low, self.high)
        lay = lambda v: dsp_pitch.upsample(v, samples, self.hop, self.window)  # noqa: E731
        x = dsp_pitch.tilt(dsp_pitch.excitation(lay(f0), lay(periodicity), rate), rate)
        count = seq.x.shape[-1]
        frames = dsp_pitch.raw_frames(x, self.window, self.hop, max(count, dsp.frame_count(samples, self.window, self.hop)))
        have = dsp_pitch.loudness(frames, rate)[..., :count]
        gain = 10 ** ((((level - 2) * 20).clamp(-100, 20) - have.clamp(min=-70)) / 20)
        return Seq(unflatten(x * lay(gain), world), lengths)

    def _features(self, frames: Any, world: Wave | Stems) -> Any:
        """Raw frames [B, S, N, window] -> [B, 3·S, N]."""
        rate = world.rate or 0
        f0, periodicity = dsp_pitch.yin(frames, rate, self.low, self.high, self.threshold)
        level = dsp_pitch.loudness(frames, rate) / 20 + 2
        return torch.stack([torch.log2(f0 / MIDDLE), level, periodicity], 2).flatten(1, 2)


def check_range(window: int, low: float, high: float, rate: int) -> None:
    """Raises RequestError where F0 in low … high cannot be found in `window` samples."""
    if high > rate / 4:
        raise RequestError(f"representation.high={high} Hz lies above a quarter of the sampling rate of {rate} Hz")
    if window < 2 * rate / low:
        least = int(2 * rate / low) + 1
        raise RequestError(f"representation.window={window} is shorter than two periods of low={low} Hz; take at least {least}")
