"""Layers of frames against the plain way of computing them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from audioml.nn.layers import DualPath, FrameNorm


def normalised(x: Tensor, norm: FrameNorm) -> Tensor:
    """Each frame of x [B, C, ..., N] by itself."""
    y = torch.empty_like(x)
    for b in range(x.shape[0]):
        for n in range(x.shape[-1]):
            frame = x[b, ..., n]
            scaled = (frame - frame.mean()) / (frame.var(correction=0) + 1e-5).sqrt()
            shape = (-1, *[1] * (frame.dim() - 1))
            y[b, ..., n] = scaled * norm.weight.view(shape) + norm.bias.view(shape)
    return y


@pytest.mark.parametrize("shape", [(2, 6, 5), (2, 6, 4, 5)], ids=["frames", "grid"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_frame_norm_scales_every_frame_by_itself(shape: tuple[int, ...], channels_last: bool) -> None:
    torch.manual_seed(0)
    norm, x = FrameNorm(6), 3 + torch.randn(shape)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    if channels_last and len(shape) == 4:
        x = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(norm(x), normalised(x, norm))


@pytest.mark.parametrize("directions", [1, 2])
def test_dual_path_goes_across_the_bins_of_a_frame_then_along_the_frames_of_a_bin(directions: int) -> None:
    torch.manual_seed(0)
    net, x = DualPath(4, 6, directions=directions, dropout=0.0), torch.randn(2, 4, 3, 5)
    across = torch.empty_like(x)
    for b in range(2):
        for n in range(5):
            across[b, :, :, n] = net.mix[0](net.across.rnn(x[b, :, :, n].T[None])[0])[0].T
    h = x + normalised(across, net.norm[0])
    along = torch.empty_like(x)
    for b in range(2):
        for f in range(3):
            along[b, :, f] = net.mix[1](net.along.rnn(h[b, :, f].T[None])[0])[0].T
    expected = h + normalised(along, net.norm[1])
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.testing.assert_close(net(x.to(memory_format=layout)), expected)
