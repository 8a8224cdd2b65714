"""The probes that hear test clips, and those that read the training: gradient mass, useful context, recall, costs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from audioml.corpus import Clip
from audioml.kinds import Seq
from audioml.probes import gradient, recall, training, useful
from audioml.probes._base import Trial, UnmeasurableError, ear_of
from audioml.probes._truncate import truncation, whole_outputs
from audioml.records import Value
from tests.probes.fakes import RATE, Conv, Fake, Recurrent, clips_for, later
from tests.probes.test_systems import system

CHEAP = {"compute/macs_per_second": Value(1.0), "context/lookahead_ms": Value(0.0, "ms")}


def conv(kernel):
    """A causal convolution with these taps, the present one first."""
    layer = Conv(len(kernel) - 1)
    layer.map.weight.data[:] = torch.tensor(kernel).flip(0)
    layer.map.bias.data.zero_()
    return layer


# name: (network, span of 95 % in samples)
MASS = {
    "identity": (lambda: nn.Identity(), 1),
    "a delay": (lambda: lambda x: later(x, -10), 11),
    "mean of a hundred": (lambda: conv([0.01] * 100), 95),
    "signs do not matter": (lambda: conv([0.01, -0.01] * 50), 95),
    "forgets by 3 % a sample": (lambda: conv([0.97**k for k in range(600)]), 99),
    "five taps, one far and faint": (lambda: conv([1.0, 1.0, 1.0, 1.0, 0.1, *[0.0] * 200, 0.1]), 4),
    "the future is left out": (lambda: lambda x: later(x, 40) + later(x, -5), 6),
}


@pytest.mark.parametrize("name", MASS)
def test_gradient_mass(name):
    make, span = MASS[name]
    for data in (None, Trial(clips_for(lambda x: x))):
        value = gradient.measure(Fake(make()), data, found=CHEAP)["context/gradient_mass_ms"]
        assert value.value == pytest.approx(span * 1000 / RATE)
        assert (value.n, value.reason) == (8, "" if data else "over noise: there were no test clips")


def test_gradient_mass_says_when_it_has_no_end_or_no_beginning():
    spread = Fake(lambda x: x.cumsum(-1))
    assert gradient.measure(spread, found=CHEAP)["context/gradient_mass_ms"].reason.startswith("at least")
    for deaf in (lambda x: later(x, 10), lambda x: x.detach() * 2, lambda x: torch.zeros_like(x)):
        with pytest.raises(UnmeasurableError, match="gradient"):
            gradient.measure(Fake(deaf), found=CHEAP)


def echo(x, delay=150):
    return x + later(x, -delay)


# name: (network, ms needed, how the reason begins)
NEEDED = {
    "now alone": (lambda x: 0.9 * x + 0.001 * later(x, -150), 32, ""),
    "an echo of 150 ms": (echo, 256, ""),
    "an echo it has only half": (lambda x: x + 0.5 * later(x, -150), 256, ""),
    "the level of the whole past": (lambda x: echo(x) * (1 + 0.5 * (torch.arange(x.shape[-1]) > 1500)), 2000, "at least: "),
}


@pytest.mark.parametrize("name", NEEDED)
def test_useful_context(name):
    body, ms, reason = NEEDED[name]
    target = (lambda x: 0.9 * x) if name == "now alone" else echo if "echo" in name else body
    found = useful.measure(Fake(body), Trial(clips_for(target)), found=CHEAP)
    value, curve = found["context/useful_ms"], found["context/useful_curve"].value
    assert (value.value, value.n) == (ms, 8)
    assert value.reason.startswith(reason)
    assert 2 <= curve.count(" % with ") <= 3


def test_both_sides_are_cut_where_the_look_ahead_has_no_end():
    def both(x):
        return x + later(x, 150) + later(x, -40)

    endless = CHEAP | {"context/lookahead_ms": Value(1500.0, "ms", reason="at least: it has no end")}
    known = CHEAP | {"context/lookahead_ms": Value(150.0, "ms")}
    trial = Trial(clips_for(both))
    assert useful.measure(Fake(both), trial, found=endless)["context/useful_ms"].value == 256
    assert useful.measure(Fake(both), trial, found=known)["context/useful_ms"].value == 64


def test_one_answer_per_clip_is_given_to_the_loudest_stretch():
    def draw(generator, samples):
        x = 0.01 * torch.randn(1, samples, generator=generator)
        x[:, 700:820] += 1.0 if generator.initial_seed() % 2 else -1.0
        return x

    def body(x):  # the sign of the burst, if at least 102 samples of it are there
        total = x.sum(-1)
        return torch.stack([0 * total, (total > 102) * 1.0], 1)

    clips = [Clip(c.name, {**c.ports, "out": k % 2}) for k, c in enumerate(clips_for(lambda x: x, draw=draw))]
    value = useful.measure(Fake(body, kind="pooled"), Trial(clips, {"out": {"majority": 0}}), found=CHEAP)["context/useful_ms"]
    assert value.value == 128


def test_useful_context_is_not_measured():
    trial = Trial(clips_for(echo))
    for asked, why in (
        (lambda: useful.measure(Fake(nn.Identity()), trial, found=CHEAP), "does not beat the trivial baseline"),
        (lambda: useful.measure(Fake(echo), None, found=CHEAP), "no test clips"),
        (lambda: useful.measure(Fake(echo), trial, found={"compute/macs_per_second": Value(1e12)}), "s on one core, and has"),
        (lambda: useful.measure(Fake(echo, block=4096), trial, found=CHEAP), "no longer than the system's block"),
    ):
        with pytest.raises(UnmeasurableError, match=why):
            asked()


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"model": "fcn", "past": 4, "future": 2}, {"context/lookahead_ms": Value(48.0, "ms")}),
        ({"model": "cnn1d", "causal": True, "blocks": 2, "repeats": 1, "norm": "batch"}, {"context/lookahead_ms": Value(16.0, "ms")}),
    ],
)
def test_chunks_with_all_that_is_looked_at_are_the_whole(settings, found):
    """The house's systems: cut generously, nothing changes; cut short, something does."""
    net = system(**settings).eval()
    ear = ear_of(net)
    cut = truncation(net, ear, found)
    rng = np.random.default_rng(0)
    clips = [Clip(str(k), {p: 0.1 * rng.standard_normal((1, 20_000)).astype(np.float32) for p in ("noisy", "clean")}) for k in range(2)]
    with torch.no_grad():
        whole, same, short = whole_outputs(net, clips), cut.outputs(clips, 16 * 256), cut.outputs(clips, 256)
    for a, b, c in zip(whole, same, short, strict=True):
        assert np.abs(a["clean"] - b["clean"]).max() < 1e-5 * np.abs(a["clean"]).max()
        assert np.abs(a["clean"] - c["clean"]).max() > 1e-2 * np.abs(a["clean"]).max()


