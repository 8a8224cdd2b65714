"""Batch normalisation that sees the whole batch, also where several processes share it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm


class SharedBatchNorm(_BatchNorm):
    """BatchNorm (Ioffe & Szegedy 2015) of [B, C, …] over all but the channels, over the batches of all processes of a run.

    torch's own for several processes (SyncBatchNorm) runs on GPUs only.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, …] -> the same shape; over several processes not twice differentiable."""
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if not (self.training and distributed and torch.distributed.get_world_size() > 1):
            return super().forward(x)
        y, mean, var, count = _Shared.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * count / (count - 1).clamp(min=1), self.momentum)
        return y


class _Shared(torch.autograd.Function):
    """Statistics of all processes, through torch's own kernels for one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """y, mean, var (of the population) [C], and how many numbers a channel has in all."""
        own = x.numel() // x.shape[1]
        mean, var = torch.zeros_like(weight), torch.zeros_like(weight)
        torch.ops.aten.batch_norm_update_stats(x, mean, var, 1.0)  # the variance of a sample, hence own - 1
        squares = var.nan_to_num() * (own - 1) + mean.square() * own  # a single number has no variance
        sums = torch.cat([mean * own, squares, mean.new_tensor([own])])
        torch.distributed.all_reduce(sums)
        total, squares, count = sums.split([len(mean), len(mean), 1])
        mean = total / count
        var = (squares / count - mean.square()).clamp(min=0)
        ctx.save_for_backward(x, weight, mean, var, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, var, count)
        return torch.native_batch_norm(x, weight, bias, mean, var, False, 0.0, eps)[0], mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, var, count = ctx.saved_tensors
        fixed = (grad, x, weight, mean, var, None, None, False, ctx.eps, [True, True, True])
        here, steep, flat = torch.ops.aten.native_batch_norm_backward(*fixed)  # as if the statistics were constants
        sums = torch.cat([steep, flat])
        torch.distributed.all_reduce(sums)
        through_var, through_mean = (sums / count).split(len(mean))
        scale = (var + ctx.eps).rsqrt()
        slope = -weight * scale.square() * through_var
        offset = -weight * scale * through_mean - slope * mean
        line = torch.native_batch_norm(x, slope, offset, torch.zeros_like(mean), torch.ones_like(var), False, 0.0, 0.0)[0]
        return here + line, steep, flat, None
