"""Chains against enumeration of every path, and against hmmlearn; what a chain forbids stays forbidden."""

from __future__ import annotations

import itertools
import math

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
    likelihood, (occupied,), stays = hmm.forward_backward([b], chain, n)
    best, path = hmm.viterbi(b, chain, n)
    for row, frames in enumerate(FRAMES):
        all_ = paths(chain, b, row, frames)
        total = math.log(sum(math.exp(score) for score, _ in all_))
        assert float(likelihood[row]) == pytest.approx(total, abs=1e-9)
        by_hand = torch.zeros_like(occupied[row])
        still = torch.zeros_like(stays[row])
        for score, places in all_:
            for t, place in enumerate(places):
                by_hand[place, t] += math.exp(score - total)
                if t and places[t - 1] == place:
                    still[place] += math.exp(score - total)
        assert torch.allclose(occupied[row], by_hand, atol=1e-9)
        assert torch.allclose(stays[row], still, atol=1e-9)
        top = max(all_)
        assert float(best[row]) == pytest.approx(top[0], abs=1e-9)
        assert tuple(path[row, :frames].tolist()) == top[1]
        assert (path[row, frames:] == -1).all()
    assert torch.allclose(hmm.log_likelihood([b], chain, n), likelihood)


def test_padding_and_neighbours_change_nothing() -> None:
    chain, layouts = chains()
    b, n = scores()
    together = hmm.forward_backward([b], chain, n)
    stay = torch.linspace(0.3, 0.8, 4 * STATES, dtype=torch.float64).log()
    for row, frames in enumerate(FRAMES):
        length = len(layouts[row].ids)
        alone = word_graphs.chains([layouts[row]], stay, STATES, SILENCE)
        single = hmm.forward_backward([b[row : row + 1, :length, :frames]], alone, n[row : row + 1])
        assert torch.allclose(together[0][row], single[0][0])
        assert torch.allclose(together[1][0][row, :length, :frames], single[1][0])
        assert float(together[1][0][row, length:].sum()) == 0


@pytest.mark.parametrize("cuts", [(1, 2), (2,), (1,)])
def test_blocks_of_any_length_in_any_order_are_the_same_clips(cuts: tuple[int, ...]) -> None:
    chain, _ = chains()
    b, n = scores()
    whole = hmm.forward_backward([b], chain, n)
    for order in ([0, 1, 2], [2, 0, 1]):
        parts = [torch.tensor(order[a:z]) for a, z in itertools.pairwise((0, *cuts, 3))]
        blocks = [b[rows, :, : int(n[rows].max())] for rows in parts]
        likelihood, occupied, stays = hmm.forward_backward(blocks, chain.of(torch.tensor(order)), n[order])
        assert torch.allclose(likelihood, whole[0][order])
        assert torch.allclose(stays, whole[2][order])
        assert torch.allclose(hmm.log_likelihood(blocks, chain.of(torch.tensor(order)), n[order]), likelihood)
        for rows, one in zip(parts, occupied, strict=True):
            assert torch.allclose(one, whole[1][0][rows, :, : one.shape[2]])


def test_a_clip_too_short_for_its_text_has_no_path() -> None:
    chain, _ = chains(None)
    b, _ = scores()
    likelihood, (occupied,), stays = hmm.forward_backward([b[:, : chain.ids.shape[1]]], chain, torch.tensor([3, 3, 3]))
    assert float(likelihood[0]) < hmm.NEVER / 2  # six states in three frames
    assert not occupied[0].any()
    assert not stays[0].any()
    assert float(likelihood[1]) > hmm.NEVER / 2
    assert (hmm.viterbi(b[:, : chain.ids.shape[1]], chain, torch.tensor([3, 3, 3]))[1][0] == -1).all()


def test_what_left_to_right_forbids_is_exactly_zero() -> None:
    """No place before its frame, none left behind is come back to."""
    chain, layouts = chains(None)
    b, n = scores()
    _, (occupied,), _ = hmm.forward_backward([b[:, : chain.ids.shape[1]]], chain, n)
    length = len(layouts[0].ids)
    for place, frame in itertools.product(range(length), range(FRAMES[0])):
        if place > frame or length - place > FRAMES[0] - frame:
            assert float(occupied[0, place, frame]) == 0


