"""Alignment against brute force, stretching against numpy.repeat, times against counting."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from audioml.nn import durations as D


def brute(score: np.ndarray, symbols: int, frames: int) -> list[int]:
    """Every way to cut `frames` into `symbols` runs of one or more."""
    best, found = -np.inf, []
    for cuts in combinations(range(1, frames), symbols - 1):
        edges = [0, *cuts, frames]
        total = sum(score[k, edges[k] : edges[k + 1]].sum() for k in range(symbols))
        if total > best:
            best, found = total, np.diff(edges).tolist()
    return found


def test_the_search_finds_what_trying_everything_finds() -> None:
    torch.manual_seed(0)
    score = torch.randn(6, 5, 9)
    symbols, frames = torch.tensor([5, 3, 1, 5, 4, 2]), torch.tensor([9, 9, 7, 5, 6, 2])
    found = D.best_path(score, symbols, frames)
    for b in range(6):
        s, f = int(symbols[b]), int(frames[b])
        assert found[b, :s].tolist() == brute(score[b].numpy(), s, f)
        assert not found[b, s:].any()


def test_too_few_frames_are_shared_out() -> None:
    found = D.best_path(torch.zeros(2, 4, 3), torch.tensor([4, 2]), torch.tensor([3, 3]))
    assert found.sum(1).tolist() == [3, 3]
    assert found[1, :2].min() >= 1


def test_stretching_is_repeating() -> None:
    h = torch.arange(8.0).view(2, 1, 4)
    durations = torch.tensor([[2, 0, 3, 1], [1, 1, 0, 0]])
    index, total = D.spread_out(durations)
    assert total.tolist() == [6, 2]
    y = D.repeated(h, index)
    assert y[0, 0].tolist() == np.repeat(h[0, 0].numpy(), durations[0].numpy()).tolist()
    assert y[1, 0].tolist() == [4, 5, 5, 5, 5, 5], "past the end the last symbol stays"


def test_frames_know_how_far_into_their_symbol_they_are() -> None:
    stretcher = D.Stretcher(1)
    torch.nn.init.zeros_(stretcher.place.bias)
    stretcher.place.weight.data = torch.tensor([[[1.0], [0.0], [0.0]]])
    durations = torch.tensor([[4, 2]])
    y = stretcher(torch.zeros(1, 1, 2), durations, D.spread_out(durations)[0])
    assert y[0, 0].tolist() == pytest.approx([0.125, 0.375, 0.625, 0.875, 0.25, 0.75])


def test_times_become_frames_with_silence_around() -> None:
    marks = torch.tensor([[0.1, 0.3, 0.5, 0.8], [0.0, 0.2, 0.0, 0.0]])  # three symbols to 0.8 s; one from 0 to 0.2 s
    found = D.timed(marks, torch.tensor([3, 1]), torch.tensor([10, 4]), 10.0)
    assert found.tolist() == [[1, 2, 2, 3, 2], [0, 2, 2, 0, 0]]


def test_padding_changes_no_symbol() -> None:
    torch.manual_seed(1)
    net = D.SymbolEncoder(7, 8, 2, 0.0)
    ids = torch.randint(0, 7, (1, 5))
    alone, _, n = net(ids, torch.tensor([5]))
    padded, _, _ = net(torch.nn.functional.pad(ids, (0, 4), value=3), torch.tensor([5]))
    assert n.tolist() == [7]
    assert torch.allclose(alone, padded[..., :7], atol=1e-6)
    said = D.DurationPredictor(8, 0.0)
    assert torch.allclose(said(alone, n), said(padded, n)[:, :7], atol=1e-6)


def test_the_search_is_fast() -> None:
    import time

    score = torch.randn(8, 80, 400)
    begin = time.perf_counter()
    D.best_path(score, torch.full((8,), 80), torch.full((8,), 400))
    assert time.perf_counter() - begin < 1.0
