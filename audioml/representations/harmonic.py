"""Harmonic-plus-noise synthesis (Serra & Smith 1990; Engel et al. 2020): a network emits the settings of an additive synthesiser.

Rendering sums harmonics of F0 (silent above half the rate, phase kept on), white noise through mel-band filters, and a few
rooms.  Phase is lost, so a round trip keeps the sound and not the samples.  Analysis (YIN, spectra at the harmonics, what they
leave) gives the settings of a recording of one voice or instrument.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from audioml.errors import Misfit, RequestError
from audioml.kinds import Frames, Seq, Stems, Wave
from audioml.lazy import LazyModule
from audioml.representations.framed import Framed, held, unflatten

torch = LazyModule("torch")
synth = LazyModule("audioml.dsp_synth")

QUIET, HUSH, DRY = -1.5, -3.0, -4.0  # what settings of zero mean: the tone at -28 dB, the noise at -55 dB, rooms at -70 dB
VOICED = 0.4  # aperiodicity above which analysis hears no tone
SAMPLING = 128  # taps of the noise's filters


class Harmonic(Framed):
    """Frames [B, S·C·D, N]; D settings per signal: pitch, loudness, `harmonics` shares, `bands` noise gains, a send per room.

    `pitch` "emit": the network says F0 between `low` and `high` Hz; "borrow": it bends the F0 of an aligned input by at most
    a semitone.  `rooms` decay times in seconds.
    """

    listens = "stft_mag"
    drift = 2e-3  # the phase of an emitted F0 accumulates its rounding
    phaseless = True  # losses between samples say nothing

    def __init__(
        self,
        *,
        hop: int,
        pitch: Literal["emit", "borrow"],
        low: float,
        high: float,
        harmonics: int,
        bands: int,
        rooms: list[float],
    ) -> None:
        super().__init__(window=2 * hop, hop=hop)
        if not 0 < low < high:
            raise RequestError(f"representation.low={low:g} Hz must lie above zero and below representation.high={high:g} Hz")
        if any(decay <= 0 for decay in rooms):
            raise RequestError(f"representation.rooms={rooms} must be decay times above zero, in seconds")
        self.pitch, self.low, self.high = pitch, low, high
        self.harmonics, self.bands, self.rooms = harmonics, bands, tuple(rooms)
        self.borrows = "pitch" if pitch == "borrow" else None
        self.each = 2 + harmonics + bands + len(rooms)

    def space(self, world: Wave | Stems) -> Frames:
        """D settings per signal."""
        self._check(world)
        return Frames(self.signals(world) * self.each, self.rate(world))

    def encode(self, seq: Seq, world: Wave | Stems) -> tuple[Seq, Any]:
        """Analysis: [B, C, T] -> ([B, C·D, N], what decode needs); no rooms are heard."""
        x = seq.x.flatten(1, -2)
        flat, rate = x.flatten(0, 1), world.rate or 0
        f0, aperiodicity = self._track(flat, rate)
        amplitudes, noise = synth.harmonic_analysis(flat, f0, rate, self.hop, self.harmonics, self.bands)
        amplitudes = amplitudes * (aperiodicity < VOICED)[:, None]
        total = amplitudes.sum(1, keepdim=True)
        shares = synth.exp_sigmoid_inverse(amplitudes / total.clamp(min=1e-6))
        bend = torch.logit((torch.log(f0 / self.low) / math.log(self.high / self.low)).clamp(1e-3, 1 - 1e-3))[:, None]
        bend = 0 * bend if self.borrows else bend
        rest = flat.new_zeros(len(flat), len(self.rooms), f0.shape[-1]) - 3
        loud, hiss = synth.exp_sigmoid_inverse(total) - QUIET, synth.exp_sigmoid_inverse(noise) - HUSH
        y = torch.cat([bend, loud, shares, hiss, rest], 1).unflatten(0, x.shape[:2]).flatten(1, 2)
        tail = (x.shape[-1], seq.n)
        return Seq(y, -(-seq.n // self.hop) + 1), (f0.unflatten(0, x.shape[:2]), *tail) if self.borrows else tail

    def lend(self, seq: Seq, world: Wave | Stems) -> Any:
        """The side that `encode` of an input gives, without the rest of the analysis."""
        x = seq.x.flatten(1, -2)
        tail = (x.shape[-1], seq.n)
        return (self._track(x.flatten(0, 1), world.rate or 0)[0].unflatten(0, x.shape[:2]), *tail) if self.borrows else tail

    def decode(self, seq: Seq, side: Any, world: Wave | Stems) -> Seq:
        """[B, S·C·D, N] -> the wave."""
        *borrowed, samples, lengths = side
        count = -(-samples // self.hop) + 1
        wave, _ = self._run(held(seq.x, count), held(borrowed[0], count) if borrowed else None, None, world)
        return Seq(unflatten(wave[..., self.hop : self.hop + samples], world), lengths)

    def encode_step(self, x: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any, Any]:
        """Nothing has to be known of the input; but refuses to borrow a pitch, whose tracker looks ahead."""
        if self.borrows:
            raise Misfit(f"representation '{self.name}' with pitch=borrow tracks F0 in centred windows; pitch=emit streams")
        return None, (), None

    def decode_step(self, y: Any, side: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """[B, S·C·D, k] -> k·hop samples, one hop late."""
        wave, state = self._run(y, None, state, world)
        return unflatten(wave, world), state

    def _track(self, x: Any, rate: int) -> tuple[Any, Any]:
        """F0 [M, N] between low and high Hz, and aperiodicity."""
        with torch.no_grad():
            f0, aperiodicity = synth.pitch_of(x, rate, self.hop, self.low, self.high, -(-x.shape[-1] // self.hop) + 1)
        return f0.clamp(self.low, self.high), aperiodicity

    def _run(self, y: Any, f0: Any, state: Any, world: Wave | Stems) -> tuple[Any, Any]:
        """Settings [B, W·D, N] -> the N blocks before their frames [B, W, N·hop]; what lies before the first frame is silent.

        The state is (last frame, phase, samples so far, the noise's tail, the rooms' tail).
        """
        rate, items, signals = world.rate or 0, y.shape[0], self.signals(world)
        y = y.unflatten(1, (signals, self.each)).flatten(0, 1)
        pitch, loud, shares, hiss, sends = y.split([1, 1, self.harmonics, self.bands, len(self.rooms)], 1)
        if f0 is None:
            hz = self.low * (self.high / self.low) ** torch.sigmoid(pitch)
        else:
            hz = f0.repeat(1, signals // f0.shape[1], 1).flatten(0, 1)[:, None] * 2 ** (torch.tanh(pitch) / 12)
        k = torch.arange(1, self.harmonics + 1, device=y.device, dtype=y.dtype)[:, None]
        weights = torch.where(hz * k < rate / 2, synth.exp_sigmoid(shares), 0.0)
        amplitudes = synth.exp_sigmoid(loud + QUIET) * weights / weights.sum(1, keepdim=True).clamp(min=1e-7)
        frame = torch.cat([hz, amplitudes], 1)
        last, phase, place, tail, late = state or (frame[..., :1], None, 0, None, None)
        joined = torch.cat([last, frame], -1)
        tones, phase = synth.oscillators(joined[:, 0], joined[:, 1:], rate, self.hop, phase)
        noise, tail = self._noise(hiss, place, tail, signals, rate)
        wave = tones + noise
        if state is None:
            wave = wave * (torch.arange(wave.shape[-1], device=wave.device) >= self.hop)
        if self.rooms:
            amount = synth.exp_sigmoid(sends + DRY).repeat_interleave(self.hop, -1)
            wave, late = synth.reverberated(wave, amount, self.rooms, rate, late)
        return wave.unflatten(0, (items, signals)), (frame[..., -1:], phase, place + y.shape[-1] * self.hop, tail, late)

    def _noise(self, hiss: Any, place: int, tail: Any, signals: int, rate: int) -> tuple[Any, Any]:
        """Noise gains [B·W, bands, N] -> filtered noise [B·W, N·hop], another one for each signal."""
        length = (hiss.shape[-1] + 1) * self.hop
        white = torch.stack([synth.white_noise(place + s * 100_000_007, length, hiss) for s in range(signals)])
        frames = white.unfold(-1, 2 * self.hop, self.hop).repeat(hiss.shape[0] // signals, 1, 1)
        lines = synth.band_lines(self.bands, SAMPLING // 2 + 1, rate, hiss.device, hiss.dtype)
        log_gain = torch.einsum("mzn,zf->mnf", synth.exp_sigmoid(hiss + HUSH).log(), lines)
        return synth.filtered(frames, synth.impulse_responses(log_gain, "minimum"), self.hop, tail)
