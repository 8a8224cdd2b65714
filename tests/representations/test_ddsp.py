"""Filter and harmonic as representations: nothing set changes nothing, a stream equals the clip, analysis and synthesis agree."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from audioml import shelf
from audioml.corpus import Clip
from audioml.errors import Misfit, RequestError
from audioml.kinds import Seq, Stems, Text, Wave
from audioml.metrics import evaluate
from audioml.parts import Task

WAVE, STEMS = Wave(2, 16000), Stems(("a", "b", "c"), 1, 16000)


def noise(*shape: int) -> Seq:
    torch.manual_seed(3)
    return Seq(0.1 * torch.randn(*shape), torch.full((shape[0],), shape[-1]))


def filter_of(**user: object):
    return shelf.make("representation", "filter", {"taps": 128, "bands": 16, "hop": 64, **user})


@pytest.mark.parametrize("phase", ["minimum", "zero"])
@pytest.mark.parametrize("samples", [1, 63, 64, 1000])
def test_settings_of_zero_change_nothing(phase: str, samples: int) -> None:
    rep = filter_of(phase=phase)
    for world, seq in ((WAVE, noise(2, 2, samples)), (STEMS, noise(2, 3, 1, samples))):
        settings, side = rep.encode(seq, world)
        assert settings.x.shape[1] == rep.space(world).dim
        back = rep.decode(settings, side, world)
        assert back.x.shape == seq.x.shape
        assert torch.allclose(back.x, seq.x, atol=1e-5)


def test_gains_are_the_gains_that_were_set() -> None:
    rep = filter_of(taps=512, bands=32)
    settings, side = rep.encode(noise(1, 1, 32000), Wave(1, 16000))
    y = settings.x.clone()
    y[:, 0] = 0.7  # about 6 dB, in nepers before the soft limit
    y[:, 1:13] = -2.0
    wave = rep.decode(Seq(y, settings.n), side, Wave(1, 16000)).x[0, 0]
    f, before = scipy.signal.welch(side[0][0, 0].numpy(), 16000, nperseg=512)
    _, after = scipy.signal.welch(wave.numpy(), 16000, nperseg=512)
    gain = 10 * np.log10(after / before)
    high, low = (f > 2500) & (f < 7500), (f > 60) & (f < 500)
    assert np.abs(gain[high] - 20 * np.log10(np.e) * 4.6 * np.tanh(0.7 / 4.6)).max() < 1
    assert np.abs(gain[low] - gain[high].mean() + 20 * np.log10(np.e) * 4.6 * np.tanh(2 / 4.6)).max() < 1


@pytest.mark.parametrize("blocks", [[1], [3, 1, 2], [8]])
@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("filter", {"phase": "minimum", "rooms": [0.02], "taps": 128, "bands": 16}),
        ("filter", {"phase": "zero", "taps": 128, "bands": 16}),
        ("harmonic", {"rooms": [0.01, 0.03]}),
    ],
)
def test_a_stream_equals_the_clip(name: str, user: dict, blocks: list[int]) -> None:
    rep = shelf.make("representation", name, {"hop": 64, **user})
    x = noise(2, 2, 64 * 24)
    _, side = rep.encode(x, WAVE)
    torch.manual_seed(5)
    frames = 24 + 1 + rep.delay // 64
    y = 0.7 * torch.randn(2, rep.space(WAVE).dim, frames)
    whole = rep.decode(Seq(y, torch.full((2,), frames)), side, WAVE).x
    padded = torch.nn.functional.pad(x.x, (0, (frames - 24) * 64))
    outs, state, coder, at, k = [], None, None, 0, 0
    while at < frames:
        b = slice(at, min(frames, at + blocks[k % len(blocks)]))
        _, lent, coder = rep.encode_step(padded[..., b.start * 64 : b.stop * 64], coder, WAVE)
        wave, state = rep.decode_step(y[..., b], lent, state, WAVE)
        outs.append(wave)
        at, k = b.stop, k + 1
    got = torch.cat(outs, -1)[..., rep.delay :][..., : whole.shape[-1]]
    assert torch.allclose(got, whole[..., : got.shape[-1]], atol=1e-5)
    assert got.shape[-1] == 24 * 64


def test_stems_with_settings_each_add_up() -> None:
    rep = filter_of(curves=0)
    stems, side = noise(2, 3, 1, 1000), None
    settings, side = rep.encode(stems, STEMS)
    y = settings.x.unflatten(1, (3, -1)).clone()
    y[:, 0, 0], y[:, 1, 0] = -50.0, 0.0  # the first is all but muted
    mix = rep.decode(Seq(y.flatten(1, 2), settings.n), side, Wave(1, 16000)).x
    assert mix.shape == (2, 1, 1000)
    assert torch.allclose(mix, stems.x[:, 1] + stems.x[:, 2], atol=0.02)
    wide = rep.decode(Seq(y.repeat(1, 1, 2, 1).flatten(1, 2), settings.n), side, Wave(2, 16000)).x
    assert torch.allclose(wide[:, 0], mix[:, 0], atol=1e-5), "one channel may go to two"


def test_every_setting_gets_a_gradient() -> None:
    for name, user in (("filter", {"rooms": [0.05], "taps": 128}), ("harmonic", {"harmonics": 8})):
        rep = shelf.make("representation", name, user)
        x = noise(1, 1, 2048)
        settings, side = rep.encode(x, Wave(1, 16000))
        y = (0.1 * torch.randn_like(settings.x)).requires_grad_(True)
        rep.decode(Seq(y, settings.n), side, Wave(1, 16000)).x.square().sum().backward()
        assert y.grad.isfinite().all()
        assert (y.grad.abs().sum((0, 2)) > 0).all(), f"{name}: {torch.where(y.grad.abs().sum((0, 2)) == 0)}"


def voice(seconds: float = 1.0) -> Seq:
    t = np.arange(int(16000 * seconds)) / 16000
    phase = 2 * np.pi * np.cumsum(180 + 40 * np.sin(2 * np.pi * 2 * t)) / 16000
    x = sum(np.exp(-((k * 180 - 700) ** 2) / 4e5) * np.sin(k * phase) for k in range(1, 20)) * 0.1
    rng = np.random.default_rng(0)
    x = x + 0.005 * rng.standard_normal(len(t))
    return Seq(torch.from_numpy(x.astype(np.float32))[None, None], torch.tensor([len(t)]))


@pytest.mark.parametrize("pitch", ["emit", "borrow"])
def test_analysis_then_synthesis_sounds_alike(pitch: str) -> None:
    rep, world, x = shelf.make("representation", "harmonic", {"pitch": pitch}), Wave(1, 16000), voice()
    settings, side = rep.encode(x, world)
    assert settings.x.shape[1] == rep.space(world).dim
    if pitch == "borrow":
        assert torch.equal(rep.lend(x, world)[0], side[0])
    back = rep.decode(settings, side, world).x
    task = Task("t", {"x": Wave()}, {"y": Wave()}, ("mel_distance",), "", (), "", "")

    def distance(y: torch.Tensor) -> float:
        clips = [Clip("c", {"x": x.x[0].numpy(), "y": x.x[0].numpy()})]
        return evaluate(task, clips, [{"y": y[0].numpy()}], worlds={"y": world}).values["fidelity/mel_distance"].value

    assert distance(back) < 3.0, "decibels"
    assert distance(back) < 0.4 * distance(0.1 * torch.randn_like(back))


def test_the_pitch_bends_by_a_semitone_at_most() -> None:
    rep, world, x = shelf.make("representation", "harmonic", {"pitch": "borrow", "harmonics": 3}), Wave(1, 16000), voice()
    settings, side = rep.encode(x, world)
    y = settings.x.clone()
    y[:, 0] = 50.0
    up = rep.decode(Seq(y, settings.n), side, world).x
    found = rep.lend(Seq(up, x.n), world)[0][0, 0, 5:-5] / side[0][0, 0, 5:-5]
    assert found.median().item() == pytest.approx(2 ** (1 / 12), abs=0.01)


def test_what_cannot_stream_or_fit_says_so() -> None:
    with pytest.raises(Misfit, match="with pitch=borrow tracks F0 in centred windows; pitch=emit streams"):
        shelf.make("representation", "harmonic", {"pitch": "borrow"}).encode_step(torch.zeros(1, 1, 256), None, WAVE)
    with pytest.raises(Misfit, match="cannot carry Text"):
        filter_of().space(Text("ab"))
    settings, side = filter_of().encode(noise(1, 2, 640), WAVE)
    with pytest.raises(Misfit, match="cannot lay 7 settings on 2 input signals"):
        filter_of().decode(Seq(settings.x[:, :7], settings.n), side, WAVE)
    with pytest.raises(Misfit, match="2 channels of an input cannot make 1 output signals"):
        filter_of().decode(Seq(settings.x[:, : filter_of().each], settings.n), side, Wave(1, 16000))


@pytest.mark.parametrize(
    ("name", "user", "text"),
    [
        ("filter", {"taps": 30, "bands": 32}, r"representation\.taps=30 must be even and at least twice the 32 bands"),
        ("filter", {"rooms": [0.0]}, r"representation\.rooms=\[0\.0\] must be decay times above zero"),
        ("harmonic", {"rooms": [-1.0]}, r"representation\.rooms=\[-1\.0\] must be decay times above zero"),
        ("harmonic", {"low": 500.0, "high": 400.0}, r"representation\.low=500 Hz must lie above zero and below representation\.high=400 Hz"),
    ],
)
def test_wrong_settings_are_told(name: str, user: dict, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        shelf.make("representation", name, user)
