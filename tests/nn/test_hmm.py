"""Chains against enumeration of every path, and against hmmlearn; what a chain forbids stays forbidden."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from audioml.nn import expectation, gmm, hmm, word_graphs

STATES, SILENCE = 2, 3
TEXTS = (((0, 1), (2,)), ((2,),), ())
FRAMES = (7, 5, 4)


def chains(silence: int | None = SILENCE) -> tuple[hmm.Chains, list[word_graphs.Layout]]:
    stay = torch.linspace(0.3, 0.8, 4 * STATES, dtype=torch.float64).log()
    layouts = [word_graphs.layout(text, STATES, silence) for text in TEXTS]
    return word_graphs.chains(layouts, stay, STATES, silence), layouts


def scores() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    length = max(len(one.ids) for one in chains()[1])
    return 3 * torch.randn(len(TEXTS), length, max(FRAMES), generator=generator, dtype=torch.float64), torch.tensor(FRAMES)


def packed(b: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    """[B, L, N] -> the clips' frames side by side [L, T]."""
    return torch.cat([x[:, :k] for x, k in zip(b, n.tolist(), strict=True)], 1)


def paths(chain: hmm.Chains, b: torch.Tensor, row: int, frames: int) -> list[tuple[float, tuple[int, ...]]]:
    """Every path through one clip's chain with its log-probability, step by step as the chain is defined."""
    length = chain.ids.shape[1]
    cost = {
        (i, j): (chain.loop[row, j] if i == j else chain.move[row, j] if i == j - 1 else chain.jump[row, j])
        for i, j in itertools.product(range(length), repeat=2)
        if i in (j, j - 1) or (chain.jump is not None and i == j - chain.hop)
    }
    open_ = [(float(chain.enter[row, j] + b[row, j, 0]), (j,)) for j in range(length)]
    for t in range(1, frames):
        open_ = [
            (score + float(cost[path[-1], j] + b[row, j, t]), (*path, j))
            for score, path in open_ for j in range(length) if (path[-1], j) in cost and score > hmm.NEVER / 2
        ]  # fmt: skip
    ended = [(score + float(chain.leave[row, path[-1]]), path) for score, path in open_]
    return [(score, path) for score, path in ended if score > hmm.NEVER / 2]


def test_every_path_is_counted_once() -> None:
    chain, _ = chains()
    b, n = scores()
    found, best = hmm.forward_backward(packed(b, n), chain, n), hmm.viterbi(packed(b, n), chain, n)
    occupied, way = found.occupied.split(FRAMES, 1), best.occupied.split(FRAMES, 1)
    for row, frames in enumerate(FRAMES):
        all_ = paths(chain, b, row, frames)
        total = math.log(sum(math.exp(score) for score, _ in all_))
        assert float(found.likelihood[row]) == pytest.approx(total, abs=1e-9)
        by_hand, stays = stated([(math.exp(score - total), places) for score, places in all_], b.shape[1], frames)
        assert torch.allclose(occupied[row], by_hand, atol=1e-9)
        assert torch.allclose(found.stays[row], stays, atol=1e-9)
        score, places = max(all_)
        assert float(best.likelihood[row]) == pytest.approx(score, abs=1e-9)
        by_hand, stays = stated([(1.0, places)], b.shape[1], frames)
        assert torch.equal(way[row], by_hand)
        assert torch.equal(best.stays[row], stays)
    assert torch.allclose(hmm.log_likelihood(packed(b, n), chain, n), found.likelihood)


