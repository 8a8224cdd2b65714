"""Diffusion: what it refuses, what it learns by heart, and that settings, averages, padding and guidance do what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from audioml import draft, shelf
from audioml.errors import Misfit, RequestError
from audioml.kinds import Seq
from audioml.nn.noise import Scale
from audioml.system import System


def system(task: str, representation: str, model: str, user: dict | None = None, method: str = "diffusion") -> System:
    made = shelf.make("task", task)
    sketch = draft.Draft(made, draft.generic_worlds(made), user or {}, {}, "smoke")
    torch.manual_seed(0)
    return System(sketch.plan({"task": task, "representation": representation, "model": model, "method": method}))


def tones(samples: int = 4096) -> Seq:
    """Two gated tones."""
    t = torch.arange(samples) / 16000
    gate = (torch.arange(samples) // 1024 % 2).float()
    x = torch.stack([0.3 * torch.sin(2 * torch.pi * 300 * t) * gate, 0.3 * torch.sin(2 * torch.pi * 2500 * t) * (1 - gate)])
    return Seq(x[:, None], torch.full((2,), samples))


def noisy_tones() -> dict[str, Seq]:
    x, n = tones()
    return {"clean": Seq(x, n), "noisy": Seq(x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)), n)}


def trained(net: System, batch: dict[str, Seq], steps: int, rate: float = 5e-3) -> list[float]:
    """Losses of so many steps of Adam."""
    optimizer = torch.optim.Adam(net.plan.method.parameters(net, "loss"), rate)
    net.train()
    history = []
    for step in range(steps):
        loss = net.plan.method.loss(net, batch)["velocity"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        net.plan.method.after_step(net, step + 1)
        history.append(float(loss.detach()))
    net.eval()
    return history


def error(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float((found - truth).square().sum() / truth.square().sum())


@pytest.mark.parametrize(("sampler", "nfe"), [("ddim", 10), ("heun", 11), ("dpmpp2m", 10), ("ddpm", 20)])
def test_one_batch_can_be_learnt_by_heart(sampler: str, nfe: int, learnt: tuple[System, dict[str, Seq], list[float]]) -> None:
    """The loss falls below a tenth, and every sampler makes the clean tones out of noise and the noisy ones."""
    net, batch, history = learnt
    assert sum(history[-20:]) / 20 < 0.1 * sum(history[:5]) / 5
    method: Any = net.plan.method
    method.sampler, method.nfe = sampler, nfe
    torch.manual_seed(0)
    with torch.no_grad():
        made = net({"noisy": batch["noisy"]})["clean"].x
    assert error(made, batch["clean"].x) < 0.05
    assert error(batch["noisy"].x, batch["clean"].x) > 0.2


@pytest.fixture(scope="module")
def learnt() -> tuple[System, dict[str, Seq], list[float]]:
    net, batch = system("enhancement", "stft", "fcn"), noisy_tones()
    return net, batch, trained(net, batch, 250)


def test_the_average_draws_in_eval_mode_only(learnt: tuple[System, dict[str, Seq], list[float]]) -> None:
    net, batch, _ = learnt
    inputs = {"noisy": batch["noisy"]}

    def draw() -> torch.Tensor:
        torch.manual_seed(0)
        with torch.no_grad():
            return net(inputs)["clean"].x

    average = draw()
    kept = [a.clone() for a in net.extra["average"].averages()]
    net.train()
    own = draw()
    for a in net.extra["average"].averages():
        a.zero_()
    assert torch.equal(draw(), own)
    net.eval()
    assert not torch.allclose(draw(), average, atol=1e-3)
    for a, k in zip(net.extra["average"].averages(), kept, strict=True):
        a.copy_(k)
    assert torch.equal(draw(), average)


def test_validation_loss_repeats_and_training_loss_does_not(learnt: tuple[System, dict[str, Seq], list[float]]) -> None:
    net, batch, _ = learnt
    method = net.plan.method
    with torch.no_grad():
        assert torch.equal(method.loss(net, batch)["velocity"], method.loss(net, batch)["velocity"])
        net.train()
        different = method.loss(net, batch)["velocity"], method.loss(net, batch)["velocity"]
        net.eval()
    assert not torch.equal(*different)


def test_weights_statistics_and_average_travel_in_the_state(learnt: tuple[System, dict[str, Seq], list[float]]) -> None:
    net, batch, _ = learnt
    other = system("enhancement", "stft", "fcn")
    other.load_state_dict(net.state_dict())
    other.eval()
    with torch.no_grad():
        assert torch.equal(other.plan.method.loss(other, batch)["velocity"], net.plan.method.loss(net, batch)["velocity"])


def test_the_generated_tone_has_the_frequency_that_was_learnt() -> None:
    """Out of nothing: most of the power lies within 60 Hz of the only tone there was."""
    net = system("generation", "stft", "fcn")
    x = tones().x[:1].repeat(4, 1, 1)
    history = trained(net, {"audio": Seq(x, torch.full((4,), 4096))}, 150)
    assert sum(history[-20:]) / 20 < 0.1 * sum(history[:5]) / 5
    torch.manual_seed(0)
    with torch.no_grad():
        made = net({}, Seq(None, torch.tensor([4096, 3000])))["audio"]
    assert made.x.shape == (2, 1, 4096)
    assert made.n.tolist() == [4096, 3000]
    power = torch.fft.rfft(made.x[0, 0]).abs().square()
    frequency = torch.arange(len(power)) * 16000 / 4096
    assert float(power[(frequency - 300).abs() < 60].sum() / power.sum()) > 0.8


def test_padding_takes_no_part() -> None:
    """What lies past a clip's end changes neither loss nor statistics; what a batch pads is not counted."""
    net = system("generation", "stft", "fcn", {"model": {"past": 0}})
    x, _ = tones()
    n = torch.tensor([4096, 2048])
    garbage = x.clone()
    garbage[1, :, 2048 + 512 :] = 9.0  # past the last frame that sees the clip
    net.eval()
    with torch.no_grad():
        clean, dirty = (float(net.plan.method.loss(net, {"audio": Seq(w, n)})["velocity"]) for w in (x, garbage))
    assert clean == pytest.approx(dirty, rel=1e-5)


