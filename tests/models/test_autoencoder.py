"""The autoencoder and the sandwich: shapes, what they see, steps, and learning."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import nn

from audioml import shelf
from audioml.kinds import Frames, Grid
from audioml.models.autoencoder import Autoencoder
from audioml.nn.bottleneck import Sandwich, ratio_for
from audioml.nn.layers import TimeConv
from audioml.nn.network import Network

RATE = Fraction(16000, 256)


def autoencoder(**more: object) -> Autoencoder:
    torch.manual_seed(0)
    keys, _ = shelf.settings("model", "autoencoder", more, "smoke")
    return Autoencoder(Frames(20, RATE), Frames(20, RATE), **keys)


class Bins(Network):
    """A toy on Grids: one convolution, as many bins out as in."""

    takes = ("Grid",)

    def __init__(self, inp: Grid) -> None:
        super().__init__(inp, inp)
        self.width, self.fold = 3, 2
        self.out = Grid(5, -(-inp.bins // 2), inp.rate)
        self.conv = TimeConv(3, 5, (3, 3), causal=True)

    def forward(self, h: torch.Tensor, n: torch.Tensor | None = None) -> torch.Tensor:
        return self.conv(h)


@pytest.mark.parametrize("strides", [[], [2], [2, 3], [5, 4]], ids=str)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("frames", [1, 7, 40, 41])
def test_shapes_and_rates(strides: list[int], causal: bool, frames: int) -> None:
    net = autoencoder(strides=strides, causal=causal)
    h = torch.randn(2, net.width, frames)
    z = net.encode(h)
    assert z.shape == (2, net.latent, -(-frames // net.ratio))
    assert net(h).shape == (2, net.out.dim, frames)
    assert torch.equal(net.decode(z, frames), net(h))


@pytest.mark.parametrize("strides", [[2], [2, 3]], ids=str)
def test_a_causal_one_looks_ahead_only_within_its_block(strides: list[int]) -> None:
    net = autoencoder(strides=strides, causal=True, units=2).eval()
    h = torch.randn(1, net.width, 10 * net.ratio, requires_grad=True)
    block = 4
    frame = block * net.ratio  # the first of its block
    (gradient,) = torch.autograd.grad(net(h)[..., frame].sum(), h)
    seen = gradient.abs().sum((0, 1)).nonzero().flatten()
    assert int(seen.max()) == (block + 1) * net.ratio - 1
    other = autoencoder(strides=strides, causal=False, units=2).eval()
    (gradient,) = torch.autograd.grad(other(h)[..., frame].sum(), h)
    assert int(gradient.abs().sum((0, 1)).nonzero().max()) > (block + 1) * net.ratio - 1


@pytest.mark.parametrize("strides", [[], [2], [2, 3]], ids=str)
def test_step_equals_forward_in_whole_blocks(strides: list[int]) -> None:
    net = autoencoder(strides=strides, causal=True, units=2).eval()
    h = torch.randn(2, net.width, 12 * net.ratio)
    with torch.no_grad():
        state, parts, at = None, [], 0
        for blocks in (1, 3, 2, 6):
            y, state = net.step(h[..., at : at + blocks * net.ratio], state)
            parts.append(y)
            at += blocks * net.ratio
        assert torch.allclose(torch.cat(parts, -1), net(h), atol=1e-5)


def test_what_cannot_step_says_why() -> None:
    assert autoencoder(strides=[], causal=True).cannot_step() == ""
    assert autoencoder(strides=[2, 3], causal=True).cannot_step() == ""
    assert autoencoder(strides=[2, 3], causal=True).grain == 6
    assert "causal=false looks at later frames" in autoencoder(causal=False).cannot_step()
    assert "blocks of 2 frames" in Sandwich(lambda: Bins(Grid(2, 9, RATE)), Grid(2, 9, RATE)).cannot_step()


def test_padding_of_a_batch_changes_no_latent_of_a_causal_one() -> None:
    net = autoencoder(strides=[4], causal=True).eval()
    h = torch.randn(1, net.width, 24)
    long = torch.cat([h[..., :18], torch.randn(1, net.width, 6)], -1)
    assert torch.allclose(net.encode(long, torch.tensor([18]))[..., :5], net.encode(h[..., :18], torch.tensor([18])), atol=1e-6)


def test_ratio_brings_the_rate_near_to_thirty() -> None:
    assert [ratio_for(Fraction(r)) for r in (20, 62, 100, 500, 16000)] == [2, 2, 4, 16, 512]
    assert ratio_for(None) == 4


@pytest.mark.parametrize("frames", [1, 8, 11])
def test_sandwich_of_grids_and_frames(frames: int) -> None:
    torch.manual_seed(0)
    grid = Grid(2, 9, RATE)
    net = Sandwich(lambda: Bins(grid), grid, latent=6, ratio=4)
    h = torch.randn(2, net.width, 5, frames)  # nine bins, folded by two
    z = net.encode(h, torch.tensor([frames, max(1, frames - 2)]))
    assert z.shape == (2, 6, -(-frames // 4))
    y = net.decode(z, frames)
    assert y.shape == (2, net.out.channels, net.out.bins, frames)
    y.sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert not {p.data_ptr() for p in net.before.parameters()} & {p.data_ptr() for p in net.after.parameters()}

    frame = Frames(20, RATE)
    inner = autoencoder(strides=[])
    both = Sandwich(lambda: autoencoder(strides=[]), frame)
    assert both.ratio == 2
    assert both(torch.randn(2, inner.width, frames)).shape == (2, inner.out.dim, frames)


@pytest.mark.parametrize("strides", [[], [2], [4]], ids=str)
def test_one_batch_can_be_learnt_by_heart(strides: list[int]) -> None:
    torch.manual_seed(0)
    net = autoencoder(strides=strides)
    body = nn.ModuleList([nn.Conv1d(20, net.width, 1), net, nn.Conv1d(net.width, 20, 1)])
    x = torch.randn(2, 20, 12)
    optimizer = torch.optim.Adam(body.parameters(), 5e-3)
    for _ in range(400):
        loss = (body[2](net(body[0](x))) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.05:
            break
    assert loss < 0.05, "of the variance is left"


def ends(net: Autoencoder, features: int) -> tuple[nn.Conv1d, nn.Conv1d]:
    return nn.Conv1d(features, net.width, 1), nn.Conv1d(net.width, features, 1)


@pytest.mark.parametrize("strides", [[], [2], [2, 2]], ids=str)
def test_a_shortcut_begins_as_the_identity_where_the_latent_is_wide_enough(strides: list[int]) -> None:
    net = autoencoder(strides=strides, shortcut=True, latent=20 * 2 ** len(strides))
    embed, head = ends(net, 20)
    net.pass_on(embed, head)
    x = torch.randn(2, 20, 23)
    assert torch.allclose(head(net(embed(x))), x, atol=1e-4)
    sum(p.sum() for p in (head(net(embed(x))),)).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_narrower_shortcut_keeps_what_changes_slowly() -> None:
    net = autoencoder(strides=[4], shortcut=True, latent=20)
    embed, head = ends(net, 20)
    net.pass_on(embed, head)
    x = torch.randn(2, 20, 24)
    means = x.unflatten(-1, (6, 4)).mean(-1).repeat_interleave(4, -1)
    assert torch.allclose(head(net(embed(x))), means, atol=1e-4)


def test_a_shortcut_steps_too() -> None:
    net = autoencoder(strides=[], shortcut=True).eval()
    nn.init.normal_(net.up[-1].weight)
    h, state, out = torch.randn(1, net.width, 12), None, []
    for block in h.split(5, -1):
        y, state = net.step(block, state)
        out.append(y)
    assert torch.allclose(torch.cat(out, -1), net(h), atol=1e-5)


def test_a_wide_one_stays_in_bounds_when_all_its_weights_drift() -> None:
    """As optimisers push them at first, all one way: without norms the answer grew past 1e4 and every mask was shut for good."""
    torch.manual_seed(0)
    net = autoencoder(width=192, latent=32, widest=256, units=2)
    with torch.no_grad():
        for p in net.parameters():
            p += 0.01
        assert float(net(torch.randn(1, 192, 16)).std()) < 1e3
