"""Our PReLU against torch's."""

from __future__ import annotations

import pytest
import torch

from audioml.nn.prelu import PReLU


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_torchs(dtype: torch.dtype, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    ours, theirs = PReLU().to(dtype), torch.nn.PReLU().to(dtype)
    x = torch.randn(2, 5, 7, 11, dtype=dtype).to(memory_format=layout)
    back = torch.randn_like(x)
    found = []
    for layer in (ours, theirs):
        own = x.clone().requires_grad_()
        y = layer(own)
        y.backward(back)
        found.append((y, own.grad, layer.weight.grad))
    near = 1e-2 if dtype == torch.bfloat16 else 1e-5
    assert torch.equal(found[0][0], found[1][0])
    assert torch.allclose(found[0][1], found[1][1], rtol=near)
    assert torch.allclose(found[0][2], found[1][2], rtol=near)


def test_gradient_is_that_of_a_difference() -> None:
    layer = PReLU().double()
    x = torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: torch.func.functional_call(layer, {"weight": w}, (x,)), (x, layer.weight))


def test_mixed_precision_and_frozen_slopes() -> None:
    layer = PReLU()
    x = torch.randn(2, 3, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(torch.nn.functional.conv1d(x, torch.ones(3, 3, 1)))
    y.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32
    layer.weight.requires_grad_(False)
    layer(x).sum().backward()