@pytest.mark.parametrize("reading", ["cond", "memory"])
def test_guidance_pushes_away_from_the_unconditional_velocity(reading: str) -> None:
    net = system("text_to_audio", "stft", "transformer", {"method": {"reading": reading, "predicts": "velocity"}}).eval()
    method: Any = net.plan.method
    inputs = {"caption": Seq(["ab", "c"], torch.tensor([2, 1]))}
    assert set(net.plan.flow.memory if reading == "memory" else net.plan.flow.cond) == {"caption"}
    n = torch.tensor([5, 5])
    with torch.no_grad():
        context = net.context(inputs)
        z, angle = torch.randn(2, 2, 257, 5), torch.full((2,), 0.8)
        found = {}
        for weight in (0.0, 1.0, 3.0):
            method.guidance = weight
            found[weight] = method._field(net, inputs, context, n)(z, angle)
    assert not torch.allclose(found[0.0], found[1.0])
    assert torch.allclose(found[3.0], found[0.0] + 3 * (found[1.0] - found[0.0]), atol=1e-5)


def test_dropping_silences_whole_items() -> None:
    net = system("text_to_audio", "stft", "transformer", {"method": {"reading": "memory"}})
    context = replace(net.context({"caption": Seq(["ab", "c"], torch.tensor([2, 1]))}), cond=torch.ones(2, 4))
    some = context.muted(torch.tensor([True, False]))
    assert torch.equal(some.memory.x[0], context.memory.x[0])
    assert not some.memory.x[1].any()
    assert some.cond.sum(1).tolist() == [4, 0]


