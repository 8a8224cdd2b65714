"""Mask and regress over stems, several inputs, unnamed stems and synthesisers: what is planned, what adds up, what learns."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch

from audioml import losses as wave_losses
from audioml import shelf
from audioml.draft import Draft, generic_worlds
from audioml.errors import Misfit, RequestError
from audioml.kinds import Frames, Grid, Seq, Stems, Wave
from audioml.methods.compare import LOSS_NAMES
from audioml.plan import Plan
from audioml.system import System

SMALL = {"hop": 64, "taps": 128, "bands": 16}


def plan(task: str, representation: str, model: str, method: str, user: dict | None = None, worlds: dict | None = None, ports: dict | None = None) -> Plan:
    made = shelf.make("task", task)
    draft = Draft(made, {**generic_worlds(made), **(worlds or {})}, user or {}, ports or {}, "smoke")
    return draft.plan({"task": task, "representation": representation, "model": model, "method": method})


def system(*how: Any, **more: Any) -> System:
    torch.manual_seed(0)
    return System(plan(*how, **more))


def waves(*shape: int, seed: int = 1) -> Seq:
    torch.manual_seed(seed)
    return Seq(0.1 * torch.randn(*shape), torch.full((shape[0],), shape[-1]))


def train(net: System, batch: dict[str, Seq], steps: int, rate: float = 3e-3) -> list[float]:
    optimizer = torch.optim.Adam(net.parameters(), rate)
    seen = []
    for _ in range(steps):
        losses = net.plan.method.loss(net, batch)
        total = sum(net.plan.method.losses[k] * v for k, v in losses.items())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        seen.append(total.item())
    return seen


def test_the_light_list_of_losses_is_the_list() -> None:
    assert set(LOSS_NAMES) == set(wave_losses.LOSSES)


# ---- stems -> mix --------------------------------------------------------------------------------------------------------
THREE = {"stems": Stems(("a", "b", "c"), 1, 16000), "mix": Wave(1, 16000)}
WIDE = {"stems": Stems(("a", "b", "c"), 1, 16000), "mix": Wave(2, 16000)}


@pytest.mark.parametrize(
    ("representation", "method", "worlds", "emit"),
    [
        ("stft_mag", "mask", THREE, Grid(3, 257, Fraction(125, 2))),
        ("stft", "mask", THREE, Grid(6, 257, Fraction(125, 2))),
        ("stft", "mask", WIDE, Grid(12, 257, Fraction(125, 2))),
        ("stft", "regress", THREE, Grid(2, 257, Fraction(125, 2))),
        ("filter", "regress", WIDE, Frames(6 * 37, Fraction(125, 2))),
    ],
)
def test_what_is_emitted_for_several_stems(representation: str, method: str, worlds: dict, emit: Any) -> None:
    ports = {"stems": "stft"} if representation == "filter" else None
    assert plan("mixing", representation, "rnn", method, worlds=worlds, ports=ports).flow.emit == emit


@pytest.mark.parametrize("worlds", [THREE, WIDE, {"stems": Stems(("a", "b"), 2, 16000), "mix": Wave(2, 16000)}])
@pytest.mark.parametrize(("representation", "method"), [("stft_mag", "mask"), ("stft", "mask"), ("stft_mag", "regress"), ("filter", "regress")])
def test_stems_become_a_mix_and_all_learn(worlds: dict, representation: str, method: str) -> None:
    if method == "regress" and representation == "stft_mag" and worlds is WIDE:
        worlds = THREE
    ports = {"stems": "stft"} if representation == "filter" else None
    net = system("mixing", representation, "rnn", method, worlds=worlds, ports=ports)
    stems = waves(2, len(worlds["stems"].names), worlds["stems"].channels, 4000)
    mix = Seq(stems.x.sum(1).expand(-1, worlds["mix"].channels, -1), stems.n)
    losses = net.plan.method.loss(net, {"stems": stems, "mix": mix})
    sum(losses.values()).backward()
    assert not [k for k, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert net.eval()({"stems": stems})["mix"].x.shape == mix.x.shape


@pytest.mark.parametrize("name", ["stft", "stft_mag"])
def test_open_masks_add_up_to_the_sum(name: str) -> None:
    rep = shelf.make("representation", name)
    stems = waves(2, 3, 1, 4000)
    coded, side = rep.encode(stems, THREE["stems"])
    emission = torch.full_like(coded.x, 40.0)
    if name == "stft":
        emission = torch.cat([emission[:, :3], 0 * emission[:, 3:]], 1)
    mix = rep.decode(Seq(rep.mask(coded.x, emission, 3), coded.n), side, THREE["mix"]).x
    assert torch.allclose(mix, stems.x.sum(1), atol=1e-5)
    emission = emission.unflatten(1, (-1, 3)).clone()
    emission[:, 0, 1] = -1.0 if name == "stft" else -40.0  # a real mask of zero
    mix = rep.decode(Seq(rep.mask(coded.x, emission.flatten(1, 2), 3), coded.n), side, THREE["mix"]).x
    assert torch.allclose(mix, stems.x[:, 0] + stems.x[:, 2], atol=2e-3), "one stem muted"


def test_gains_of_a_mix_are_learnt() -> None:
    net = system("mixing", "filter", "rnn", "regress", worlds=THREE, ports={"stems": "waveform"}, user={"representation": {**SMALL, "hop": 32, "curves": 0}})
    stems = waves(2, 3, 1, 2000)
    mix = Seq(torch.einsum("bsct,s->bct", stems.x, torch.tensor([1.5, 0.3, 0.8])), stems.n)
    seen = train(net, {"stems": stems, "mix": mix}, 60, 1e-2)
    snr = float(wave_losses.LOSSES["snr"](net.eval()({"stems": stems})["mix"].x, mix.x, mix.n).detach())
    assert seen[-1] < seen[0] - 8
    assert snr < -12, "decibels"


def test_channels_that_do_not_match_are_refused() -> None:
    worlds = {"stems": Stems(("a", "b"), 2, 16000), "mix": Wave(1, 16000)}
    with pytest.raises(Misfit, match="2 channels of the input cannot make 1; one channel, or as many, can"):
        plan("mixing", "stft", "rnn", "mask", worlds=worlds)
    with pytest.raises(Misfit, match=r"method 'mask' adds up the stems of 'stems', and representation 'stft_power' masks one input only"):
        plan("mixing", "stft_power", "rnn", "mask", worlds=THREE)


# ---- content and style -----------------------------------------------------------------------------------------------------
def test_the_first_audio_is_followed_and_the_rest_conditions() -> None:
    flow = plan("style_transfer", "stft_mag", "cnn1d", "regress").flow
    assert (flow.source, flow.cond) == ("content", ("style",))
    net = system("style_transfer", "stft_mag", "cnn1d", "regress").eval()
    content, styles = waves(2, 1, 3000), [waves(2, 1, 5000, seed=s) for s in (2, 3)]
    with torch.no_grad():
        a, b = (net({"content": content, "style": s})["styled"].x for s in styles)
    assert a.shape == content.x.shape
    assert not torch.allclose(a, b, atol=1e-5), "the style is heard"


def test_pairs_are_learnt_by_heart() -> None:
    net = system("style_transfer", "stft_mag", "cnn1d", "regress")
    content = waves(2, 1, 3000)
    style = waves(2, 1, 2000, seed=4)
    styled = Seq(content.x * torch.tensor([2.0, 0.5])[:, None, None], content.n)
    seen = train(net, {"content": content, "style": style, "styled": styled}, 60)
    assert seen[-1] < seen[0] - 6


# ---- unnamed stems -----------------------------------------------------------------------------------------------------------
def test_the_order_of_unnamed_stems_does_not_count() -> None:
    named, free = (system(t, "stft_mag", "rnn", "mask") for t in ("separation", "unnamed_separation"))
    stems = waves(2, 2, 1, 3000)
    batch = {"mix": Seq(stems.x.sum(1), stems.n), "stems": stems}
    swapped = {**batch, "stems": Seq(stems.x.flip(1), stems.n)}
    for net, same in ((named, False), (free, True)):
        a, b = (float(net.plan.method.loss(net, x)["snr"].detach()) for x in (batch, swapped))
        assert (a == pytest.approx(b, abs=1e-5)) is same
    assert free.plan.task.name == "unnamed_separation"


@pytest.mark.parametrize("method", ["mask", "regress"])
def test_nor_in_a_space_whose_rendering_searches(method: str) -> None:
    net = system("unnamed_separation", "griffin", "rnn", method)
    stems = waves(2, 2, 1, 3000)
    stems.x[:, 0] *= 3
    batch = {"mix": Seq(stems.x.sum(1), stems.n), "stems": stems}
    a, b = (net.plan.method.loss(net, {**batch, "stems": Seq(x, stems.n)}) for x in (stems.x, stems.x.flip(1)))
    assert set(a) == {"space"}
    assert a["space"].item() == pytest.approx(b["space"].item(), abs=1e-5)


def test_nor_in_the_scores() -> None:
    from audioml.corpus import Clip
    from audioml.metrics import evaluate

    task, world = shelf.make("task", "unnamed_separation"), Stems(("s1", "s2"), 1, 16000)
    stems = waves(1, 2, 1, 8000).x[0].numpy()
    clips = [Clip("c", {"mix": stems.sum(0), "stems": stems})]
    scores = [evaluate(task, clips, [{"stems": x}], worlds={"stems": world}).values for x in (stems, stems[::-1].copy())]
    assert scores[0]["fidelity/si_sdr"].value == scores[1]["fidelity/si_sdr"].value > 50
    assert not [k for k in scores[0] if k.endswith("_s1")], "no name, no value of its own"


# ---- synthesisers and filters ---------------------------------------------------------------------------------------------------
def test_row_ddsp_learns_an_effect() -> None:
    from audioml import dsp_effects

    user = {"representation": {"curves": 4}, "model": {"cells": 32, "width": 32}}
    net = system("effects", "filter", "rnn", "regress", ports={"dry": "stft_mag"}, user=user)
    t = torch.arange(8000) / 16000
    dry = torch.stack([0.2 * torch.sin(2 * torch.pi * f * t) * (0.2 + t) for f in (220, 450)])[:, None]
    wet = torch.stack([torch.from_numpy(dsp_effects.overdrive(x.numpy(), 16000, drive=24.0, tone=4000.0)) for x in dry])
    n = torch.full((2,), 8000)
    batch = {"dry": Seq(dry, n), "wet": Seq(wet, n)}
    before = float(wave_losses.LOSSES["snr"](dry, wet, n))
    train(net, batch, 80, 1e-2)
    after = float(wave_losses.LOSSES["snr"](net.eval()({"dry": batch["dry"]})["wet"].x, wet, n).detach())
    assert after < before - 8, "decibels"


# the phase of a synthesiser sums rounding errors of the emitted F0, so that it drifts with the clip's length
@pytest.mark.parametrize(("representation", "error"), [("filter", 1e-5), ("harmonic", 2e-4)])
def test_row_ddsp_streams(representation: str, error: float) -> None:
    user = {"model": {"directions": 1}, "representation": {"rooms": [0.02]}}
    net = system("effects", representation, "rnn", "regress", ports={"dry": "stft_mag"}, user=user).eval()
    x = waves(1, 1, 5000).x
    with torch.no_grad():
        stream, parts = net.stream(1), []
        for block in x.split([1, 700, 256, 2043, 2000], -1):
            parts.append(stream.push({"dry": block})["wet"])
        got = torch.cat([*parts, stream.flush()["wet"]], -1)[..., stream.delay :]
        want = net({"dry": Seq(x, torch.tensor([5000]))})["wet"].x
    assert got.shape[-1] >= 5000
    assert (got[..., :5000] - want).abs().max() < error * want.abs().max()


def test_a_phaseless_output_is_judged_by_what_it_can_do() -> None:
    net = system("enhancement", "harmonic", "rnn", "regress", ports={"noisy": "mel"})
    x = waves(2, 1, 3000)
    assert set(net.plan.method.loss(net, {"noisy": x, "clean": x})) == {"multispectral"}
    net = system("enhancement", "griffin", "rnn", "regress", ports={"noisy": "griffin"})
    assert set(net.plan.method.loss(net, {"noisy": x, "clean": x})) == {"space"}
    net = system("enhancement", "stft", "rnn", "regress")
    assert set(net.plan.method.loss(net, {"noisy": x, "clean": x})) == {"snr", "spectral"}


def test_a_borrowed_pitch_is_lent_without_the_rest() -> None:
    net = system("enhancement", "harmonic", "rnn", "regress", ports={"noisy": "mel"}, user={"representation": {"pitch": "borrow"}})
    x = waves(2, 1, 3000)
    mixture, side = net.plan.method._lent(net, {"noisy": x})
    assert mixture is None
    assert side[0].shape == (2, 1, 13)
    assert net.eval()({"noisy": x})["clean"].x.shape == x.x.shape


@pytest.mark.parametrize(("representation", "method"), [("stft", "mask"), ("stft_mag", "mask"), ("stft_mag", "regress")])
def test_an_input_that_serves_twice_is_encoded_once(representation: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = system("enhancement", representation, "rnn", method).eval(), waves(2, 1, 3000)
    rep, calls = type(net.plan.output.representation), []
    encode = rep.encode
    monkeypatch.setattr(rep, "encode", lambda self, *given: (calls.append(self), encode(self, *given))[1])
    once = net({"noisy": x})["clean"].x
    assert len(calls) == 1
    monkeypatch.setattr(Plan, "shared", False)
    twice = net({"noisy": x})["clean"].x
    assert len(calls) == 3
    assert torch.equal(once, twice)


def test_windows_of_other_lengths_are_fitted() -> None:
    net = system("enhancement", "stft_mag", "rnn", "mask", ports={"noisy": "mel"}, user={"representation": {"window": 1024, "hop": 256}})
    x = waves(2, 1, 3000)
    assert net.eval()({"noisy": x})["clean"].x.shape == x.x.shape


# ---- refusals ---------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("how", "text"),
    [
        (("tts", "logmel", "rnn", "regress"), "method 'regress' follows an audio input frame by frame, and the task has none"),
        (("enhancement", "mulaw", "rnn", "regress"), "method 'regress' emits real numbers, and representation 'mulaw' of the output 'clean' gives Codes"),
        (("asr", "mel", "rnn", "regress"), "method 'regress' makes audio, the output 'text' is Text"),
        (("effects", "filter", "rnn", "mask"), "in representation 'filter' a product is not a filter"),
        (("generation", "filter", "rnn", "regress"), "representation 'filter' borrows the audio of an input of the same kind"),
    ],
)
def test_misfits(how: tuple, text: str) -> None:
    with pytest.raises(Misfit) as caught:
        plan(*how)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ({"losses": {"sner": 1.0}}, r"method\.losses\.sner is not a loss; did you mean snr\?"),
        ({"blind": {"multi": 1.0}}, r"method\.blind\.multi is not a loss"),
        ({"blind": {"snr": 2.0}}, r"method\.blind\.snr=2\.0 and method\.losses\.snr=1\.0 must be equal"),
    ],
)
def test_wrong_losses_are_told(user: dict, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        shelf.make("method", "regress", user)
    from audioml.methods.mask import Mask

    with pytest.raises(RequestError, match=r"method\.losses is empty; losses: snr"):
        Mask(losses={}, blind={}, space=1.0)
