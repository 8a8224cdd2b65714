"""Effects that tasks ask a network to learn, and a mixing engineer's rules.  Numpy and scipy; deterministic, each sample treated by
its own past, so that a crop and its clip agree but for the crop's beginning.

Signals x [C, T] at `rate` Hz; times in seconds, levels in dB re full scale.
"""

from __future__ import annotations

from audioml.lazy import LazyModule

np = LazyModule("numpy")
signal = LazyModule("scipy.signal")

OVERSAMPLING = 4
KNEE = 6.0  # dB
LEAD, REST = -20.0, -26.0  # dB: where the engineer rides the first stem, and the others
RIDE = 12.0  # dB: how far a fader moves
DUCK = 6.0  # dB that the others give way to the first
LOW_CUT = 120.0  # Hz


def overdrive(x, rate: int, *, drive: float, tone: float):
    """Asymmetric tanh after `drive` dB of gain, four times oversampled, then one pole of low-pass at `tone` Hz.

    The level is made up so that a quarter of full scale stays where it is.
    """
    gain, bias = 10 ** (drive / 20), 0.2

    def curve(v):
        return np.tanh(gain * v + bias) - np.tanh(bias)

    up = signal.resample_poly(np.asarray(x, np.float64), OVERSAMPLING, 1, axis=-1)
    bent = signal.resample_poly(curve(up) * (0.25 / curve(0.25)), 1, OVERSAMPLING, axis=-1)[..., : x.shape[-1]]
    b, a = signal.butter(1, min(tone, 0.49 * rate), fs=rate)
    return signal.lfilter(b, a, bent, axis=-1).astype(np.float32)


def compressor(x, rate: int, *, threshold: float, ratio: float, attack: float, release: float):
    """Feed-forward compression (Giannoulis et al. 2012): soft knee, then ballistics on the gain reduction, all channels linked.

    The detector is their decoupled one (eq. 16), whose release, a falling maximum, is a running maximum of a tilted curve; the
    gain is made up by half of what full scale would lose.
    """
    level = 20 * np.log10(np.abs(np.asarray(x, np.float64)).max(0) + 1e-6)
    over = level - threshold
    bent = np.where(np.abs(over) < KNEE / 2, np.square(over + KNEE / 2) / (2 * KNEE), np.maximum(over, 0))
    reduction = (1 - 1 / ratio) * bent
    fall = np.arange(len(level)) / (release * rate)
    held = np.exp(np.maximum.accumulate(np.log(reduction + 1e-9) + fall) - fall)
    smooth = one_pole(held, attack, rate, start=held[0] if len(held) else 0.0)
    makeup = -0.5 * threshold * (1 - 1 / ratio)
    return (x * 10 ** ((makeup - smooth) / 20)).astype(np.float32)


def one_pole(x, seconds: float, rate: int, start):
    """Smoothing [..., T] with a time constant, from `start` on (a number, or [..., 1])."""
    a = np.exp(-1 / (seconds * rate))
    return signal.lfilter([1 - a], [1, -a], x, axis=-1, zi=np.zeros((*x.shape[:-1], 1)) + a * start)[0]


def reverb(x, rate: int, *, decay: float, mix: float, seed: int = 0):
    """Dry plus `mix` times a room: exponentially decaying noise, 60 dB down after `decay` seconds, of unit energy."""
    length = max(1, int(decay * rate))
    h = np.random.default_rng(seed).standard_normal(length) * np.exp(-np.log(1000) * np.arange(length) / length)
    h /= np.sqrt(np.square(h).sum())
    wet = signal.fftconvolve(x, h[None], axes=-1)[..., : x.shape[-1]]
    return ((1 - mix) * x + mix * wet).astype(np.float32)


def mix_down(stems, rate: int):
    """[S, C, T] -> [C, T], as an engineer would: faders ride each stem to a level (the first the loudest), a low cut on all but the
    deepest, the others duck while the first sounds, and, with two channels, stems stand side by side.
    """
    stems = np.asarray(stems, np.float64)
    count, channels, length = stems.shape
    if not length:
        return np.zeros((channels, 0), np.float32)
    cut = signal.butter(2, LOW_CUT, "highpass", fs=rate, output="sos")
    deepest = int(np.argmin([centre(s, rate) for s in stems]))
    stems = np.stack([s if k == deepest else signal.sosfilt(cut, s, axis=-1) for k, s in enumerate(stems)])
    energy = np.square(stems).mean(1)
    power = one_pole(energy, 0.4, rate, start=energy[:, : int(0.4 * rate)].mean(-1, keepdims=True))
    wanted = np.array([LEAD] + [REST] * (count - 1))[:, None]
    ride = np.clip(wanted - 10 * np.log10(power + 1e-7), -RIDE, RIDE)
    lead = power[0] / (power[0] + 10 ** ((LEAD - 20) / 10))
    ride[1:] -= DUCK * lead
    placed = stems * 10 ** (ride / 20)[:, None]
    if channels == 2:
        angle = np.pi / 4 * (1 + np.linspace(-0.6, 0.6, count) if count > 1 else np.ones(1))
        placed *= np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], 1)[..., None]
    return placed.sum(0).astype(np.float32)


def centre(x, rate: int) -> float:
    """Mean frequency in Hz of the power spectrum of [C, T]; a silent signal has the highest."""
    power = np.square(np.abs(np.fft.rfft(x, axis=-1))).sum(0)
    total = power.sum()
    return float(power @ np.fft.rfftfreq(x.shape[-1], 1 / rate) / total) if total > 1e-9 else rate / 2
