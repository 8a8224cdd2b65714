"""A condition scales and shifts what the norms of a network give."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from audioml.nn.film import NORMS, Film, channels_of
from audioml.nn.layers import FrameNorm

NETS = [
    (nn.Sequential(nn.Conv1d(4, 6, 3), FrameNorm(6), nn.SiLU()), (2, 4, 9)),
    (nn.Sequential(nn.Conv2d(4, 6, 3), nn.GroupNorm(1, 6), nn.Conv2d(6, 5, 1), nn.BatchNorm2d(5)), (2, 4, 7, 9)),
    (nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6)), (2, 4, 9)),
    (nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6)), (2, 9, 4)),
]


@pytest.mark.parametrize(("net", "shape"), NETS, ids=lambda v: "")
def test_each_kind_of_norm_is_turned(net: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = copy.deepcopy(net).eval()
    plain = copy.deepcopy(net)
    film = Film(net, 3)
    x, told = torch.randn(shape), torch.randn(2, 3)
    assert len(film.maps) == sum(isinstance(m, NORMS) for m in net.modules())
    with film.telling(told):
        assert torch.equal(net(x), plain(x)), "it starts as nothing"
    nn.init.normal_(film.maps[-1].weight)
    with film.telling(told):
        y = net(x)
    assert torch.equal(net(x), plain(x)), "it says nothing when it is not asked"
    assert not torch.equal(y, plain(x))
    last = [m for m in plain.modules() if isinstance(m, NORMS)][-1]
    heard = []
    last.register_forward_hook(lambda m, given, out: heard.append(out))
    plain(x)
    gain, shift = film.maps[-1](told).split(channels_of(last), -1)
    axis = -1 if isinstance(last, nn.LayerNorm) else 1
    wide = [v.reshape(2, *(-1 if a == axis % len(shape) else 1 for a in range(1, len(shape)))) for v in (gain, shift)]
    expected = heard[0] * (1 + wide[0]) + wide[1]
    expected = nn.SiLU()(expected) if isinstance(net[-1], nn.SiLU) else expected
    assert torch.allclose(y, expected, atol=1e-6)


def test_copies_hear_their_own_condition() -> None:
    net = nn.ModuleDict({"body": nn.Sequential(nn.Conv1d(4, 6, 1), FrameNorm(6))})
    net["film"] = Film(net["body"], 3)
    other = copy.deepcopy(net)
    nn.init.ones_(other["film"].maps[0].weight)
    x, told = torch.randn(2, 4, 5), torch.ones(2, 3)
    with net["film"].telling(told), other["film"].telling(told):
        assert not torch.equal(net["body"](x), other["body"](x))
    assert torch.equal(net["body"](x), other["body"](x))