def test_memory_falls_back_to_one_vector_where_a_model_cannot_attend() -> None:
    net = system("text_to_audio", "stft", "fcn", {"method": {"reading": "memory", "nfe": 7}})
    assert net.plan.flow.cond == ("caption",)
    assert net.plan.method.nfe == 7
    assert net.plan.method.name == "diffusion"


def test_the_stream_is_the_difference_to_the_aligned_input() -> None:
    """A network that says nothing at once leaves the input as it is, and not without `residual`."""

    def silent(residual: bool) -> float:
        net = system("enhancement", "stft", "fcn", {"method": {"residual": residual, "nfe": 1}}).eval()
        with torch.no_grad():
            for p in net.head.parameters():
                p.zero_()
            net.extra["average"] = type(net.extra["average"])(net, 0.9)
            batch = noisy_tones()
            return error(net({"noisy": batch["noisy"]})["clean"].x, batch["noisy"].x)

    assert silent(True) < 1e-6
    assert silent(False) == pytest.approx(1, abs=0.01)


def test_level_clip_follows_the_gain() -> None:
    net = system("enhancement", "stft", "fcn", {"representation": {"level": "clip"}}).eval()
    batch = noisy_tones()

    def draw(gain: float) -> torch.Tensor:
        torch.manual_seed(0)
        with torch.no_grad():
            return net({"noisy": Seq(gain * batch["noisy"].x, batch["noisy"].n)})["clean"].x

    assert torch.allclose(draw(10.0), 10 * draw(1.0), atol=1e-2)


@pytest.mark.parametrize(
    ("task", "representation", "reason"),
    [
        ("asr", "mel", "method 'diffusion' makes audio, the output 'text' is Text"),
        ("enhancement", "mulaw", "method 'diffusion' emits real numbers, and representation 'mulaw' of the output 'clean' gives Codes"),
        ("enhancement", "filter", "representation 'filter' holds what is to be done to an input, which no target shows"),
    ],
)
def test_what_does_not_fit_says_why(task: str, representation: str, reason: str) -> None:
    with pytest.raises(Misfit, match=reason):
        system(task, representation, "fcn")


def test_unequal_rates_do_not_fit() -> None:
    made = shelf.make("task", "enhancement")
    sketch = draft.Draft(made, draft.generic_worlds(made), {}, {"noisy": "waveform"}, "smoke")
    with pytest.raises(Misfit, match="input 'noisy' runs at 500 frames/s and output 'clean' at 62.5; they must be equal"):
        sketch.plan({"task": "enhancement", "representation": "stft", "model": "fcn", "method": "diffusion"})


def test_without_input_it_must_be_told_how_long() -> None:
    net = system("generation", "stft", "fcn").eval()
    with pytest.raises(RequestError, match="method 'diffusion' makes 'audio' without an input of its length: say how long"):
        net({})


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"span": 0.0}, "method.span=0.0 should be between 0 and 60 nats"),
        ({"decay": 1.0}, "method.decay=1.0 should be at least 0 and below 1"),
        ({"drop": 1.0}, "method.drop=1.0 should be at least 0 and below 1"),
        ({"guidance": -1.0}, "method.guidance=-1.0 should be zero or more"),
        ({"nfe": 0}, "method.nfe=0 should be at least 1"),
        ({"sampler": "euler"}, "method.sampler='euler' has the wrong type; it should be one of ddim, ddpm, heun, dpmpp2m"),
    ],
)
def test_settings_are_checked(setting: dict, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        shelf.make("method", "diffusion", setting)


def test_the_scale_is_learnt_in_training_only() -> None:
    net = system("generation", "stft", "fcn")
    scale: Scale = net.extra["scale"]
    batch = {"audio": tones()}
    net.eval()
    net.plan.method.loss(net, batch)
    assert int(scale.batches) == 0
    net.train()
    net.plan.method.loss(net, batch)
    assert int(scale.batches) == 1
