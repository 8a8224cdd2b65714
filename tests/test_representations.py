"""Representations: invertible ones invert, each equals its reference, and a stream equals the clip."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from audioml import dsp, shelf
from audioml.errors import Misfit, RequestError
from audioml.kinds import Label, Seq, Stems, Text, Wave

WAVE, STEMS = Wave(2, 16000), Stems(("a", "b", "c"), 1, 16000)


def noise(*shape: int) -> Seq:
    torch.manual_seed(3)
    return Seq(0.1 * torch.randn(*shape), torch.full((shape[0],), shape[-1]))


@pytest.mark.parametrize("name", ["waveform", "stft", "stft_mag"])
@pytest.mark.parametrize("samples", [1, 3, 511, 512, 16000, 16001])
def test_round_trip(name: str, samples: int) -> None:
    rep = shelf.make("representation", name)
    for world, seq in ((WAVE, noise(2, 2, samples)), (STEMS, noise(2, 3, 1, samples))):
        coded, side = rep.encode(seq, world)
        if name == "stft_mag" and isinstance(world, Stems):
            side = (side[0], *side[1:])
        back = rep.decode(coded, side, world)
        assert back.x.shape == seq.x.shape
        assert torch.allclose(back.x, seq.x, atol=2e-6), f"{name}: {(back.x - seq.x).abs().max():.1e}"
        space = rep.space(world)
        assert coded.x.shape[1] == (space.dim if hasattr(space, "dim") else space.channels)
        assert int(coded.n[0]) == coded.x.shape[-1]


def test_stft_equals_scipy_and_librosa() -> None:
    rep = shelf.make("representation", "stft", {"power": 1.0})
    x = noise(1, 1, 16000)
    grid, _ = rep.encode(x, Wave(1, 16000))
    ours = torch.complex(*grid.x[0].unbind(0)).numpy() / (2 / 512) ** 0.5
    window = np.sqrt(scipy.signal.get_window("hann", 512))
    padded = np.concatenate([np.zeros(256), x.x[0, 0].double().numpy()])  # left padding: window - hop
    count = (len(padded) - 512) // 256 + 1
    theirs = librosa.stft(padded, n_fft=512, hop_length=256, window=window, center=False)
    np.testing.assert_allclose(ours[:, :count], theirs, atol=2e-4)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 512)[::256] * window
    np.testing.assert_allclose(ours[:, :count], scipy.fft.rfft(frames).T, atol=2e-4)


def test_mel_equals_librosa() -> None:
    rep = shelf.make("representation", "mel", {"normalize": "none", "floor": 1e-5})
    x = noise(1, 1, 16000)
    ours = rep.encode(x, Wave(1, 16000))[0].x[0, 0].numpy()
    padded = np.concatenate([np.zeros(256), x.x[0, 0].double().numpy()])
    window = np.sqrt(scipy.signal.get_window("hann", 512))
    spec = np.abs(librosa.stft(padded, n_fft=512, hop_length=256, window=window, center=False)) ** 2 * (2 / 512)
    bank = librosa.filters.mel(sr=16000, n_fft=512, n_mels=64, fmin=30.0)
    theirs = np.log(bank @ spec + 1e-5)
    np.testing.assert_allclose(ours[:, : theirs.shape[1]], theirs, atol=1e-4)


def test_compression_inverts() -> None:
    x = torch.randn(4, 100, dtype=torch.cfloat)
    y = dsp.compress(x, 0.3)
    assert torch.allclose(y.abs(), x.abs() ** 0.3, atol=1e-4)
    assert torch.allclose(dsp.expand(y.real, y.imag, 0.3), x, atol=1e-4)


def test_padding_changes_nothing() -> None:
    for name, normalize in (("mel", "clip"), ("mel", "running"), ("stft", None)):
        rep = shelf.make("representation", name, {"normalize": normalize} if normalize else {})
        x = noise(1, 1, 8000)
        long = Seq(torch.nn.functional.pad(x.x, (0, 4000)), x.n)
        a, b = (rep.encode(s, Wave(1, 16000))[0] for s in (x, long))
        assert int(a.n) == int(b.n)
        assert torch.allclose(a.x, b.x[..., : a.x.shape[-1]], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "user"),
    [("waveform", {}), ("stft", {}), ("stft_mag", {}), ("stft", {"hop": 128}), ("mel", {"normalize": "none"}), ("mel", {"normalize": "running"})],
)
def test_stream_equals_clip(name: str, user: dict) -> None:
    rep, world = shelf.make("representation", name, user), Wave(1, 16000)
    x = noise(2, 1, 20 * rep.block)
    whole, side = rep.encode(x, world)
    state, frames, waves, tail = None, [], [], None
    for start, stop in ((0, 1), (1, 4), (4, 5), (5, 20)):
        part, part_side, state = rep.encode_step(x.x[..., start * rep.block : stop * rep.block], state, world)
        frames.append(part)
        if rep.renders:
            wave, tail = rep.decode_step(part, part_side, tail, world)
            waves.append(wave)
    joined = torch.cat(frames, -1)
    assert torch.allclose(joined, whole.x[..., :20], atol=1e-5)
    if rep.renders:
        back, wave = rep.decode(whole, side, world).x, torch.cat(waves, -1)
        assert torch.allclose(wave[..., rep.delay :], back[..., : -rep.delay], atol=1e-5)


def test_what_cannot_stream_says_so() -> None:
    with pytest.raises(Misfit, match="normalize=clip looks at the whole clip; normalize=running streams"):
        shelf.make("representation", "mel").encode_step(torch.zeros(1, 1, 256), None, Wave(1, 16000))
    with pytest.raises(Misfit, match="representation 'chars' has no streaming encoder"):
        shelf.make("representation", "chars").encode_step(None, None, Text("ab"))
    with pytest.raises(Misfit, match="representation 'mel' has no streaming decoder"):
        shelf.make("representation", "mel").decode_step(None, None, None, Wave(1, 16000))


def test_masks_filter() -> None:
    x = noise(1, 1, 8000)
    complex_rep, magnitude = shelf.make("representation", "stft"), shelf.make("representation", "stft_mag")
    grid, _ = complex_rep.encode(x, Wave(1, 16000))
    one = torch.cat([torch.full_like(grid.x[:, :1], 20.0), torch.zeros_like(grid.x[:, :1])], 1)
    assert torch.allclose(complex_rep.mask(grid.x, one), grid.x, atol=1e-5), "a saturated real mask passes everything"
    turn = torch.cat([torch.full_like(grid.x[:, :1], -1.0), torch.full_like(grid.x[:, :1], 20.0)], 1)
    re, im = grid.x.chunk(2, 1)
    assert torch.allclose(complex_rep.mask(grid.x, turn), torch.cat([-im, re], 1), atol=1e-5), "an imaginary mask turns by 90°"
    mag, _ = magnitude.encode(x, Wave(1, 16000))
    assert torch.allclose(magnitude.mask(mag.x, torch.full_like(mag.x, -50.0)), torch.zeros_like(mag.x), atol=1e-6)


def test_ideal_masks_reach_the_target_where_they_may() -> None:
    x = noise(1, 1, 8000)
    for name in ("stft", "stft_mag"):
        rep = shelf.make("representation", name)
        mixture, side = rep.encode(x, Wave(1, 16000))
        target, _ = rep.encode(Seq(0.5 * x.x, x.n), Wave(1, 16000))
        back = rep.decode(Seq(rep.ideal_mask(mixture.x, target.x), mixture.n), side, Wave(1, 16000))
        assert torch.allclose(back.x, 0.5 * x.x, atol=1e-5)


def test_text_and_labels_round_trip() -> None:
    chars, world = shelf.make("representation", "chars"), Text(" abc")
    coded, _ = chars.encode(Seq(["a cab", "", "b"], None), world)
    assert coded.n.tolist() == [5, 0, 1]
    assert chars.decode(coded, None, world).x == ["a cab", "", "b"]
    label = shelf.make("representation", "label")
    y = Seq(torch.tensor([2, 0]), torch.ones(2))
    assert label.decode(label.encode(y, Label(("a", "b", "c")))[0], None, Label(("a", "b", "c"))).x.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("name", "user", "text"),
    [
        ("stft", {"window": 512, "hop": 200}, r"window=512 must be a multiple of hop=200, at least twice it"),
        ("stft", {"window": 256, "hop": 256}, r"window=256 must be a multiple of hop=256"),
        ("stft", {"window": 1, "hop": 1}, r"window=1 must be a multiple of hop=1, at least twice it"),
        ("waveform", {"window": 2, "hop": 2}, r"window=2 must be a multiple of hop=2, at least twice it"),
    ],
)
def test_wrong_framing_is_told(name: str, user: dict, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        shelf.make("representation", name, user)


@pytest.mark.parametrize("samples", [1, 999])
def test_a_waveform_in_frames_of_one_is_the_samples(samples: int) -> None:
    rep, world = shelf.make("representation", "waveform", {"window": 1, "hop": 1}), Wave(2, 16000)
    seq = Seq(torch.randn(3, 2, samples), torch.full((3,), samples))
    coded, side = rep.encode(seq, world)
    assert torch.equal(coded.x, seq.x)
    assert torch.equal(coded.n, seq.n)
    assert torch.equal(rep.decode(coded, side, world).x, seq.x)
    assert (rep.space(world).dim, rep.space(world).rate, rep.delay) == (2, 16000, 0)


def test_mel_above_nyquist_is_told() -> None:
    with pytest.raises(RequestError, match=r"representation\.high=9000\.0 Hz lies above half the sampling rate of 16000 Hz"):
        shelf.make("representation", "mel", {"high": 9000.0}).space(Wave(1, 16000))


def test_open_facts_are_told() -> None:
    with pytest.raises(Misfit, match="needs the sampling rate"):
        shelf.make("representation", "stft").space(Wave(1))
    with pytest.raises(Misfit, match="needs an alphabet"):
        shelf.make("representation", "chars").space(Text())
    with pytest.raises(Misfit, match="needs the class names"):
        shelf.make("representation", "label").space(Label())
