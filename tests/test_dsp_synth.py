"""Synthesis against definitions written out sample by sample, against scipy and librosa, and in steps as at once."""

from __future__ import annotations

import math

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from audioml import dsp_synth as synth

RATE, HOP = 16000, 64


def controls(harmonics: int = 5, frames: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return 200 + 300 * torch.rand(2, frames), torch.rand(2, harmonics, frames)


def naive_bank(f0: np.ndarray, amplitudes: np.ndarray, rate: int, hop: int) -> np.ndarray:
    """One signal, one sample at a time, in double precision."""
    out, phase = np.zeros((len(f0) - 1) * hop), 0.0
    for i in range(len(out)):
        n, w = i // hop, i % hop / hop
        f = (1 - w) * f0[n] + w * f0[n + 1]
        phase += f / rate
        for k in range(1, len(amplitudes) + 1):
            if k * f < rate / 2:
                out[i] += ((1 - w) * amplitudes[k - 1, n] + w * amplitudes[k - 1, n + 1]) * math.sin(2 * math.pi * k * phase)
    return out


@pytest.mark.parametrize("scale", [1.0, 9.0])
def test_the_oscillator_bank_equals_a_double_loop(scale: float) -> None:
    f0, amplitudes = controls()
    ours, _ = synth.oscillators(scale * f0, amplitudes, RATE, HOP)
    for b in range(2):
        theirs = naive_bank(scale * f0[b].double().numpy(), amplitudes[b].double().numpy(), RATE, HOP)
        np.testing.assert_allclose(ours[b].numpy(), theirs, atol=1e-4)


def test_nothing_sounds_above_half_the_rate() -> None:
    f0 = torch.full((1, 101), 3000.0)
    y, _ = synth.oscillators(f0, torch.ones(1, 20, 101), RATE, HOP)
    spectrum = torch.fft.rfft(y[0] * torch.hann_window(6400)).abs()
    hz = torch.fft.rfftfreq(6400, 1 / RATE)
    partial = (hz - 3000).abs().minimum((hz - 6000).abs()) < 20
    assert spectrum[~partial].max() < 1e-3 * spectrum.max()


def test_the_phase_stays_right_for_a_minute() -> None:
    count = 60 * RATE
    cycles, _ = synth.cycles_of(torch.full((1, count), 440.0), RATE)
    exact = (np.arange(1, count + 1) * 440.0 / RATE) % 1
    error = np.abs(cycles[0].numpy() - exact)
    assert np.minimum(error, 1 - error).max() < 1e-6


def test_oscillators_run_on_from_their_phase() -> None:
    f0, amplitudes = controls(frames=9)
    whole, _ = synth.oscillators(f0, amplitudes, RATE, HOP)
    first, phase = synth.oscillators(f0[:, :5], amplitudes[..., :5], RATE, HOP)
    second, _ = synth.oscillators(f0[:, 4:], amplitudes[..., 4:], RATE, HOP, phase)
    assert torch.allclose(torch.cat([first, second], -1), whole, atol=1e-5)


def test_gradients_reach_frequency_and_amplitude() -> None:
    f0, amplitudes = (x.double().requires_grad_(True) for x in controls(harmonics=2, frames=3))
    assert torch.autograd.gradcheck(lambda f, a: synth.oscillators(f, a, RATE, 4)[0], (f0, amplitudes), atol=1e-4)


def test_noise_is_white_and_depends_on_the_place_alone() -> None:
    x = synth.white_noise(0, 65536, torch.zeros(()))
    assert float(x.square().mean()) == pytest.approx(1, abs=0.01)
    assert abs(float(x.mean())) < 0.01
    assert torch.equal(synth.white_noise(1000, 50, torch.zeros(())), x[1000:1050])
    _, power = scipy.signal.welch(x.numpy(), nperseg=256)
    assert power[1:-1].std() < 0.15 * power[1:-1].mean()


@pytest.mark.parametrize("phase", ["zero", "minimum"])
def test_filtered_noise_has_the_spectrum_that_was_asked_for(phase: str) -> None:
    gains = torch.exp(1.5 * torch.sin(torch.linspace(0, 6, 129)))
    taps = synth.impulse_responses(gains.log(), phase)
    x = synth.white_noise(0, 128 * 512, torch.zeros(()))
    y, _ = synth.filtered(synth.cuts(x, 128), taps.expand(512, -1), 128)
    _, power = scipy.signal.welch(y.numpy(), nperseg=256, window="hann")
    _, flat = scipy.signal.welch(x.numpy(), nperseg=256, window="hann")
    off = 10 * np.log10(power / flat)[2:-2] - 20 * np.log10(gains.numpy())[2:-2]
    assert np.abs(off).max() < 0.5, "decibels"


def test_a_filter_that_stays_is_a_convolution_one_hop_late() -> None:
    torch.manual_seed(1)
    x, taps = torch.randn(640), torch.randn(32)
    y, _ = synth.filtered(synth.cuts(x, 64), taps.expand(10, -1), 64)
    np.testing.assert_allclose(y[64:].numpy(), np.convolve(x, taps)[: 640 - 64], atol=1e-4)


def test_minimum_phase_equals_scipy() -> None:
    gains = torch.exp(0.8 * torch.cos(torch.linspace(0, math.pi, 65)))
    ours = synth.impulse_responses(gains.double().log(), "minimum")
    linear = synth.impulse_responses(2 * gains.double().log(), "zero").numpy()  # scipy halves the magnitude's logarithm
    theirs = scipy.signal.minimum_phase(np.append(linear, 0)[1:], method="homomorphic", n_fft=4096)
    np.testing.assert_allclose(ours.numpy()[:40], theirs[:40], atol=2e-2)
    spectrum = np.abs(np.fft.rfft(ours.numpy()))
    np.testing.assert_allclose(spectrum, gains.numpy(), rtol=1e-2)
    roots = np.roots(ours.numpy()[:48])
    assert np.abs(roots).max() < 1.001


def test_filters_and_rooms_run_on_from_their_tails() -> None:
    torch.manual_seed(2)
    x, taps, sends = torch.randn(2, 320), torch.randn(2, 5, 48), torch.rand(2, 2, 320)
    whole, _ = synth.filtered(synth.cuts(x, 64), taps, 64)
    wet, _ = synth.reverberated(x, sends, (0.01, 0.05), RATE, None)
    past = tail = room = None
    ys, ws = [], []
    for a, b in ((0, 1), (1, 3), (3, 5)):
        block = x[:, a * 64 : b * 64]
        y, tail = synth.filtered(synth.cuts(block, 64, past), taps[:, a:b], 64, tail)
        w, room = synth.reverberated(block, sends[..., a * 64 : b * 64], (0.01, 0.05), RATE, room)
        past = block[:, -64:]
        ys, ws = [*ys, y], [*ws, w]
    assert torch.allclose(torch.cat(ys, -1), whole, atol=1e-5)
    assert torch.allclose(torch.cat(ws, -1), wet, atol=1e-5)


def test_rooms_decay_as_they_say() -> None:
    h = synth.rooms((0.2, 0.4), RATE, torch.device("cpu"), torch.float64)
    assert torch.allclose(h.square().sum(-1), torch.ones(2, dtype=torch.float64))
    early, late = h[1, :320].square().mean(), h[1, 3200:3520].square().mean()
    assert 10 * float(torch.log10(early / late)) == pytest.approx(60 * 0.2 / 0.4, abs=1.5)


def test_amplitudes_and_their_controls_are_inverse() -> None:
    x = torch.linspace(-5, 5, 50)
    assert torch.allclose(synth.exp_sigmoid_inverse(synth.exp_sigmoid(x)), x, atol=1e-2)


@pytest.mark.parametrize(("bands", "bins"), [(20, 257), (32, 65), (32, 32), (2, 9)])
def test_bands_share_every_bin(bands: int, bins: int) -> None:
    lines = synth.band_lines(bands, bins, RATE, torch.device("cpu"), torch.float32)
    assert torch.allclose(lines.sum(0), torch.ones(bins), atol=1e-5)
    assert ((lines > 0).sum(0) <= 2).all()
    assert (lines.amax(1) > 0).all(), "no band without a bin"


def test_pitch_equals_the_tone_and_librosa() -> None:
    t = np.arange(RATE) / RATE
    f = 150 + 100 * t
    x = sum(np.sin(2 * np.pi * k * np.cumsum(f) / RATE) / k for k in (1, 2, 3)).astype(np.float32) * 0.2
    f0, aperiodicity = synth.pitch_of(torch.from_numpy(x)[None], RATE, 256, 60, 800, 60)
    inner = slice(4, 56)
    cents = 1200 * np.log2(f0[0, inner].numpy() / f[np.arange(60) * 256][inner])
    assert np.abs(cents).max() < 15
    theirs = librosa.yin(x, fmin=60, fmax=800, sr=RATE, hop_length=256, frame_length=1024)
    assert np.median(np.abs(1200 * np.log2(f0[0, inner].numpy() / theirs[inner]))) < 15
    assert aperiodicity[0, inner].max() < 0.1
    noise = torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    assert synth.pitch_of(noise, RATE, 256, 60, 800, 60)[1].median() > 0.3


def test_analysis_finds_what_was_synthesised() -> None:
    frames, hop = 40, 256
    f0 = torch.full((1, frames), 220.0)
    amplitudes = torch.tensor([0.3, 0.1, 0.05])[None, :, None].expand(1, 3, frames)
    y, _ = synth.oscillators(f0, amplitudes, RATE, hop)
    found, noise = synth.harmonic_analysis(y, f0, RATE, hop, 4, 8)
    inner = found[0, :, 3:-3]
    assert torch.allclose(inner[:3], amplitudes[0, :, 3:-3], rtol=0.03)
    assert inner[3].max() < 1e-2
    assert noise[0, :, 3:-3].max() < 0.02, "what leaks out of a main lobe"
    x = 0.1 * synth.white_noise(0, hop * frames, y)[None]
    _, noise = synth.harmonic_analysis(x, f0, RATE, hop, 4, 8)
    assert noise[0, 2:, 3:-3].mean(-1).numpy() == pytest.approx(0.1, rel=0.25)
