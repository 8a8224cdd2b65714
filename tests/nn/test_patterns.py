"""Patterns of code books: layouts by hand and by MusicGen, reversible, every code once and after all it may depend on."""

from __future__ import annotations

import pytest
import torch

from audioml.nn import patterns
from audioml.nn.sampling import narrowed, pick

KINDS = ("parallel", "delay", "flatten")


@pytest.mark.parametrize("pattern", KINDS)
@pytest.mark.parametrize(("books", "frames"), [(1, 5), (4, 8), (3, 1), (2, 0)])
def test_reversible_and_every_code_once(pattern: str, books: int, frames: int) -> None:
    codes = torch.randint(0, 10, (2, books, frames))
    n = torch.tensor([frames, max(0, frames - 1)])
    laid, real = patterns.build(codes, n, pattern, 10)
    assert laid.shape == (2, books, patterns.width(pattern, books, frames))
    assert torch.equal(patterns.revert(laid, pattern, frames)[0], codes[0])
    assert torch.equal(real.flatten(1).sum(1), n * books)
    assert torch.equal(laid == 10, ~real)
    assert not real[:, :, 0].any(), "the first column is all special"
    assert torch.equal(patterns.width(pattern, books, n)[1], torch.tensor(patterns.width(pattern, books, int(n[1]))))


def test_delay_is_the_layout_of_musicgen() -> None:
    """transformers' build_delay_pattern_mask, which equals audiocraft's DelayedPatternProvider: special, T codes, special."""
    musicgen = pytest.importorskip("transformers.models.musicgen.modeling_musicgen")
    config = pytest.importorskip("transformers").MusicgenDecoderConfig(
        vocab_size=16, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16, num_codebooks=4
    )
    model = musicgen.MusicgenForCausalLM(config)
    books, frames, special = 4, 8, 16
    codes = torch.randint(0, 16, (1, books, frames))
    laid, _ = patterns.build(codes, torch.tensor([frames]), "delay", special)
    start = torch.full((books, 1), special)
    _, mask = model.build_delay_pattern_mask(start, special, max_length=frames + books)
    free = mask == -1  # where theirs lets codes be predicted; elsewhere it forces the special symbol
    assert torch.equal(free, laid[0] != special)
    assert laid.shape[-1] == frames + books


def test_layouts_by_hand() -> None:
    codes, n = torch.tensor([[[1, 2, 3], [4, 5, 6]]]), torch.tensor([3])
    assert patterns.build(codes, n, "parallel", 0)[0].tolist() == [[[0, 1, 2, 3], [0, 4, 5, 6]]]
    assert patterns.build(codes, n, "delay", 0)[0].tolist() == [[[0, 1, 2, 3, 0], [0, 0, 4, 5, 6]]]
    assert patterns.build(codes, n, "flatten", 0)[0].tolist() == [[[0, 1, 0, 2, 0, 3, 0], [0, 0, 4, 0, 5, 0, 6]]]
    short = torch.tensor([2])
    assert patterns.build(codes, short, "delay", 0)[0].tolist() == [[[0, 1, 2, 0, 0], [0, 0, 4, 5, 0]]]


def test_narrowing_keeps_the_likeliest() -> None:
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    kept = {
        (0, 1.0): 4, (2, 1.0): 2, (0, 0.5): 1, (0, 0.51): 2, (0, 0.8): 2, (0, 0.81): 3, (3, 0.99): 3, (1, 0.1): 1, (9, 1.0): 4,
    }
    for (top_k, top_p), count in kept.items():
        out = narrowed(p.log(), temperature=1.0, top_k=top_k, top_p=top_p)
        assert out.isfinite().tolist() == [i < count for i in range(4)], (top_k, top_p)


def test_picking_follows_the_probabilities_and_the_temperature() -> None:
    torch.manual_seed(0)
    p = torch.tensor([0.1, 0.6, 0.3])
    logits = p.log().expand(4000, 2, 3)
    assert (pick(logits, temperature=0, top_k=0, top_p=1.0) == 1).all()
    drawn = pick(logits, temperature=1.0, top_k=0, top_p=1.0)
    assert drawn.shape == (4000, 2)
    assert torch.allclose(torch.bincount(drawn.flatten(), minlength=3) / 8000, p, atol=0.02)
    sharp = p.square() / p.square().sum()
    cold = pick(logits, temperature=0.5, top_k=0, top_p=1.0)
    assert torch.allclose(torch.bincount(cold.flatten(), minlength=3) / 8000, sharp, atol=0.02)
