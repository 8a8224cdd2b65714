"""Adversarial training: who trains what in which turn, what is learnt by heart with and without an input, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from audioml import draft, shelf
from audioml.errors import Misfit, RequestError
from audioml.kinds import Frames, Grid, Seq
from audioml.methods.gan import QUIET
from audioml.system import System
from tests.methods.test_diffusion import error, noisy_tones, tones
from tests.methods.test_diffusion import system as any_system


def system(task: str, representation: str, model: str, user: dict | None = None) -> System:
    return any_system(task, representation, model, user, "gan")


def turn(net: System, name: str, batch: dict[str, Seq]) -> dict[str, torch.Tensor]:
    """One turn's losses, with their gradients left in the weights."""
    method: Any = net.plan.method
    losses = getattr(method, name)(net, batch)
    net.zero_grad()
    sum(method.losses[k] * v for k, v in losses.items()).backward()
    return losses


def trained(net: System, batch: dict[str, Seq], steps: int) -> dict[str, list[float]]:
    method: Any = net.plan.method
    optimizers = {t: torch.optim.Adam(method.parameters(net, t), 3e-3, betas=(0.8, 0.99)) for t in method.turns}
    net.train()
    history: dict[str, list[float]] = {}
    for _ in range(steps):
        for name, optimizer in optimizers.items():
            losses = turn(net, name, batch)
            optimizer.step()
            for k, v in losses.items():
                history.setdefault(k, []).append(float(v.detach()))
    net.eval()
    return history


@pytest.mark.parametrize("task", ["enhancement", "generation"])
def test_each_turn_trains_its_own_weights(task: str) -> None:
    net = system(task, "stft", "fcn").train()
    batch: dict = noisy_tones() if task == "enhancement" else {"audio": tones()}
    method: Any = net.plan.method
    both = [{id(p) for p in method.parameters(net, name)} for name in method.turns]
    assert not both[0] & both[1]
    assert both[0] | both[1] == {id(p) for p in net.parameters()}
    for name, own, other in zip(method.turns, both, reversed(both), strict=True):
        losses = turn(net, name, batch)
        assert set(losses) <= set(method.losses)
        for p in net.parameters():
            assert (p.grad is not None and p.grad.isfinite().all()) if id(p) in own else p.grad is None, name
            assert p.requires_grad
        assert other


@pytest.mark.parametrize(("residual", "steps", "left"), [(False, 60, 0.1), (True, 120, 0.25)])
def test_one_batch_can_be_learnt_by_heart(residual: bool, steps: int, left: float) -> None:
    """Beside an input: the clean tones come back at 15 dB or more, the judges give up, and their maps agree.

    With a residual the start is the input itself, nearer already, so less of the distance is left to lose.
    """
    net, batch = system("enhancement", "stft", "fcn", {"method": {"residual": residual}}), noisy_tones()
    history = trained(net, batch, steps)
    assert history["spectral"][-1] < left * history["spectral"][0]
    assert history["features"][-1] < 2 * left * history["features"][0]
    assert history["oppose"][-1] == pytest.approx(0.5, abs=0.1)  # as little as they know of two equal things: 1/4 + 1/4
    with torch.no_grad():
        assert error(net({"noisy": batch["noisy"]})["clean"].x, batch["clean"].x) < 0.03


def test_out_of_noise_it_learns_the_spectrum() -> None:
    """Without an input: the mean and deviation of every band come at least halfway."""
    net = system("generation", "stft", "fcn")
    batch = {"audio": Seq(tones().x[:1].repeat(4, 1, 1), torch.full((4,), 4096))}
    history = trained(net, batch, 80)
    assert history["statistics"][-1] < 0.5 * history["statistics"][0]
    with torch.no_grad():
        made = net({}, Seq(None, torch.tensor([4096, 2000])))["audio"]
    assert made.x.shape == (2, 1, 4096)
    power = torch.fft.rfft(made.x[0, 0]).abs().square()
    frequency = torch.arange(len(power)) * 16000 / 4096
    assert float(power[(frequency - 300).abs() < 100].sum() / power.sum()) > 0.5


def test_beside_an_input_nothing_is_random() -> None:
    batch, regress = noisy_tones(), any_system("enhancement", "stft", "rnn", None, "regress").eval()
    noisy = {"noisy": batch["noisy"]}
    with torch.no_grad():
        for residual in (False, True):
            net = system("enhancement", "stft", "rnn", {"method": {"residual": residual}}).eval()
            a, b = (net(noisy)["clean"].x for _ in range(2))
            assert torch.equal(a, b)
            emitted, frames = regress.emit(noisy), regress.encode("noisy", noisy)[0]
            rep = regress.plan.output.representation
            samples = batch["noisy"].x.shape[-1]
            for waves, planes in ((regress(noisy)["clean"].x, emitted.x), (a, QUIET * emitted.x + frames.x if residual else emitted.x)):
                expected = rep.decode(Seq(planes, emitted.n), (samples, batch["noisy"].n), regress.plan.output.world).x
                assert torch.allclose(waves, expected, atol=1e-5)


