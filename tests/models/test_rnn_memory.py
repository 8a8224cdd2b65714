"""The recurrent decoder: attention by hand, steps equal the whole, gradients."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from audioml.kinds import Frames, Seq
from audioml.models.rnn import Rnn
from audioml.nn.positions import sinusoids

B, N, W, M, DIM = 2, 13, 6, 9, 5
SPACE = Frames(W, Fraction(50))


def make(memory: bool = True, **settings: object) -> Rnn:
    torch.manual_seed(0)
    how = {"width": W, "cells": 8, "layers": 2, "cell": "lstm", "directions": 1, "dropout": 0.0, "weight_drop": 0.0, **settings}
    net = Rnn(SPACE, SPACE, **how)  # type: ignore[arg-type]
    if memory:
        net.with_memory(DIM)
    return net.eval()


MEMORY = Seq(torch.randn(B, DIM, M, generator=torch.Generator().manual_seed(1)), torch.tensor([M, 4]))


def test_attention_after_the_recurrence_by_hand() -> None:
    net, h = make(), torch.randn(B, W, N)
    with torch.no_grad():
        states = net.rnn(h).transpose(1, 2)
        cross = net.cross
        keys, values = cross.kv(MEMORY.x.transpose(1, 2)).chunk(2, -1)
        want = torch.zeros(B, 8, N)
        for b in range(B):
            for t in range(N):
                q = cross.q(states[b, t]) + sinusoids(t, 1, 8, h)[0]
                n = int(MEMORY.n[b])
                weight = ((keys[b, :n] + sinusoids(0, n, 8, h)) @ q / 8**0.5).softmax(0)
                found = cross.out(weight @ values[b, :n])
                want[b, :, t] = torch.tanh(net.merge(torch.cat([states[b, t], found])))
        assert torch.allclose(net(h, None, MEMORY), want, atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("memory", [False, True])
def test_steps_equal_the_whole(cell: str, memory: bool) -> None:
    net, h = make(memory, cell=cell), torch.randn(B, W, N)
    seen = MEMORY if memory else None
    with torch.no_grad():
        a, state = net.step(h[..., :4], None, seen)
        b, state = net.step(h[..., 4:5], state, seen)
        c, _ = net.step(h[..., 5:], state, seen)
        assert (torch.cat([a, b, c], -1) - net(h, None, seen)).abs().max() < 1e-5


def test_gradients_reach_the_memory_and_every_weight() -> None:
    net, memory = make().train(), Seq(MEMORY.x.clone().requires_grad_(), MEMORY.n)
    net(torch.randn(B, W, N), None, memory).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert memory.x.grad[1, :, 4:].abs().max() == 0
    with pytest.raises(AssertionError, match="needs its memory"):
        make()(torch.randn(B, W, N))
    with pytest.raises(AssertionError, match="needs its memory"):
        make().step(torch.randn(B, W, N), None)
