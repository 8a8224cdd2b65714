"""Recurrent layers with weights that drop out (AWD-LSTM)."""

from __future__ import annotations

import pytest
import torch

from audioml.nn.layers import Recurrent

CELLS = pytest.mark.parametrize("cell", ["lstm", "gru"])


def layer(cell: str, drop: float, directions: int = 1) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(cell, 5, 7, layers=2, directions=directions, weight_drop=drop)  # type: ignore[arg-type]


@CELLS
def test_without_training_nothing_drops(cell: str) -> None:
    x = torch.randn(3, 5, 11)
    assert torch.equal(layer(cell, 0.5).eval()(x), layer(cell, 0.0)(x))


@CELLS
def test_all_dropped_the_cell_forgets_what_it_said(cell: str) -> None:
    """Without weights from state to state, the first layer's gates see the input alone."""
    net = layer(cell, 1.0)
    x = torch.randn(1, 5, 6)
    y = net(x)
    with torch.no_grad():
        for name in net.rnn._flat_weights_names:
            if name.startswith("weight_hh"):
                getattr(net.rnn, name).zero_()
    torch.testing.assert_close(y, net.eval()(x))


@CELLS
@pytest.mark.parametrize("directions", [1, 2])
def test_one_mask_for_a_whole_step_and_gradients_only_where_weights_are(cell: str, directions: int) -> None:
    net = layer(cell, 0.5, directions)
    x = torch.randn(2, 5, 400)
    torch.manual_seed(1)
    a = net(x)
    torch.manual_seed(2)
    assert not torch.allclose(a, net(x))
    a.sum().backward()
    dead = (net.rnn.weight_hh_l0.grad == 0).float().mean().item()
    assert 0.3 < dead < 0.7, "a mask that changed from frame to frame would leave no weight without gradient"


@CELLS
def test_packed_clips_see_the_same(cell: str) -> None:
    net = layer(cell, 0.3, 2)
    x = torch.randn(2, 5, 9)
    torch.manual_seed(3)
    whole = net(x[:1, :, :6])
    torch.manual_seed(3)
    packed = net(x, torch.tensor([6, 9]))
    torch.testing.assert_close(packed[:1, :, :6], whole)
