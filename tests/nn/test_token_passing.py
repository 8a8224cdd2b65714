"""The search for words against every sequence of words, each scored along its own chain."""

from __future__ import annotations

import itertools

import pytest
import torch

from audioml.nn import hmm, token_passing, word_graphs

WORDS = ((0,), (1, 2), (2, 0))
STATES, PHONES = 2, 4


def problem(seed: int, silence: int | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores [B, states, N], counts, log-probabilities of staying, prices of going from word to word."""
    generator = torch.Generator().manual_seed(seed)
    scores = 4 * torch.randn(3, PHONES * STATES, 9, generator=generator, dtype=torch.float64)
    stay = torch.rand(PHONES * STATES, generator=generator, dtype=torch.float64).mul(0.6).add(0.2).log()
    price = torch.randn(len(WORDS) + 1, len(WORDS) + 1, generator=generator, dtype=torch.float64)
    return scores, torch.tensor([9, 6, 7]), stay, price


def best_by_hand(
    scores: torch.Tensor, n: torch.Tensor, stay: torch.Tensor, price: torch.Tensor, silence: int | None
) -> list[tuple[float, tuple[int, ...]]]:
    outside, found = len(WORDS), []
    for row, frames in enumerate(n.tolist()):
        tried = []
        for size in range(5):
            for words in itertools.product(range(len(WORDS)), repeat=size):
                if not words and silence is None:
                    continue
                layout = word_graphs.layout([WORDS[w] for w in words], STATES, silence)
                chain = word_graphs.chains([layout], stay, STATES, silence)
                score = hmm.viterbi(scores[row, chain.ids[0], :frames], chain, n[row : row + 1]).likelihood
                steps = zip((outside, *words), (*words, outside), strict=True)
                tried.append((float(score) + sum(float(price[a, b]) for a, b in steps), words))
        found.append(max(tried))
    return found


@pytest.mark.parametrize("silence", [3, None])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_words_are_found(seed: int, silence: int | None) -> None:
    scores, n, stay, price = problem(seed, silence)
    loop = word_graphs.word_loop(WORDS, stay, STATES, silence, price)
    found = token_passing.search(scores, loop, n, 0.0)
    for row, (_, words) in enumerate(best_by_hand(scores, n, stay, price, silence)):
        said = [w for w in found.word[row][found.begins[row]].tolist() if w < len(WORDS)]
        assert tuple(said) == words
        assert (found.place[row, int(n[row]) :] == -1).all()
        assert (found.place[row, : int(n[row])] >= 0).all()


def test_a_wide_beam_changes_nothing_and_a_narrow_one_may() -> None:
    scores, n, stay, price = problem(1, 3)
    loop = word_graphs.word_loop(WORDS, stay, STATES, 3, price)
    free, wide, narrow = (token_passing.search(scores, loop, n, beam) for beam in (0.0, 1e6, 1e-3))
    assert torch.equal(free.word, wide.word)
    assert torch.equal(free.place, wide.place)
    assert not torch.equal(free.place, narrow.place)


def test_a_clip_too_short_for_any_word_has_none() -> None:
    scores, _, stay, price = problem(0, None)
    loop = word_graphs.word_loop(WORDS, stay, STATES, None, price)
    found = token_passing.search(scores[..., :1], loop, torch.tensor([1, 1, 1]), 0.0)
    assert (found.word == -1).all()
    assert not found.begins.any()