def test_symbols_are_put_together_frame_by_frame():
    net = system("fcn", "mel", "ctc", "asr", listen={"normalize": "none"}, past=4, future=0).eval()
    clips = [Clip("a", {"audio": 0.1 * np.random.default_rng(0).standard_normal((1, 16_000)).astype(np.float32), "text": "ab"})]
    cut = truncation(net, ear_of(net), {"context/lookahead_ms": Value(0.0, "ms")})
    x = torch.from_numpy(clips[0].ports["audio"])[None]
    with torch.no_grad():
        emission = net.emit(cut.ear.batch(x)).x
        pieces = cut.stitched(lambda piece: net.emit(cut.ear.batch(piece)).x, x, 32 * 256)
        assert emission.shape[-1] > 50
        assert torch.allclose(pieces, emission, atol=1e-5)
        assert cut.outputs(clips, 32 * 256) == whole_outputs(net, clips)
    assert "emit" not in vars(net)


class Recall(nn.Module):
    """Every frame is replaced by the clip's best match among the `window` frames before it: a memory that forgets nothing sooner."""

    def __init__(self, window, frame=25):
        super().__init__()
        self.window, self.frame = window, frame

    def forward(self, x):
        h = x.reshape(len(x), -1, self.frame)
        unit = nn.functional.normalize(h, dim=-1)
        n = torch.arange(h.shape[1])
        behind = n[:, None] - n[None, :]
        match = (unit @ unit.transpose(1, 2)).masked_fill((behind < 1) | (behind > self.window), -1.0).argmax(-1)
        return h.gather(1, match[..., None].expand_as(h)).reshape(x.shape)


def noisy_clips(count=8):
    clips = clips_for(lambda x: x, count)
    noise = [0.05 * np.random.default_rng(k).standard_normal(c.ports["out"].shape).astype(np.float32) for k, c in enumerate(clips)]
    return [Clip(c.name, {"noisy": c.ports["out"] + e, "out": c.ports["out"]}) for c, e in zip(clips, noise, strict=True)]


# name: (network, ms, "at least")
MEMORY = {
    "identity": (lambda: nn.Identity(), 0, False),
    "an untrained convolution": (lambda: Conv(50), 0, False),
    "an untrained recurrent network": (lambda: Recurrent(frame=25), 0, False),
    "perfect": (lambda: Recall(10_000), 4000, True),
    "perfect for a second": (lambda: Recall(40), 500, False),  # 12 frames of the motif and 20 of the gap: 32
}