def stated(weighed: list[tuple[float, tuple[int, ...]]], length: int, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Paths and their probabilities -> each place's at each frame, expected stays."""
    occupied, stays = torch.zeros(length, frames, dtype=torch.float64), torch.zeros(length, dtype=torch.float64)
    for weight, places in weighed:
        for t, place in enumerate(places):
            occupied[place, t] += weight
            if t and places[t - 1] == place:
                stays[place] += weight
    return occupied, stays


def test_neighbours_in_any_order_change_nothing() -> None:
    chain, layouts = chains()
    b, n = scores()
    together = hmm.forward_backward(packed(b, n), chain, n)
    stay = torch.linspace(0.3, 0.8, 4 * STATES, dtype=torch.float64).log()
    for row, frames in enumerate(FRAMES):
        length = len(layouts[row].ids)
        alone = word_graphs.chains([layouts[row]], stay, STATES, SILENCE)
        single = hmm.forward_backward(b[row, :length, :frames].clone(), alone, n[row : row + 1])
        assert torch.allclose(together.likelihood[row], single.likelihood[0])
        assert torch.allclose(together.occupied.split(FRAMES, 1)[row][:length], single.occupied)
        assert torch.allclose(together.stays[row, :length], single.stays[0])
        assert float(together.occupied.split(FRAMES, 1)[row][length:].sum()) == 0
    for order in itertools.permutations(range(3)):
        rows = torch.tensor(order)
        mixed = hmm.forward_backward(packed(b[rows], n[rows]), chain.each(lambda x, rows=rows: x[rows]), n[rows])
        assert torch.allclose(mixed.likelihood, together.likelihood[rows])
        assert torch.allclose(mixed.stays, together.stays[rows])
        assert torch.allclose(mixed.occupied, torch.cat([together.occupied.split(FRAMES, 1)[i] for i in order], 1))


@pytest.mark.parametrize("walk", [hmm.forward_backward, hmm.viterbi])
def test_a_clip_too_short_for_its_text_or_without_frames_has_no_path(walk: Callable[..., hmm.Found]) -> None:
    chain, _ = chains(None)
    b, _ = scores()
    n = torch.tensor([3, 3, 0])
    likelihood, occupied, stays = walk(packed(b[:, : chain.ids.shape[1]], n), chain, n)
    assert (likelihood < hmm.NEVER / 2).tolist() == [True, False, True]  # six states in three frames
    assert not occupied[:, :3].any()
    assert torch.allclose(occupied[:, 3:].sum(0), torch.ones(3, dtype=torch.float64))
    assert not stays[0].any()
    assert not stays[2].any()


def test_clips_of_one_frame() -> None:
    chain, _ = chains()
    b, n = scores()[0][1:], torch.tensor([1, 1])
    likelihood, occupied, stays = hmm.forward_backward(packed(b, n), chain.each(lambda x: x[1:]), n)
    assert float(likelihood[0]) < hmm.NEVER / 2
    assert float(likelihood[1]) < hmm.NEVER / 2  # a silence of two states
    assert not occupied.any()
    assert not stays.any()


def test_what_left_to_right_forbids_is_exactly_zero() -> None:
    """No place before its frame, none left behind is come back to."""
    chain, layouts = chains(None)
    b, n = scores()
    occupied = hmm.forward_backward(packed(b[:, : chain.ids.shape[1]], n), chain, n).occupied[:, : FRAMES[0]]
    length = len(layouts[0].ids)
    for place, frame in itertools.product(range(length), range(FRAMES[0])):
        if place > frame or length - place > FRAMES[0] - frame:
            assert float(occupied[place, frame]) == 0


def test_far_unlikely_ways_are_taken_where_there_is_no_other() -> None:
    """Differences that no float32 probability could hold (e^-2000): the end can be reached through them alone."""
    chain, _ = chains()
    frames = 40
    b, n = torch.zeros(len(TEXTS), chain.ids.shape[1], frames), torch.tensor([frames] * len(TEXTS))
    b[:, 1:] -= 50.0 * torch.arange(frames)
    single = chain.each(lambda x: x.float() if x.is_floating_point() else x)
    exact = hmm.forward_backward(packed(b.double(), n), chain, n)
    rough = hmm.forward_backward(packed(b, n), single, n)
    assert torch.allclose(rough.likelihood, exact.likelihood, rtol=1e-5)
    assert torch.allclose(rough.occupied.double(), exact.occupied, atol=2e-2)
    assert torch.allclose(rough.occupied.sum(0), torch.ones(len(TEXTS) * frames), atol=1e-5)


def test_an_even_start_visits_every_place() -> None:
    chain, layouts = chains()
    n = torch.tensor([20, 12, 4])
    scores = torch.randn(chain.ids.shape[1], 36, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = hmm.evenly(scores, chain, n)
    for row, occupied in enumerate(found.occupied.split(n.tolist(), 1)):
        path = occupied.argmax(0)
        assert torch.equal(occupied.sum(0), torch.ones(len(path), dtype=torch.float64))
        assert sorted(set(path.tolist())) == list(range(len(layouts[row].ids)))
        assert (path[1:] >= path[:-1]).all()
        assert torch.equal(found.stays[row], torch.bincount(path[1:][path[1:] == path[:-1]], minlength=len(occupied)).double())
    assert torch.allclose(found.likelihood, torch.stack([x.sum() for x in (scores * found.occupied).split(n.tolist(), 1)]))


def toy(gaussians: int = 2) -> tuple[list[np.ndarray], gmm.Mixtures, np.ndarray]:
    """Sequences, mixtures of five states, and probabilities of staying."""
    rng = np.random.default_rng(0)
    sequences = [rng.standard_normal((int(length), 4)).cumsum(0) * 0.3 for length in rng.integers(8, 30, 7)]
    mixtures = gmm.Mixtures(5, gaussians, 4).double()
    mixtures.used.fill_(gaussians)
    mixtures.mean.copy_(torch.from_numpy(rng.standard_normal((5, gaussians, 4))))
    mixtures.variance.copy_(torch.from_numpy(rng.uniform(0.5, 2, (5, gaussians, 4))))
    mixtures.weight.copy_(torch.from_numpy(np.log(rng.dirichlet(np.ones(gaussians), 5))))
    return sequences, mixtures, np.append(rng.uniform(0.3, 0.9, 4), 1.0)


def batch_of(sequences: list[np.ndarray], stay: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, hmm.Chains]:
    """Frames [4, T], counts, and chains of five states in a row that may end anywhere, as hmmlearn's do."""
    n = torch.tensor([len(x) for x in sequences])
    x = torch.from_numpy(np.concatenate(sequences).T)
    never = torch.full((len(sequences), 5), hmm.NEVER, dtype=torch.float64)
    move, enter = never.clone(), never.clone()
    move[:, 1:], enter[:, 0] = torch.from_numpy(np.log1p(-stay[:-1])), 0.0
    loop = torch.from_numpy(np.log(stay)).expand(len(sequences), 5)
    chain = hmm.Chains(torch.arange(5).expand(len(sequences), 5), loop, move, None, enter, torch.zeros_like(never), 1)
    return x, n, chain


def test_likelihood_path_and_one_iteration_equal_hmmlearn() -> None:
    learner = pytest.importorskip("hmmlearn.hmm", reason="the reference: pip install hmmlearn")
    sequences, mixtures, stay = toy()
    x, n, chain = batch_of(sequences, stay)
    model = learner.GMMHMM(5, 2, covariance_type="diag", init_params="", n_iter=1, tol=0)
    model.startprob_, model.transmat_ = np.eye(5)[0], np.diag(stay) + np.diag(1 - stay[:-1], 1)
    model.weights_, model.means_, model.covars_ = (
        p.numpy().copy() for p in (mixtures.weight.exp(), mixtures.mean, mixtures.variance)
    )
    whole, lengths = np.concatenate(sequences), n.tolist()
    scores = mixtures.scores(gmm.powers_of(x[None]), chain.ids[0])
    likelihood, occupied, _ = hmm.forward_backward(scores.clone(), chain, n)
    assert float(likelihood.sum()) == pytest.approx(model.score(whole, lengths), rel=1e-10)
    theirs, path = model.decode(whole, lengths)
    best = hmm.viterbi(scores, chain, n)
    assert float(best.likelihood.sum()) == pytest.approx(theirs, rel=1e-10)
    assert best.occupied.argmax(0).tolist() == path.tolist()
    assert np.allclose(occupied.T, model.predict_proba(whole, lengths), atol=1e-10)

    sums, before = gmm.Sums(5, 2, 4), mixtures.mean.clone()
    assert torch.allclose(expectation.gather(mixtures, sums, x, chain, n, "all"), likelihood)
    model.fit(whole, lengths)
    gmm.reestimate(mixtures, sums, torch.zeros(4), 0.0)
    assert np.allclose(mixtures.mean, model.means_, rtol=1e-8)
    assert np.allclose(mixtures.weight.exp(), model.weights_, rtol=1e-8)
    # hmmlearn takes its variances around the means before the iteration
    assert np.allclose(mixtures.variance + (mixtures.mean - before) ** 2, model.covars_, rtol=1e-7)
    going = sums.counts.sum(1) - occupied[:, n.cumsum(0) - 1].sum(1)
    assert np.allclose(sums.loops / going, np.diag(model.transmat_), rtol=1e-8)
    assert (model.transmat_[~(np.eye(5, dtype=bool) | np.eye(5, k=1, dtype=bool))] == 0).all()


def test_float32_gives_the_likelihood_to_a_millionth() -> None:
    sequences, mixtures, stay = toy()
    x, n, chain = batch_of(sequences, stay)
    exact = expectation.log_likelihood(mixtures, x, chain, n).sum()
    single = hmm.Chains(chain.ids, chain.loop.float(), chain.move.float(), None, chain.enter.float(), chain.leave.float(), 1)
    rough = expectation.log_likelihood(mixtures.float(), x.float(), single, n).sum()
    assert float(rough) == pytest.approx(float(exact), rel=1e-6)


@pytest.mark.parametrize("align", ["all", "viterbi", "evenly"])
def test_statistics_of_a_batch_are_those_of_its_clips(align: expectation.Align, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains of several lengths, neighbours with the same one in several pieces, against one clip at a time."""
    monkeypatch.setattr(expectation, "PIECE", 20)
    torch.manual_seed(0)
    stay = torch.linspace(0.3, 0.8, 4 * STATES, dtype=torch.float64).log()
    mixtures = gmm.Mixtures(4 * STATES, 2, 3).double()
    mixtures.used.fill_(2)
    mixtures.mean.copy_(torch.randn(4 * STATES, 2, 3))
    mixtures.weight.fill_(math.log(0.5))
    made = [word_graphs.layout(text, STATES, SILENCE) for text in (TEXTS[1], TEXTS[1], TEXTS[0], TEXTS[0], TEXTS[2])]
    x, n = torch.randn(3, 98).double(), torch.tensor([30, 25, 28, 3, 12])
    together, apart = gmm.Sums(4 * STATES, 2, 3), gmm.Sums(4 * STATES, 2, 3)
    likelihood = expectation.gather(mixtures, together, x, word_graphs.chains(made, stay, STATES, SILENCE), n, align)
    for k, (clip, layout) in enumerate(zip(x.split(n.tolist(), 1), made, strict=True)):
        own = word_graphs.chains([layout], stay, STATES, SILENCE)
        assert torch.allclose(expectation.gather(mixtures, apart, clip, own, n[k : k + 1], align)[0], likelihood[k])
    assert torch.allclose(together.table, apart.table)
    assert torch.allclose(together.loops, apart.loops)
    heard = n.sum() if align == "evenly" else n.sum() - 3  # three frames are too few for six states
    assert float(together.counts.sum()) == pytest.approx(float(heard))


def test_a_batch_without_any_frame_says_nothing() -> None:
    mixtures, sums = gmm.Mixtures(2, 1, 3), gmm.Sums(2, 1, 3)
    ids, z = torch.tensor([[0, 1]]), torch.zeros(1, 2)
    chains = hmm.Chains(ids, z - 0.5, z - 0.9, None, z, z, 1)
    x, n = torch.zeros(3, 0), torch.tensor([0])
    for found in (expectation.gather(mixtures, sums, x, chains, n, "all"), expectation.log_likelihood(mixtures, x, chains, n)):
        assert float(found) < hmm.NEVER / 2
    assert not sums.table.any()
