"""Batch normalisation that sees the whole batch, also where several processes share it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm


class SharedBatchNorm(_BatchNorm):
    """BatchNorm (Ioffe & Szegedy 2015) of [B, C, …] over all but the channels, over the batches of all processes of a run.

    torch's own for several processes (SyncBatchNorm) runs on GPUs only.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, …] -> the same shape."""
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if not (self.training and distributed and torch.distributed.get_world_size() > 1):
            return super().forward(x)
        from torch.distributed.nn.functional import all_reduce

        dims = [0, *range(2, x.dim())]
        wide = x.to(self.weight.dtype)  # half precision has too few digits for sums
        count = wide.new_tensor([x.numel() / x.shape[1]])
        sums = all_reduce(torch.cat([wide.sum(dims), wide.square().sum(dims), count]))
        total, squares, count = sums.split([self.num_features, self.num_features, 1])
        mean = total / count
        var = (squares / count - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * count / (count - 1).clamp(min=1), self.momentum)
        scale = (var + self.eps).rsqrt() * self.weight
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return (wide * scale.view(shape) + (self.bias - mean * scale).view(shape)).to(x.dtype)