def test_an_even_start_visits_every_place() -> None:
    chain, layouts = chains()
    path = hmm.evenly(chain, torch.tensor([20, 12, 4]), 20)
    for row, frames in enumerate((20, 12, 4)):
        assert sorted(set(path[row, :frames].tolist())) == list(range(len(layouts[row].ids)))
        assert (path[row, 1:frames] >= path[row, : frames - 1]).all()


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
    """Frames, counts, and chains of five states in a row that may end anywhere, as hmmlearn's do."""
    n = torch.tensor([len(x) for x in sequences])
    x = torch.zeros(len(sequences), 4, int(n.max()), dtype=torch.float64)
    for row, one in zip(x, sequences, strict=True):
        row[:, : len(one)] = torch.from_numpy(one.T)
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
    scores = mixtures.scores(gmm.powers_of(x), chain.ids[0]).unflatten(1, (len(x), -1)).transpose(0, 1)
    likelihood, (occupied,), _ = hmm.forward_backward([scores], chain, n)
    assert float(likelihood.sum()) == pytest.approx(model.score(whole, lengths), rel=1e-10)
    theirs, path = model.decode(whole, lengths)
    best, own = hmm.viterbi(scores, chain, n)
    assert float(best.sum()) == pytest.approx(theirs, rel=1e-10)
    assert np.concatenate([row[:k].numpy() for row, k in zip(own, lengths, strict=True)]).tolist() == path.tolist()
    posterior = np.concatenate([row[:, :k].T.numpy() for row, k in zip(occupied, lengths, strict=True)])
    assert np.allclose(posterior, model.predict_proba(whole, lengths), atol=1e-10)

    sums, before = gmm.Sums(5, 2, 4), mixtures.mean.clone()
    assert torch.allclose(expectation.gather(mixtures, sums, [x], chain, n, "all"), likelihood)
    model.fit(whole, lengths)
    gmm.reestimate(mixtures, sums, torch.zeros(4), 0.0)
    assert np.allclose(mixtures.mean, model.means_, rtol=1e-8)
    assert np.allclose(mixtures.weight.exp(), model.weights_, rtol=1e-8)
    # hmmlearn takes its variances around the means before the iteration
    assert np.allclose(mixtures.variance + (mixtures.mean - before) ** 2, model.covars_, rtol=1e-7)
    going = sums.counts.sum(1) - torch.stack([row[:, k - 1] for row, k in zip(occupied, lengths, strict=True)]).sum(0)
    assert np.allclose(sums.loops / going, np.diag(model.transmat_), rtol=1e-8)
    assert (model.transmat_[~(np.eye(5, dtype=bool) | np.eye(5, k=1, dtype=bool))] == 0).all()


def test_float32_gives_the_likelihood_to_a_millionth() -> None:
    sequences, mixtures, stay = toy()
    x, n, chain = batch_of(sequences, stay)
    exact = expectation.log_likelihood(mixtures, [x], chain, n).sum()
    single = hmm.Chains(chain.ids, chain.loop.float(), chain.move.float(), None, chain.enter.float(), chain.leave.float(), 1)
    rough = expectation.log_likelihood(mixtures.float(), [x.float()], single, n).sum()
    assert float(rough) == pytest.approx(float(exact), rel=1e-6)


@pytest.mark.parametrize("align", ["all", "viterbi", "evenly"])
def test_statistics_of_a_batch_are_those_of_its_clips(align: expectation.Align) -> None:
    """Chains of several lengths, neighbours with the same one, and two blocks, against one clip at a time."""
    torch.manual_seed(0)
    stay = torch.linspace(0.3, 0.8, 4 * STATES, dtype=torch.float64).log()
    mixtures = gmm.Mixtures(4 * STATES, 2, 3).double()
    mixtures.used.fill_(2)
    mixtures.mean.copy_(torch.randn(4 * STATES, 2, 3))
    mixtures.weight.fill_(math.log(0.5))
    made = [word_graphs.layout(text, STATES, SILENCE) for text in (TEXTS[1], TEXTS[1], TEXTS[0], TEXTS[2])]
    blocks, n = [torch.randn(3, 3, 30).double(), torch.randn(1, 3, 12).double()], torch.tensor([30, 25, 28, 12])
    together, apart = gmm.Sums(4 * STATES, 2, 3), gmm.Sums(4 * STATES, 2, 3)
    likelihood = expectation.gather(mixtures, together, blocks, word_graphs.chains(made, stay, STATES, SILENCE), n, align)
    clips = [x[None, :, :k] for x, k in zip([*blocks[0], *blocks[1]], n.tolist(), strict=True)]
    for k, (clip, layout) in enumerate(zip(clips, made, strict=True)):
        own = word_graphs.chains([layout], stay, STATES, SILENCE)
        assert torch.allclose(expectation.gather(mixtures, apart, [clip], own, n[k : k + 1], align)[0], likelihood[k])
    assert torch.allclose(together.table, apart.table)
    assert torch.allclose(together.loops, apart.loops)
    assert float(together.counts.sum()) == pytest.approx(float(n.sum()))
