"""Augmentation of encoded inputs."""

from __future__ import annotations

import torch
from torch import Tensor


def hide_blocks(x: Tensor, n: Tensor, *, time_masks: int, time_width: float, bin_masks: int, bin_width: float) -> Tensor:
    """SpecAugment (Park et al. 2019): set random stretches of frames and of bins to each clip's mean.

    x [B, C, F, N] or [B, D, N]; widths are the largest share of a clip's frames, and of the bins, that one mask hides.
    """
    size, device = x.shape[0], x.device
    hidden = torch.zeros(size, 1, 1, x.shape[-1], dtype=torch.bool, device=device)
    frame = torch.arange(x.shape[-1], device=device)
    lengths = n.to(device)

    def stretch(length: Tensor, widest: float, index: Tensor) -> Tensor:
        width = torch.rand(size, device=device) * widest * length
        start = torch.rand(size, device=device) * (length - width)
        return (index >= start[:, None]) & (index < (start + width)[:, None])

    for _ in range(time_masks):
        hidden |= stretch(lengths, time_width, frame)[:, None, None]
    if x.dim() == 4:
        bins = torch.arange(x.shape[2], device=device)
        for _ in range(bin_masks):
            hidden = hidden | stretch(torch.full_like(lengths, x.shape[2]), bin_width, bins)[:, None, :, None]
    hidden = hidden if x.dim() == 4 else hidden[:, 0]
    mean = x.mean(dim=tuple(range(1, x.dim())), keepdim=True)
    return torch.where(hidden, mean, x)
