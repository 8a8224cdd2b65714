"""Batch normalisation over all processes of a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from audioml.nn.norms import SharedBatchNorm


@pytest.mark.parametrize("shape", [(4, 3, 20), (4, 3, 5, 20)])
def test_alone_it_is_torchs(shape: tuple[int, ...]) -> None:
    own, theirs = SharedBatchNorm(3), (nn.BatchNorm1d if len(shape) == 3 else nn.BatchNorm2d)(3)
    for _ in range(3):
        x = 5 + 0.1 * torch.randn(shape)
        torch.testing.assert_close(own(x), theirs(x))
    torch.testing.assert_close(own.state_dict(), theirs.state_dict())
    torch.testing.assert_close(own.eval()(x), theirs.eval()(x))


def skewed() -> SharedBatchNorm:
    """One whose gains and offsets are not those it starts with."""
    norm = SharedBatchNorm(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, -1.5, 2.0]))
        norm.bias.copy_(torch.tensor([0.1, 0.0, -0.3]))
    return norm


def half(rank: int, place: str, x: torch.Tensor) -> None:
    """One of two processes: its half of the batch, forward and backward."""
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{place}/meet", rank=rank, world_size=2)
    norm = skewed()
    mine = x.chunk(2)[rank].clone().requires_grad_()
    norm(mine).pow(3).sum().backward()
    coarse = SharedBatchNorm(3)
    narrow = coarse(x.chunk(2)[rank].bfloat16())  # mixed precision
    slopes = norm.weight.grad, norm.bias.grad
    assert SharedBatchNorm(3)(x.chunk(2)[rank][:1, :, :1]).isfinite().all(), "one number has no variance of its own"
    torch.save((mine.grad, norm.state_dict(), narrow, coarse.state_dict(), slopes), os.path.join(place, f"{rank}.pt"))
    dist.barrier()
    os._exit(0)  # gloo's threads now and then abort a process that takes its group down while the other leaves (SIGABRT)


def test_two_processes_are_one_of_twice_the_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = 1 + torch.randn(6, 3, 10)
    torch.multiprocessing.spawn(half, (str(tmp_path), x), nprocs=2)
    whole, all_of_it = skewed(), x.clone().requires_grad_()
    whole(all_of_it).pow(3).sum().backward()
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    torch.testing.assert_close(torch.cat([grad for grad, *_ in halves]), all_of_it.grad)
    plain = SharedBatchNorm(3)
    exact = plain(x)
    for _, state, _, coarse, _ in halves:
        torch.testing.assert_close(state, whole.state_dict())
        torch.testing.assert_close(coarse, plain.state_dict(), rtol=1e-2, atol=1e-2)
    for k, name in enumerate(("weight", "bias")):
        torch.testing.assert_close(sum(slopes[k] for *_, slopes in halves), getattr(whole, name).grad, rtol=1e-5, atol=1e-5)
    narrow = torch.cat([y for _, _, y, _, _ in halves])
    assert narrow.dtype == torch.bfloat16
    torch.testing.assert_close(narrow.float(), exact, rtol=2e-2, atol=2e-2)