@pytest.mark.parametrize("name", MEMORY)
def test_recall(name):
    make, ms, bound = MEMORY[name]
    torch.manual_seed(1)
    value = recall.measure(Fake(make()), Trial(noisy_clips()), found=CHEAP)
    value, gains = value["context/recall_ms"], value["context/recall_gains"].value
    assert (value.value, value.n) == (ms, 8)
    assert value.reason.startswith("at least") == bound
    assert gains.count(" dB after ") == min(6, [0, 125, 250, 500, 1000, 2000, 4000].index(ms) + 1)


def test_recall_is_not_measured():
    trial = Trial(noisy_clips())
    silent = [Clip(c.name, {**c.ports, "out": 0 * c.ports["out"]}) for c in trial.clips]
    stereo = Fake(lambda x: x[:, :1], ports={"noisy": 2})
    frames = Fake(lambda x: x.repeat(1, 2, 1), kind="frames")
    for net, data, why in (
        (Fake(nn.Identity()), Trial(trial.clips[:3]), "only 3 motifs of 3"),
        (Fake(nn.Identity()), Trial(silent), "only 0 motifs of 0"),
        (Fake(nn.Identity()), None, "no test clips"),
        (stereo, trial, "differ in number, channels or rate"),
        (frames, trial, "only what turns sound into one sound"),
    ):
        with pytest.raises(UnmeasurableError, match=why):
            recall.measure(net, data, found=CHEAP)


def test_a_bound_that_the_work_sets_says_so():
    dear = {"compute/macs_per_second": Value(1e8)}
    value = recall.measure(Fake(Recall(10_000)), Trial(noisy_clips()), found=dear, seconds=0.3)["context/recall_ms"]
    assert 0 < value.value < 4000
    assert value.reason.startswith("at least")
    assert value.reason.endswith("longer gaps would be too much work")


CURVES = [
    ([(50, 10.0), (100, 1.0), (150, 0.0)], 100),
    ([(50, 10.0), (100, 0.0), (150, 5.0)], 95),  # later harm does not undo it
    ([(10, 1.0), (20, 1.5), (30, -1.0)], 10 + 10 + 10 * (1.5 + 0.8) / 2.5),
]


@pytest.mark.parametrize(("curve", "step"), CURVES)
def test_ninety_percent_of_the_improvement(curve, step):
    assert training.step_reached(curve) == pytest.approx(step)
    spent = {"steps": 200, "train_cpu_s": 40.0, "train_s": 30.0, "device": "cpu"}
    net = Fake(nn.Identity())
    found = training.measure(net, Trial(history={"valid/loss": curve}, spent=spent))
    assert found["compute/to_90_percent_s"].value == pytest.approx(40 * step / 200)
    assert found["compute/train_seconds"].value == 30
    assert found["compute/training_macs"].reason == "there is no training batch to count"
    elsewhere = training.measure(net, Trial(history={"valid/loss": curve}, spent={**spent, "device": "cuda:0"}))
    assert "trained on cuda:0" in elsewhere["compute/to_90_percent_s"].reason
    part = {**spent, "train_cpu_s": None, "train_s": None, "resumed_at": 60}
    found = training.measure(net, Trial(history={"valid/loss": curve}, spent=part))
    for name in ("compute/to_90_percent_s", "compute/train_seconds"):
        assert found[name].reason == "it was interrupted and went on at step 60: the whole cost was not measured"


def test_no_improvement_is_no_number():
    for curve, why in (([], "less than twice"), ([(5, 1.0)], "less than twice"), ([(5, 1.0), (6, 2.0)], "never better")):
        with pytest.raises(UnmeasurableError, match=why):
            training.step_reached(curve)
    with pytest.raises(UnmeasurableError, match="nothing is known of its training"):
        training.measure(Fake(nn.Identity()), Trial())


def test_training_is_counted_over_all_turns():
    net = Fake(Conv(4))

    class Twice:
        turns = ("oppose", "loss")

        def loss(self, system, batch):
            return {"a": system(batch)["out"].x.mean()}

        def oppose(self, system, batch):
            return {"b": system(batch)["out"].x.mean() + system(batch)["out"].x.mean()}

    net.plan.method = Twice()
    batch = {"noisy": Seq(torch.zeros(4, 1, 2000), torch.full((4,), 2000))}
    found = training.measure(net, Trial(batch=batch, spent={"steps": 10, "examples_seen": 40}))
    assert found["compute/training_macs"].value == 3 * (3 * 5 * 2000) * 40
    assert found["compute/training_macs"].reason.startswith("estimate: ")
    assert found["compute/to_90_percent_s"].value is None


def test_untrained_methods_have_no_training():
    net = Fake(nn.Identity())
    net.plan.method = SimpleNamespace(learnt=False)
    with pytest.raises(UnmeasurableError, match="nothing to train"):
        training.measure(net, Trial(spent={"steps": 3}))
