"""F0, loudness, periodicity and linear prediction: against references, exact where they claim it, streams, refusals."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import torch

from audioml import dsp_lpc, dsp_pitch, shelf
from audioml.errors import Misfit, RequestError
from audioml.kinds import Frames, Seq, Stems, Wave

MONO, STEMS = Wave(1, 16000), Stems(("a", "b"), 1, 16000)


def seq(x: np.ndarray) -> Seq:
    return Seq(torch.from_numpy(x).float()[None, None], torch.tensor([len(x)]))


def tone(f0: float, harmonics: int = 10, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(int(16000 * seconds)) / 16000
    return sum(0.1 * np.sin(2 * np.pi * f0 * k * t + k) / k for k in range(1, harmonics + 1) if k * f0 < 7900)


def speech(seconds: float = 0.8) -> np.ndarray:
    """Pulses through moving resonances, then noise through them."""
    rng, samples = np.random.default_rng(0), int(16000 * seconds)
    f0 = 120 + 40 * np.sin(np.linspace(0, 5, samples))
    source = np.diff(np.floor(np.cumsum(f0) / 16000), prepend=0) * 3 + 0.05 * rng.standard_normal(samples)
    source[samples * 2 // 3 :] = rng.standard_normal(samples - samples * 2 // 3)
    out = source
    for hz, width in ((500, 60), (1500, 90), (2500, 120)):
        r = np.exp(-np.pi * width / 16000)
        out = scipy.signal.lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * hz / 16000), r * r], out)
    return 0.3 * out / np.abs(out).max()


@pytest.mark.parametrize("f0", [65.0, 97.3, 151.7, 220.0, 331.1, 523.25, 880.0, 1090.0])
@pytest.mark.parametrize("harmonics", [1, 10])
def test_f0_of_tones_to_ten_cents(f0: float, harmonics: int) -> None:
    x = shelf.make("representation", "f0").encode(seq(tone(f0, harmonics)), MONO)[0].x[0, :, 4:30]
    assert float(1200 * (x[0] - np.log2(f0 / 220)).abs().max()) < 10
    assert float(x[2].min()) > 0.9


@pytest.mark.slow  # librosa compiles its pitch trackers for ten seconds
@pytest.mark.parametrize("judge", ["yin", "pyin"])
def test_f0_follows_librosa(judge: str) -> None:
    x = speech()[:8500]
    ours = shelf.make("representation", "f0", {"low": 60.0, "high": 400.0}).encode(seq(x), MONO)[0].x[0].numpy()
    keys = {"fmin": 60, "fmax": 400, "sr": 16000, "frame_length": 1024, "hop_length": 256, "center": False}
    padded = np.concatenate([np.zeros(768), x])
    theirs = librosa.yin(padded, trough_threshold=0.15, **keys) if judge == "yin" else librosa.pyin(padded, **keys)[0]
    n = min(len(theirs), ours.shape[1])
    sure = np.isfinite(theirs[:n]) & (ours[2, :n] > 0.7)
    assert sure.sum() > 15
    cents = np.abs(1200 * np.log2(220 * 2 ** ours[0, :n][sure] / theirs[:n][sure]))
    assert np.median(cents) < 15, np.median(cents)
    assert (cents > 100).mean() < 0.1


def test_noise_and_silence_are_not_periodic() -> None:
    rep, rng = shelf.make("representation", "f0"), np.random.default_rng(0)
    assert float(rep.encode(seq(0.1 * rng.standard_normal(8000)), MONO)[0].x[0, 2].median()) < 0.4
    silent = rep.encode(seq(np.zeros(8000)), MONO)[0].x[0]
    assert silent.isfinite().all()
    assert float(silent[2].max()) == 0
    assert torch.allclose(silent[1], torch.tensor(-3.0))  # -100 dB


def test_loudness_is_a_weighted() -> None:
    hz = np.linspace(0, 8000, 513)[1:]
    ours = 10 * torch.log10(dsp_pitch.a_weighting(16000, 1024, torch.device("cpu"), torch.float64)[1:]).numpy()
    np.testing.assert_allclose(ours, librosa.A_weighting(hz, min_db=None), atol=0.01)
    for f0, gain in ((1000, 0.0), (100, -19.1)):
        level = dsp_pitch.loudness(dsp_pitch.raw_frames(torch.from_numpy(tone(f0, 1)) * 10, 1024, 256, 20)[5:], 16000)
        np.testing.assert_allclose(level, gain - 3.01, atol=0.3)


def test_pulses_are_harmonics_below_half_the_rate() -> None:
    train = dsp_pitch.pulses(torch.full((16000,), 700.0), 16000).double().numpy()
    assert train.std() == pytest.approx(1, abs=0.02)
    lines = np.abs(np.fft.rfft(train)) / 8000
    expected = np.sqrt(2 / 11)
    for hz in range(1, 8000):
        assert lines[hz] == pytest.approx(expected if hz % 700 == 0 else 0, abs=0.02)


@pytest.mark.parametrize("world", [MONO, STEMS], ids=["wave", "stems"])
def test_f0_renders_what_it_says(world: Wave | Stems) -> None:
    """F0 and loudness of the sketch are those it was made from."""
    rep, x = shelf.make("representation", "f0"), seq(speech())
    batch = x if isinstance(world, Wave) else Seq(torch.stack([x.x, 0.1 * x.x], 1), x.n)
    coded, side = rep.encode(batch, world)
    assert rep.space(world) == Frames(coded.x.shape[1], rep.space(MONO).rate)
    inner = coded.x.requires_grad_()
    back = rep.decode(Seq(inner, coded.n), side, world)
    assert back.x.shape == batch.x.shape
    back.x.square().sum().backward()
    assert inner.grad.isfinite().all()
    again = rep.encode(Seq(back.x.detach(), batch.n), world)[0].x
    before, after = coded.x.detach()[0, :3], again[0, :3]
    voiced = (before[2] > 0.9) & (after[2] > 0.7)
    assert voiced.sum() > 10
    assert float(1200 * (before[0] - after[0])[voiced].abs().median()) < 30
    assert float(20 * (before[1] - after[1])[4:-4].abs().median()) < 2


@pytest.mark.parametrize(("name", "user"), [
    ("f0", {}), ("lpc", {}), ("lpc", {"excitation": "noise"}), ("lpc", {"excitation": "residual", "parameters": "reflection"}),
])  # fmt: skip
def test_stream_equals_clip(name: str, user: dict) -> None:
    rep = shelf.make("representation", name, user)
    x = seq(speech()).x[..., : 40 * rep.block].repeat(2, 1, 1)
    whole, side = rep.encode(Seq(x, torch.tensor([x.shape[-1]] * 2)), MONO)
    state, tail, frames, waves = None, None, [], []
    for start, stop in ((0, 1), (1, 4), (4, 5), (5, 40)):
        part, part_side, state = rep.encode_step(x[..., start * rep.block : stop * rep.block], state, MONO)
        frames.append(part)
        if "residual" in user.values():
            wave, tail = rep.decode_step(part, part_side, tail, MONO)
            waves.append(wave)
    assert torch.allclose(torch.cat(frames, -1), whole.x[..., :40], atol=2e-3 if name == "f0" else 1e-3)
    if waves:
        assert torch.allclose(torch.cat(waves, -1), x, atol=1e-5)
        assert rep.delay == 0


def test_levinson_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    frames = torch.from_numpy(rng.standard_normal((3, 5, 400)) * np.hanning(400))
    lags = dsp_lpc.autocorrelation(frames, 16)
    for b in range(3):
        for n in range(5):
            direct = np.correlate(frames[b, n].numpy(), frames[b, n].numpy(), "full")[399 : 399 + 17]
            np.testing.assert_allclose(lags[b, n].numpy(), direct, atol=1e-9)
    a, k, error = dsp_lpc.levinson(lags)
    want = scipy.linalg.solve_toeplitz(lags[1, 2, :16].numpy(), -lags[1, 2, 1:].numpy())
    np.testing.assert_allclose(a[1, 2, 1:].numpy(), want, atol=1e-10)
    assert float(error[1, 2]) == pytest.approx(float((lags[1, 2] * a[1, 2]).sum()))
    assert float(k.abs().max()) < 1
    np.testing.assert_allclose(dsp_lpc.polynomial(k).numpy(), a.numpy(), atol=1e-12)


def test_lpc_finds_an_autoregression_as_librosa_does() -> None:
    truth = np.poly([0.95 * np.exp(2j * np.pi * 0.05), 0.95 * np.exp(-2j * np.pi * 0.05), 0.8 * np.exp(2j * np.pi * 0.2), 0.8 * np.exp(-2j * np.pi * 0.2)]).real
    x = scipy.signal.lfilter([1], truth, np.random.default_rng(0).standard_normal(20000))
    frames = torch.from_numpy(x * np.hanning(20000))
    ours = dsp_lpc.levinson(dsp_lpc.autocorrelation(frames, 4))[0].numpy()
    np.testing.assert_allclose(ours, librosa.lpc(x, order=4), atol=0.02)  # Burg's method, the same process
    np.testing.assert_allclose(ours, truth, atol=0.03)


@pytest.mark.parametrize("history", [False, True])
def test_residual_and_resynthesis_equal_scipy_and_invert(history: bool) -> None:
    rng = np.random.default_rng(1)
    k = torch.from_numpy(np.tanh(rng.standard_normal((1, 6, 10))))
    a, past = dsp_lpc.polynomial(k), torch.from_numpy(rng.standard_normal((1, 10))) * float(history)
    x = torch.from_numpy(rng.standard_normal((1, 6 * 64)))
    error = dsp_lpc.residual(torch.cat([past, x], -1), a, 64)
    first = scipy.signal.lfilter(a[0, 0].numpy(), [1], np.concatenate([past[0], x[0, :64]]))[10:]
    np.testing.assert_allclose(error[0, 0].numpy(), first, atol=1e-10)
    np.testing.assert_allclose(dsp_lpc.resynthesis(error, a, past if history else None).numpy(), x.numpy(), atol=1e-7)
    drive, one = rng.standard_normal(640), a[:, :1].expand(1, 10, 11)
    reference = scipy.signal.lfilter([1], a[0, 0].numpy(), drive)
    ours = dsp_lpc.resynthesis(torch.from_numpy(drive).view(1, 10, 64), one)[0].numpy()
    np.testing.assert_allclose(ours, reference, atol=1e-7 * np.abs(reference).max())


@pytest.mark.parametrize("parameters", ["lar", "reflection"])
@pytest.mark.parametrize("samples", [1, 127, 5000])
def test_lpc_with_its_residual_is_exact(parameters: str, samples: int) -> None:
    rep = shelf.make("representation", "lpc", {"excitation": "residual", "parameters": parameters})
    x = seq(speech()[:samples])
    batch = Seq(torch.stack([x.x, 0 * x.x], 1), x.n)
    coded, side = rep.encode(batch, STEMS)
    assert rep.space(STEMS).dim == coded.x.shape[1] == 2 * (20 + 1 + 128)
    back = rep.decode(coded, side, STEMS)
    assert back.x.shape == batch.x.shape
    assert float((back.x - batch.x).abs().max()) < 1e-5


@pytest.mark.parametrize("excitation", ["noise", "pulse"])
def test_lpc_renders_the_envelope(excitation: str) -> None:
    """The smoothed spectrum and the level come back; gradients reach every parameter of the filter."""
    rep, x = shelf.make("representation", "lpc", {"excitation": excitation}), seq(speech())
    coded, side = rep.encode(x, MONO)
    inner = coded.x.requires_grad_()
    back = rep.decode(Seq(inner, coded.n), side, MONO).x
    back.square().sum().backward()
    assert inner.grad.isfinite().all()
    assert (inner.grad[0, :21].abs().sum(-1) > 0).all()
    mel = shelf.make("representation", "mel", {"normalize": "none", "bins": 20, "floor": 1e-8})
    a, b = (mel.encode(Seq(y, x.n), MONO)[0].x[0, 0].mean(-1) * 4.343 for y in (x.x, back.detach()))
    assert float((a - b).abs().mean()) < 3  # dB
    wild = Seq(5 * torch.randn(1, coded.x.shape[1], 7), torch.tensor([7]))
    assert rep.decode(wild, (800, torch.tensor([800])), MONO).x.isfinite().all()


def test_order_follows_the_sampling_rate() -> None:
    rep = shelf.make("representation", "lpc", {"excitation": "noise"})
    assert [rep.space(Wave(1, r)).dim for r in (8000, 16000, 22050)] == [13, 21, 27]
    assert shelf.make("representation", "lpc", {"order": 10}).space(MONO).dim == 13


@pytest.mark.parametrize(("name", "user", "rate", "text"), [
    ("lpc", {"order": 0}, 16000, r"order=0 should lie between 1 and hop=128"),
    ("lpc", {"high": 4500.0}, 16000, r"high=4500\.0 Hz lies above a quarter of the sampling rate of 16000 Hz"),
    ("lpc", {"low": 30.0}, 16000, r"window=512 is shorter than two periods of low=30\.0 Hz; take at least 1067"),
    ("f0", {}, 44100, r"window=1024 is shorter than two periods of low=60\.0 Hz; take at least 1471"),
    ("f0", {"low": 500.0, "high": 400.0}, 16000, r"low=500\.0 Hz should be above zero and below high=400\.0 Hz"),
    ("f0", {"threshold": 1.5}, 16000, r"threshold=1\.5 should lie between 0 and 1"),
])  # fmt: skip
def test_wrong_settings_are_told(name: str, user: dict, rate: int, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        shelf.make("representation", name, user).space(Wave(1, rate))


def test_what_cannot_stream_says_so() -> None:
    with pytest.raises(Misfit, match="excitation=pulse has no streaming decoder; residual has"):
        shelf.make("representation", "lpc").decode_step(None, None, None, MONO)
    with pytest.raises(Misfit, match="representation 'f0' has no streaming decoder"):
        shelf.make("representation", "f0").decode_step(None, None, None, MONO)


def test_what_keeps_no_phase_says_so() -> None:
    """Methods choose their losses by these marks."""
    make = shelf.make
    for name in ("f0", "lpc", "logmel", "cqt", "griffin"):
        assert make("representation", name).phaseless
    for name, user in (("lpc", {"excitation": "residual"}), ("stft_power", {})):
        assert not make("representation", name, user).phaseless
    assert [make("representation", "lpc", {"excitation": e}).detached for e in ("noise", "pulse")] == [False, True]
    assert make("representation", "f0").detached
