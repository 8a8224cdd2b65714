"""Constant-Q and chroma: against librosa and the definition, the picture of a tone, streams, rendering, refusals."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from audioml import dsp_cqt, shelf
from audioml.errors import Misfit, RequestError
from audioml.kinds import Grid, Seq, Stems, Wave

MONO = Wave(1, 16000)
LINEAR = {"floor": 1e-12, "offset": 0.0, "scale": 2.0}  # then exp() is the magnitude


def music(seconds: float = 1.5) -> np.ndarray:
    """A chord whose notes decay, over quiet noise."""
    t = np.arange(int(16000 * seconds)) / 16000
    x = sum(np.sin(2 * np.pi * f * k * t) * np.exp(-3 * (t % 0.5)) / k for f in (130.8, 196.0, 329.6, 523.3) for k in (1, 2, 3))
    return 0.05 * x + 1e-3 * np.random.default_rng(0).standard_normal(len(t))


def seq(x: np.ndarray) -> Seq:
    return Seq(torch.from_numpy(x).float()[None, None], torch.tensor([len(x)]))


def magnitude(x: np.ndarray, **user: object) -> np.ndarray:
    return np.exp(shelf.make("representation", "cqt", LINEAR | user).encode(seq(x), MONO)[0].x[0, 0].double().numpy())


def test_cqt_equals_its_definition() -> None:
    x = music(0.6)
    ours = magnitude(x, dense=False)
    padded = np.pad(x, 8192)
    for row, kernel in enumerate(dsp_cqt.filters(16000, 32.7032, 84, 12)):
        for n in (0, 5, 20, 37):
            start = 8192 + n * 256 - len(kernel) // 2
            want = abs(np.vdot(kernel, padded[start : start + len(kernel)]))
            assert ours[row, n] == pytest.approx(np.hypot(want, 1e-6), rel=2e-3, abs=2e-5)


def test_cqt_equals_librosa() -> None:
    x = music()
    ours = magnitude(x, dense=False)
    theirs = np.abs(librosa.cqt(x, sr=16000, hop_length=256, fmin=32.7032, n_bins=84, sparsity=0))
    assert ours.shape == theirs.shape
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 0.02  # its lower octaves come from resampled audio
    top = slice(72, 84)
    assert np.linalg.norm(ours[top] - theirs[top]) / np.linalg.norm(theirs[top]) < 5e-3


def test_dense_looks_miss_no_click() -> None:
    """A click between two looks of a short filter: the dense transform hears it wherever it falls."""
    heard = {True: [], False: []}
    for at in range(8000, 8256, 16):
        x = np.zeros(16000)
        x[at] = 1
        for dense, levels in heard.items():
            levels.append(magnitude(x, dense=dense)[80].max())
    assert min(heard[True]) > 0.6 * max(heard[True])
    assert min(heard[False]) < 0.2 * max(heard[False])


def test_white_noise_is_equally_loud_in_every_bin_and_a_tone_peaks_in_its_own() -> None:
    noise = np.random.default_rng(1).standard_normal(64000)
    level = np.sqrt((magnitude(noise) ** 2).mean(1))[12:]  # the lowest octave has too few independent looks
    assert level.max() / level.min() < 1.4
    t = np.arange(32000) / 16000
    for note in (10, 33, 57, 80):
        picture = magnitude(0.1 * np.sin(2 * np.pi * 32.7032 * 2 ** (note / 12) * t))[:, 40:80]
        assert set(picture.argmax(0)) == {note}


@pytest.mark.parametrize("user", [{}, {"dense": False}, {"normalize": "running"}, {"hop": 64}], ids=str)
def test_cqt_of_the_past_streams(user: dict) -> None:
    rep = shelf.make("representation", "cqt", {"align": "past", "per_octave": 12, **user})
    x = seq(music(0.5)).x[..., : 20 * rep.block].repeat(2, 1, 1)
    whole, _ = rep.encode(Seq(x, torch.tensor([x.shape[-1]] * 2)), MONO)
    state, frames = None, []
    for start, stop in ((0, 1), (1, 4), (4, 5), (5, 20)):
        part, _, state = rep.encode_step(x[..., start * rep.block : stop * rep.block], state, MONO)
        frames.append(part)
    assert torch.allclose(torch.cat(frames, -1), whole.x, atol=1e-4)


def test_cqt_ignores_padding_and_keeps_signals_apart() -> None:
    rep, x = shelf.make("representation", "cqt"), seq(music(0.5))
    a, b = (rep.encode(Seq(torch.nn.functional.pad(x.x, (0, p)), x.n), MONO)[0] for p in (0, 5000))
    assert int(a.n) == int(b.n) == a.x.shape[-1]
    assert torch.allclose(a.x, b.x[..., : a.x.shape[-1]], atol=1e-5)
    stems = Stems(("a", "b"), 1, 16000)
    two, side = rep.encode(Seq(torch.stack([x.x, 0 * x.x], 1), x.n), stems)
    assert rep.space(stems) == Grid(2, 84, rep.space(MONO).rate)
    assert torch.allclose(two.x[:, :1], a.x, atol=1e-5)
    assert rep.decode(two, side, stems).x.shape == (1, 2, 1, 8000)


def test_cqt_renders() -> None:
    rep, x = shelf.make("representation", "cqt"), music()
    coded, side = rep.encode(seq(x), MONO)
    inner = coded.x.requires_grad_()
    back = rep.decode(Seq(inner, coded.n), side, MONO).x
    back.square().sum().backward()
    assert inner.grad.isfinite().all()
    before, after = (magnitude(y) for y in (x, back.detach().double().numpy()[0, 0]))
    low = before.max() / 300
    assert np.abs(20 * np.log10(np.maximum(before, low) / np.maximum(after, low))).mean() < 3
    assert rep.decode(Seq(coded.x[..., :1], torch.tensor([1])), (100, torch.tensor([100])), MONO).x.shape == (1, 1, 100)


def test_argmax_leaves_the_strongest_class_of_what_sounds() -> None:
    x = music()
    x[: len(x) // 2] = 0
    soft, hard = (shelf.make("representation", "chroma", {"argmax": a}).encode(seq(x), MONO)[0].x[0, 0] for a in (False, True))
    sounds = soft.amax(0) > 0.5
    assert 0 < sounds.sum() < len(sounds)
    assert torch.equal(hard.sum(0), sounds.float())
    assert torch.equal(hard.argmax(0)[sounds], soft.argmax(0)[sounds])


def test_bins_follow_the_sampling_rate() -> None:
    rep = shelf.make("representation", "cqt")
    assert [rep.space(Wave(1, rate)).bins for rate in (8000, 16000, 22050)] == [72, 84, 96]
    with pytest.raises(RequestError, match=r"bins=90 from 32\.7032 Hz reach 5.* Hz, above half the sampling rate of 8000 Hz; 72 fit"):
        shelf.make("representation", "cqt", {"bins": 90}).space(Wave(1, 8000))
    with pytest.raises(RequestError, match=r"bins=None from 5000 Hz .* 0 fit"):
        shelf.make("representation", "cqt", {"low": 5000.0}).space(Wave(1, 8000))


@pytest.mark.parametrize(("name", "user", "text"), [
    ("cqt", {"low": 0.0}, r"low=0\.0, per_octave=12 and bins=None should be above zero"),
    ("cqt", {"window": 700}, r"window=700 should be a multiple of twice hop=256"),
    ("chroma", {"classes": 11}, r"classes=11 should be a multiple of 12"),
    ("chroma", {"floor": 0.0}, r"floor=0\.0 should be above zero"),
])  # fmt: skip
def test_wrong_settings_are_told(name: str, user: dict, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        shelf.make("representation", name, user)


def test_what_cannot_be_done_says_so() -> None:
    make = lambda **user: shelf.make("representation", "cqt", user)  # noqa: E731
    with pytest.raises(Misfit, match="align=centre looks half a filter ahead; align=past streams"):
        make().encode_step(torch.zeros(1, 1, 256), None, MONO)
    with pytest.raises(Misfit, match="normalize=clip looks at the whole clip; normalize=running streams"):
        make(align="past", normalize="clip").encode_step(torch.zeros(1, 1, 256), None, MONO)
    with pytest.raises(Misfit, match="align=past delays each bin differently; align=centre renders"):
        make(align="past").decode(None, None, MONO)
    with pytest.raises(Misfit, match="normalize=clip takes off what rendering would have to put back"):
        make(normalize="clip").decode(None, None, MONO)
    with pytest.raises(Misfit, match="representation 'cqt' needs the sampling rate"):
        make().space(Wave(1))
    assert [make(align=a).renders for a in ("centre", "past")] == [True, False]


@pytest.mark.parametrize("classes", [12, 24])
def test_chroma_equals_librosa(classes: int) -> None:
    x = music()
    ours = shelf.make("representation", "chroma", {"classes": classes, "tuning": 0.1, "floor": 1e-9}).encode(seq(x), MONO)[0].x[0, 0].numpy()
    padded = np.concatenate([np.zeros(4096 - 256), x])
    window = np.sqrt(scipy.signal.get_window("hann", 4096))
    power = np.abs(librosa.stft(padded, n_fft=4096, hop_length=256, window=window, center=False)) ** 2
    theirs = librosa.feature.chroma_stft(S=power, sr=16000, n_chroma=classes, tuning=0.1)
    np.testing.assert_allclose(ours[:, : theirs.shape[1]], theirs, atol=1e-4)


def test_chroma_names_the_note_in_every_octave_and_streams() -> None:
    rep = shelf.make("representation", "chroma")
    t = np.arange(16000) / 16000
    for octave in (110.0, 220.0, 440.0, 880.0):
        picture = rep.encode(seq(0.1 * np.sin(2 * np.pi * octave * t)), MONO)[0].x[0, 0, :, 20:50]
        assert set(picture.argmax(0).tolist()) == {9}  # A
    assert float(rep.encode(seq(np.zeros(4000)), MONO)[0].x.abs().max()) == 0
    x = seq(music(0.5)).x[..., : 20 * 256]
    whole, _ = rep.encode(Seq(x, torch.tensor([x.shape[-1]])), MONO)
    state, frames = None, []
    for start, stop in ((0, 1), (1, 4), (4, 20)):
        part, _, state = rep.encode_step(x[..., start * 256 : stop * 256], state, MONO)
        frames.append(part)
    assert torch.allclose(torch.cat(frames, -1), whole.x[..., :20], atol=1e-4)
    assert not rep.renders
