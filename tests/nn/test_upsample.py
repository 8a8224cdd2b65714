"""Our transposed convolution against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audioml.nn.upsample import ConvTranspose2d

SHAPES = {  # kernel, stride, padding, output padding
    "odd number of bins": ((3, 1), (2, 1), (1, 0), (0, 0)),
    "even": ((3, 1), (2, 1), (1, 0), (1, 0)),
    "wide kernel": ((5, 1), (2, 1), (2, 0), (0, 0)),
    "unfolding": ((4, 1), (4, 1), (0, 0), (0, 0)),
    "in time also": ((3, 4), (2, 2), (1, 1), (0, 0)),
}


def pair(shape: str, dtype: torch.dtype = torch.float32) -> tuple[nn.ConvTranspose2d, nn.ConvTranspose2d]:
    """Ours and torch's with the same weights, 5 channels to 3."""
    torch.manual_seed(0)
    ours, theirs = (kind(5, 3, *SHAPES[shape]).to(dtype) for kind in (ConvTranspose2d, nn.ConvTranspose2d))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_torchs(shape: str, dtype: torch.dtype, layout: torch.memory_format) -> None:
    x, found = torch.randn(2, 5, 9, 11, dtype=dtype), []
    for layer in pair(shape, dtype):
        layer.to(memory_format=layout)
        own = x.to(memory_format=layout).clone().requires_grad_()
        y = layer(own)
        torch.manual_seed(1)
        y.backward(torch.randn(y.shape, dtype=dtype))
        found.append((y, own.grad, layer.weight.grad, layer.bias.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_mixed_precision_is_as_near_as_torchs() -> None:
    ours, theirs = pair("even")
    x = torch.randn(2, 5, 9, 11)
    exact = theirs(x)
    with torch.autocast("cpu", torch.bfloat16):
        y, same = ours(x), theirs(x)
    y.float().square().sum().backward()
    assert y.dtype == same.dtype == torch.bfloat16
    assert (y - exact).abs().max() <= 1.5 * (same - exact).abs().max() + 1e-3
    assert ours.weight.grad.dtype == torch.float32
    assert 0 < ours.weight.grad.abs().max() < torch.inf


def test_gradient_is_that_of_a_difference() -> None:
    layer, _ = pair("odd number of bins", torch.float64)
    x = torch.randn(1, 5, 3, 2, dtype=torch.float64, requires_grad=True)

    def call(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(call, (x, layer.weight, layer.bias))


def test_what_it_does_not_speed_up_is_torchs_own() -> None:
    ours, theirs = ConvTranspose2d(4, 4, 3, groups=2, bias=False), nn.ConvTranspose2d(4, 4, 3, groups=2, bias=False)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 4, 5, 6)
    assert torch.equal(ours(x), theirs(x))


def test_frozen_weights_and_no_gradient() -> None:
    layer, theirs = pair("even")
    layer.requires_grad_(False)
    x = torch.randn(1, 5, 4, 3, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
    with torch.no_grad():
        torch.testing.assert_close(layer(x), theirs(x))
