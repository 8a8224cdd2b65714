"""SEANet: shapes, what it sees, steps, where it stands without embedding and head; that it is EnCodec's: tests/published/."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from audioml import laws, shelf
from audioml.draft import Draft, generic_worlds
from audioml.errors import RequestError
from audioml.kinds import Codes, Frames, Grid, Seq, Space
from audioml.models.seanet import Seanet
from audioml.plan import Plan
from audioml.system import System

RATE = Fraction(16000)


def seanet(out: Space | None = None, inp: int = 2, **more: object) -> Seanet:
    torch.manual_seed(0)
    keys, _ = shelf.settings("model", "seanet", more, "smoke")
    return Seanet(Frames(inp, RATE), out or Frames(inp, RATE), **keys).eval()


def plan(task: str = "codec", method: str = "vq", rep: str = "waveform", **user: dict) -> Plan:
    made = shelf.make("task", task)
    draft = Draft(made, generic_worlds(made), {"representation": {"window": 1, "hop": 1}, **user}, {}, "smoke")
    return draft.plan({"task": task, "representation": rep, "model": "seanet", "method": method})


@pytest.mark.parametrize("strides", [[], [2], [2, 5]], ids=str)
@pytest.mark.parametrize("more", [{}, {"causal": False, "lstm": 0}, {"pad": "reflect", "norm": "group", "units": 2, "shortcut": False}], ids=str)
@pytest.mark.parametrize("frames", [1, 7, 41])
def test_shapes_and_rates(strides: list[int], more: dict, frames: int) -> None:
    net = seanet(strides=strides, **more)
    h = torch.randn(3, 2, frames)
    z = net.encode(h)
    assert z.shape == (3, net.latent, -(-frames // net.ratio))
    assert net(h).shape == h.shape
    assert torch.equal(net.decode(z, frames), net(h))


def test_it_looks_ahead_within_its_block_only_when_causal() -> None:
    for causal, sees in ((True, 49), (False, 50)):
        net = seanet(strides=[2, 5], causal=causal)
        h = torch.randn(1, 2, 100, requires_grad=True)
        (gradient,) = torch.autograd.grad(net(h)[..., 40].sum(), h)  # the first of its block
        last = int(gradient.abs().sum((0, 1)).nonzero().max())
        assert last == sees if causal else last >= sees


@pytest.mark.parametrize("frames", [120, 127])
def test_step_equals_forward(frames: int) -> None:
    net = seanet(strides=[2, 5], units=2)
    h = torch.randn(2, 2, frames)
    with torch.no_grad():
        state, parts, at = None, [], 0
        for blocks in (1, 3, 2, 99):
            y, state = net.step(h[..., at : at + blocks * net.ratio], state)
            parts.append(y)
            at += blocks * net.ratio
        assert torch.allclose(torch.cat(parts, -1), net(h), atol=1e-5)
    assert (net.grain, net.cannot_step()) == (10, "")


@pytest.mark.parametrize(
    ("more", "why"),
    [({"causal": False}, "causal=true"), ({"pad": "reflect"}, "pad=constant"), ({"norm": "group"}, "norm=weight"), ({"trim": 0.5}, "trim=1")],
)
def test_what_cannot_step_says_what_would(more: dict, why: str) -> None:
    assert f"{why} streams" in seanet(**more).cannot_step()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"strides": [2, 0]}, "all other sizes of model=seanet at least 1"),
        ({"squeeze": 9}, r"model\.squeeze=9 leaves no channel of model\.filters=4"),
        ({"trim": 0.5, "causal": False}, r"model\.trim=0\.5 should be 1, or with model\.causal=true"),
    ],
)
def test_sizes_that_make_no_network(more: dict, text: str) -> None:
    with pytest.raises(RequestError, match=text):
        seanet(**more)


def test_padding_of_a_batch_changes_no_latent() -> None:
    net = seanet(strides=[4])
    h = torch.randn(1, 2, 24)
    long = torch.cat([h[..., :18], torch.randn(1, 2, 6)], -1)
    assert torch.allclose(net.encode(long, torch.tensor([18]))[..., :4], net.encode(h[..., :18], torch.tensor([18]))[..., :4], atol=1e-6)


def test_it_is_bare_where_numbers_come_out_and_between_embedding_and_head_where_symbols_do() -> None:
    grid = Grid(2, 5, RATE)
    assert seanet(grid, inp=10)(torch.randn(2, 10, 30)).shape == (2, 2, 5, 30)
    between = seanet(Codes(2, 8, RATE), inp=10)
    assert not between.bare
    assert between(torch.randn(2, between.width, 30)).shape == (2, between.out.dim, 30)
    system = System(plan())
    assert not list(system.embed.parameters())
    assert not list(system.head.parameters())


@pytest.mark.parametrize("samples", [1, 160, 1003])
def test_on_samples_the_system_is_the_network(samples: int) -> None:
    torch.manual_seed(0)
    system = System(plan(method="regress", task="enhancement")).eval()
    x = 0.1 * torch.randn(2, 1, samples)
    with torch.no_grad():
        got = system({"noisy": Seq(x, torch.tensor([samples] * 2))})["clean"].x
        assert torch.allclose(got, system.network(x), atol=1e-7)


@pytest.mark.parametrize(("task", "method"), [("codec", "vq"), ("codec", "vae"), ("enhancement", "regress"), ("classification", "classify")])
def test_on_samples_it_keeps_the_laws(task: str, method: str) -> None:
    assert laws.check(plan(task, method)) is None


@pytest.mark.parametrize("rep", ["mulaw", "rvq"])
def test_symbols_are_embedded_at_its_own_width(rep: str) -> None:
    made = shelf.make("task", "beat_tracking")
    draft = Draft(made, generic_worlds(made), {}, {}, "smoke")
    net = System(draft.plan({"task": "beat_tracking", "representation": rep, "model": "seanet", "method": "framewise"})).network
    assert (net.bare, net.width) == (False, net.out.dim)
    laws.check(draft.plan({"task": "beat_tracking", "representation": rep, "model": "seanet", "method": "framewise"}))
