"""μ-law, power spectra, log-mel and cepstra: against their references, round trips, streams, refusals."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from audioml import dsp, dsp_mel, dsp_phase, shelf
from audioml.errors import Misfit, RequestError
from audioml.kinds import Codes, Grid, Seq, Stems, Wave

MONO, STEMS = Wave(1, 16000), Stems(("a", "b", "c"), 1, 16000)


def noise(*shape: int) -> Seq:
    torch.manual_seed(3)
    return Seq(0.1 * torch.randn(*shape), torch.full((shape[0],), shape[-1]))


def voice(seconds: float = 1.0, f0: float = 150.0) -> Seq:
    """A gliding harmonic tone with a formant and an envelope, [1, 1, T]."""
    t = np.arange(int(16000 * seconds)) / 16000
    phase = 2 * np.pi * np.cumsum(f0 * (1 + 0.2 * t)) / 16000
    x = sum(np.cos(k * phase) * np.exp(-0.5 * ((k * f0 - 700) / 500) ** 2) for k in range(1, 25))
    x = 0.1 * x * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) + 1e-3 * np.random.default_rng(0).standard_normal(len(t))
    return Seq(torch.from_numpy(x).float()[None, None], torch.tensor([len(t)]))


def log_mel_distance(a: Seq, b: Seq) -> float:
    """dB, floored 60 dB below the loudest band of `a`."""
    rep = shelf.make("representation", "logmel", {"floor": 1e-12, "offset": 0.0, "scale": 1.0})
    x, y = (rep.encode(s, MONO)[0].x * 10 / np.log(10) for s in (a, b))
    low = x.max() - 60
    return float((x.clamp(min=low) - y.clamp(min=low)).abs().mean())


@pytest.mark.parametrize("hop", [1, 7])
@pytest.mark.parametrize("world", [Wave(2, 16000), STEMS], ids=["wave", "stems"])
def test_mulaw_equals_torchaudio_and_is_exact_to_the_quantiser(hop: int, world: Wave | Stems) -> None:
    import torchaudio

    rep = shelf.make("representation", "mulaw", {"hop": hop})
    seq = noise(2, 2, 1001) if isinstance(world, Wave) else noise(2, 3, 1, 1001)
    coded, side = rep.encode(seq, world)
    assert rep.space(world) == Codes((2 if isinstance(world, Wave) else 3) * hop, 256, rep.space(world).rate)
    assert coded.x.shape == (2, rep.space(world).books, -(-1001 // hop))
    assert int(coded.n[0]) == coded.x.shape[-1]
    signals = seq.x.flatten(1, -2)
    theirs = torchaudio.functional.mu_law_encoding(signals, 256)
    ours = coded.x.unflatten(1, (-1, hop)).transpose(-1, -2).flatten(-2)[..., :1001]
    assert torch.equal(ours, theirs)
    back = rep.decode(coded, side, world)
    assert back.x.shape == seq.x.shape
    assert torch.allclose(back.x.flatten(1, -2), torchaudio.functional.mu_law_decoding(theirs, 256), atol=1e-6)
    assert torch.equal(rep.encode(back, world)[0].x, coded.x)


def test_mulaw_survives_every_code_and_too_loud_input() -> None:
    rep = shelf.make("representation", "mulaw")
    codes = Seq(torch.arange(256)[None, None], torch.tensor([256]))
    back = rep.decode(codes, (256, codes.n), MONO)
    assert torch.equal(rep.encode(back, MONO)[0].x, codes.x)
    assert rep.encode(Seq(torch.tensor([[[-9.0, 9.0]]]), torch.tensor([2])), MONO)[0].x.tolist() == [[[0, 255]]]


@pytest.mark.parametrize("samples", [1, 511, 16001])
def test_power_spectrum_inverts_under_the_borrowed_phase(samples: int) -> None:
    rep = shelf.make("representation", "stft_power")
    seq = noise(2, 1, samples)
    coded, side = rep.encode(seq, MONO)
    assert torch.allclose(rep.decode(coded, side, MONO).x, seq.x, atol=3e-6)
    linear = shelf.make("representation", "stft_mag", {"power": 1.0}).encode(seq, MONO)[0].x
    assert torch.allclose(coded.x, linear.square(), atol=1e-5)
    cells = torch.rand(1, 257, 9, requires_grad=True)
    rep.decode(Seq(cells[None] * 0, torch.tensor([9])), (torch.ones(1, 1, 257, 9, dtype=torch.cfloat), 2000, torch.tensor([2000])), MONO).x.sum().backward()
    assert cells.grad.isfinite().all()


def test_griffin_lim_finds_a_consistent_phase_and_momentum_helps() -> None:
    x = voice().x
    magnitude = torch.fft.rfft(dsp.frames_of(x, 512, 128)).abs().transpose(-1, -2)

    def inconsistency(iterations: int, momentum: float) -> float:
        phase = dsp_phase.griffin_lim(magnitude, 512, 128, iterations, momentum)
        assert torch.allclose(phase.abs(), torch.ones(()), atol=1e-4)
        wave = dsp.overlap_add(torch.fft.irfft((magnitude * phase).transpose(-1, -2), n=512), 512, 128, x.shape[-1])
        again = torch.fft.rfft(dsp.frames_of(wave, 512, 128)).abs().transpose(-1, -2)
        return float((again - magnitude).norm() / magnitude.norm())

    first, slow, fast = inconsistency(1, 0.0), inconsistency(64, 0.0), inconsistency(64, 0.99)
    assert slow < 0.5 * first
    assert fast < slow


def test_griffin_lim_of_a_batch_is_that_of_its_items() -> None:
    rep = shelf.make("representation", "griffin")
    (coded, side), two = rep.encode(noise(3, 1, 6000), MONO), Wave(2, 16000)
    whole = rep.decode(coded, side, MONO).x
    one = rep.decode(Seq(coded.x[1:2], coded.n[1:2]), (6000, coded.n[1:2]), MONO).x
    assert torch.allclose(whole[1:2], one, atol=1e-4)
    coded, side = rep.encode(Seq(whole[:2].reshape(1, 2, 6000), torch.tensor([6000])), two)
    assert rep.decode(coded, side, two).x.shape == (1, 2, 6000)


@pytest.mark.parametrize(("name", "user", "limit"), [
    ("griffin", {}, 1.5), ("logmel", {}, 3.0), ("mfcc", {"normalize": "none", "cepstra": 40}, 5.0), ("mfcc", {"normalize": "none"}, 8.0),
])  # fmt: skip
def test_lossy_ones_render(name: str, user: dict, limit: float) -> None:
    """In dB of log-mel distance; white noise is 19 dB away."""
    rep, x = shelf.make("representation", name, user), voice()
    coded, side = rep.encode(x, MONO)
    back = rep.decode(coded, side, MONO)
    assert back.x.shape == x.x.shape
    found = log_mel_distance(x, back)
    other = log_mel_distance(x, Seq(0.05 * torch.randn(1, 1, 16000), x.n))
    assert found < limit < 15 < other, (found, other)


@pytest.mark.parametrize("name", ["logmel", "griffin", "mfcc"])
@pytest.mark.parametrize("samples", [1, 300, 5000])
def test_rendering_any_length_with_gradients(name: str, samples: int) -> None:
    rep = shelf.make("representation", name, {"iterations": 2} | ({"normalize": "none"} if name == "mfcc" else {}))
    coded, side = rep.encode(noise(2, 3, 1, samples), STEMS)
    x = coded.x.requires_grad_()
    out = rep.decode(Seq(x, coded.n), side, STEMS).x
    assert out.shape == (2, 3, 1, samples)
    out.square().sum().backward()
    used = x.grad[:, :, : rep.cepstra] if name == "mfcc" else x.grad
    assert used.isfinite().all()
    assert float(used.abs().max()) > 0


def test_undoing_the_mel_filters_recovers_what_they_pass() -> None:
    bank = dsp_mel.mel_bank(16000, 1024, 80, 0.0, 8000.0, torch.device("cpu"), torch.float32)
    theirs = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=80, fmin=0).T
    np.testing.assert_allclose(bank.numpy(), theirs, atol=1e-6)
    power = torch.rand(50, 513).square()
    energy = power @ bank
    found = dsp_mel.spread(energy, bank)
    assert float(found.min()) >= 0
    assert float(((found @ bank) - energy).norm() / energy.norm()) < 0.01


def reference_log_mel(x: Seq, bins: int, low: float, window: int = 512, hop: int = 256, floor: float = 1e-8) -> np.ndarray:
    padded = np.concatenate([np.zeros(window - hop), x.x[0, 0].double().numpy()])
    shape = np.sqrt(scipy.signal.get_window("hann", window))
    power = np.abs(librosa.stft(padded, n_fft=window, hop_length=hop, window=shape, center=False)) ** 2 * (2 / window)
    return np.log(librosa.filters.mel(sr=16000, n_fft=window, n_mels=bins, fmin=low) @ power + floor)


def test_logmel_is_scaled_log_mel() -> None:
    x = noise(1, 1, 16000)
    rep = shelf.make("representation", "logmel")
    ours = rep.encode(x, MONO)[0].x[0, 0].numpy()
    theirs = (reference_log_mel(x, 80, 0.0, 1024, 256) + rep.offset) / rep.scale
    np.testing.assert_allclose(ours[:, : theirs.shape[1]], theirs, atol=1e-4)


def test_mfcc_equals_librosa_and_the_lifter_of_kaldi() -> None:
    from torchaudio.compliance import kaldi

    x = noise(1, 1, 16000)
    plain = shelf.make("representation", "mfcc", {"normalize": "none", "lifter": 0.0, "scale": 1.0})
    ours = plain.encode(x, MONO)[0].x[0, 0].numpy()
    log_mel = reference_log_mel(x, 40, 20.0)
    count = log_mel.shape[1]
    theirs = librosa.feature.mfcc(S=log_mel, n_mfcc=13)
    np.testing.assert_allclose(ours[:13, :count], theirs, atol=1e-3)
    for order in (1, 2):
        slopes = librosa.feature.delta(theirs, width=5, order=1) if order == 1 else librosa.feature.delta(librosa.feature.delta(theirs, width=5), width=5)
        inner = slopes[:, 4 : count - 4]  # librosa's is centred, ours two frames later per order
        np.testing.assert_allclose(ours[13 * order : 13 * (order + 1), 4 + 2 * order : count - 4 + 2 * order], inner, atol=1e-3)
    lifted = shelf.make("representation", "mfcc", {"normalize": "none", "scale": 1.0}).encode(x, MONO)[0].x[0, 0, :13].numpy()
    weights = kaldi._get_lifter_coeffs(13, 22.0).numpy()
    np.testing.assert_allclose(lifted, ours[:13] * weights[:, None], atol=1e-3)


@pytest.mark.parametrize("name", ["mel", "mfcc", "logmel"])
def test_clip_variance_makes_unit_variance_whatever_the_padding(name: str) -> None:
    rep = shelf.make("representation", name, {"normalize": "clip_variance"})
    x = noise(1, 1, 8000)
    a = rep.encode(x, MONO)[0]
    b = rep.encode(Seq(torch.nn.functional.pad(x.x, (0, 5000)), x.n), MONO)[0]
    assert torch.allclose(a.x, b.x[..., : a.x.shape[-1]], atol=1e-4)
    assert float(b.x[..., int(b.n) :].abs().max()) == 0
    assert torch.allclose(a.x.mean(-1), torch.zeros(()), atol=1e-4)
    assert torch.allclose(a.x.std(-1, unbiased=False), torch.ones(()), atol=0.05)


@pytest.mark.parametrize(("name", "user"), [
    ("mulaw", {}), ("mulaw", {"hop": 16}), ("stft_power", {}), ("logmel", {}), ("logmel", {"normalize": "running"}),
    ("mfcc", {"normalize": "none"}), ("mfcc", {"normalize": "running", "deltas": 1}), ("griffin", {}),
    ("mel", {"normalize": "running_variance"}), ("mfcc", {"normalize": "running_variance", "emphasis": 0.97}),
])  # fmt: skip
def test_stream_equals_clip(name: str, user: dict) -> None:
    rep = shelf.make("representation", name, user)
    x = noise(2, 1, 20 * rep.block)
    whole, side = rep.encode(x, MONO)
    state, tail, frames, waves = None, None, [], []
    for start, stop in ((0, 1), (1, 4), (4, 5), (5, 20)):
        part, part_side, state = rep.encode_step(x.x[..., start * rep.block : stop * rep.block], state, MONO)
        frames.append(part)
        if name in ("mulaw", "stft_power"):
            wave, tail = rep.decode_step(part, part_side, tail, MONO)
            waves.append(wave)
    assert torch.allclose(torch.cat(frames, -1).float(), whole.x[..., :20].float(), atol=1e-4)
    if waves:
        back, wave = rep.decode(whole, side, MONO).x, torch.cat(waves, -1)
        assert torch.allclose(wave[..., rep.delay :], back[..., : back.shape[-1] - rep.delay], atol=1e-5)


def test_spaces_have_one_plane_per_signal() -> None:
    two = Wave(2, 16000)
    assert shelf.make("representation", "mfcc").space(two) == Grid(2, 39, shelf.make("representation", "mel").space(two).rate)
    assert shelf.make("representation", "mfcc", {"deltas": 0}).space(MONO).bins == 13
    assert shelf.make("representation", "logmel").space(STEMS).channels == 3
    assert shelf.make("representation", "stft_power").space(two).bins == 257


@pytest.mark.parametrize(("name", "user", "text"), [
    ("mulaw", {"bits": 1}, r"representation\.bits=1 should lie between 2 and 16"),
    ("mulaw", {"hop": 0}, r"representation\.hop=0 should be at least 1"),
    ("mfcc", {"cepstra": 41}, r"representation\.cepstra=41 should lie between 1 and bins=40"),
    ("mfcc", {"width": 4}, r"representation\.width=4 should be odd and at least 3"),
    ("mfcc", {"lifter": -1.0}, r"representation\.lifter=-1\.0 should be zero or more"),
    ("logmel", {"scale": 0.0}, r"representation\.scale=0\.0 should be above zero"),
    ("logmel", {"iterations": 0}, r"representation\.iterations=0 should be at least 1"),
    ("griffin", {"momentum": 1.5}, r"representation\.momentum=1\.5 should lie between 0 and 1"),
])  # fmt: skip
def test_wrong_settings_are_told(name: str, user: dict, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        shelf.make("representation", name, user)


@pytest.mark.parametrize(("name", "normalize"), [("logmel", "clip"), ("logmel", "running"), ("mfcc", "clip_variance")])
def test_what_normalisation_took_off_cannot_be_rendered(name: str, normalize: str) -> None:
    rep = shelf.make("representation", name, {"normalize": normalize})
    assert not rep.renders
    assert shelf.make("representation", name, {"normalize": "none"}).renders
    with pytest.raises(Misfit, match=f"representation '{name}' with normalize={normalize} takes off what rendering .* normalize=none renders"):
        rep.decode(None, None, MONO)


def test_pre_emphasis_takes_the_sample_before_off_and_cannot_be_rendered() -> None:
    x = noise(2, 1, 4000)
    off = {"normalize": "none"}
    plain, lifted = (shelf.make("representation", "mfcc", {**off, "emphasis": a}) for a in (0.0, 0.97))
    by_hand = x.x - 0.97 * torch.nn.functional.pad(x.x, (1, 0))[..., :-1]
    assert torch.equal(lifted.encode(x, MONO)[0].x, plain.encode(Seq(by_hand, x.n), MONO)[0].x)
    assert plain.renders
    assert not lifted.renders
    with pytest.raises(RequestError, match=r"representation\.emphasis=1\.0 should be zero"):
        shelf.make("representation", "mfcc", {"emphasis": 1.0})


def test_running_variance_ends_as_the_clip_s() -> None:
    x = noise(2, 1, 8000)
    past, whole = (shelf.make("representation", "mfcc", {"normalize": how}).encode(x, MONO)[0].x for how in ("running_variance", "clip_variance"))
    assert torch.allclose(past[..., -1], whole[..., -1], atol=1e-3)
    assert float(past.abs().max()) < 2 * float(whole.abs().max())


def test_what_cannot_stream_says_so() -> None:
    with pytest.raises(Misfit, match="render=griffin_lim looks at the whole clip; render=phase streams"):
        shelf.make("representation", "griffin").decode_step(None, None, None, MONO)
    with pytest.raises(Misfit, match="normalize=clip_variance looks at the whole clip; normalize=running streams"):
        shelf.make("representation", "mfcc").encode_step(torch.zeros(1, 1, 256), None, MONO)
    with pytest.raises(Misfit, match="representation 'mulaw' needs the sampling rate"):
        shelf.make("representation", "mulaw").space(Wave(1))