@pytest.mark.parametrize(("representation", "space"), [("stft", Grid), ("waveform", Frames)])
def test_half_the_noise_holds_for_the_clip(representation: str, space: type) -> None:
    net = system("generation", representation, "rnn", {"method": {"noise": 6}})
    assert isinstance(net.plan.flow.x, space)
    method: Any = net.plan.method
    x = method._latent(net.plan.flow.x, torch.tensor([9, 9]), 9)
    half = x.shape[1] // 2
    assert (x[:, half:].diff(dim=-1) == 0).all()
    assert (x[:, :half].diff(dim=-1) != 0).all()
    assert not torch.equal(x[0], x[1])


def test_validation_asks_no_judge() -> None:
    net = system("enhancement", "stft", "fcn").eval()
    batch = noisy_tones()
    method: Any = net.plan.method
    assert set(method.loss(net, batch)) == {"snr", "spectral"}
    other = system("generation", "stft", "fcn").eval()
    assert set(other.plan.method.loss(other, {"audio": tones()})) == {"statistics"}
    blind = system("enhancement", "harmonic", "fcn").eval()
    assert set(blind.plan.method.loss(blind, batch)) == {"multispectral"}


def test_judges_hear_the_same_place_of_both_and_know_what_was_asked() -> None:
    net = system("text_to_audio", "stft", "fcn")
    method: Any = net.plan.method
    ramp = torch.arange(8000.0).expand(3, 1, -1)
    batch = {"caption": Seq(["a", "b", "c"], torch.ones(3, dtype=torch.long)), "audio": Seq(ramp, torch.tensor([8000, 4000, 1000]))}
    real, made, asked = method._heard(net, batch, -ramp)
    length = round(method.segment * 16000)
    assert real.shape == (3, 1, length)
    assert torch.equal(real, -made)
    assert (real.diff(dim=-1) == 1).all()
    assert float(real[1].max()) < 4000
    assert float(real[2, 0, 0]) == 0
    assert asked.shape == (3, net.network.width)
    assert not torch.equal(asked[0], asked[1])


def test_unnamed_stems_are_judged_in_their_best_order() -> None:
    made = shelf.make("task", "separation")
    object.__setattr__(made, "unordered", True)
    sketch = draft.Draft(made, draft.generic_worlds(made), {}, {}, "smoke")
    net = System(sketch.plan({"task": "separation", "representation": "stft", "model": "fcn", "method": "gan"})).eval()
    x = torch.randn(2, 1, 2000)
    batch = {"mix": Seq(x, torch.tensor([2000, 2000]))}
    with torch.no_grad():
        stems = net(batch)["stems"].x
        method: Any = net.plan.method
        again = method._made(net, {**batch, "stems": Seq(stems.flip(1), batch["mix"].n)})
    assert torch.equal(again, stems.flip(1))


@pytest.mark.parametrize(
    ("task", "representation", "reason"),
    [
        ("asr", "mel", "method 'gan' makes audio, the output 'text' is Text"),
        ("symbolic", "midi_grid", "method 'gan' makes audio, the output 'score' is Notes"),
        ("generation", "logmel", "method 'gan' judges the wave, and representation 'logmel' renders it in a way that passes no useful gradient on"),
    ],
)
def test_what_does_not_fit_says_why(task: str, representation: str, reason: str) -> None:
    with pytest.raises(Misfit, match=reason):
        system(task, representation, "fcn")


def test_without_input_it_must_be_told_how_long() -> None:
    with pytest.raises(RequestError, match="method 'gan' makes 'audio' without an input of its length: say how long"):
        system("generation", "stft", "fcn").eval()({})


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"periods": [], "scales": [], "windows": []}, "name no judge; a GAN needs one"),
        ({"noise": 1}, "method.noise=1 should be at least 2 channels"),
        ({"segment": 0.0}, "method.segment=0 should be above 0 seconds"),
        ({"windows": [30]}, "method.periods start at 1, method.scales at 0, method.windows at 64 in steps of 4"),
        ({"losses": {"snrr": 1.0}}, "method.losses.snrr is not a loss; did you mean snr"),
    ],
)
def test_settings_are_checked(setting: dict, reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        shelf.make("method", "gan", setting)
