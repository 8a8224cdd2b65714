"""k-means and quantisers against references, by their properties, and in training."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from audioml.nn import kmeans as km
from audioml.nn.quantize import ResidualVQ, VectorQuantizer


def clusters(count: int = 8, each: int = 40, dim: int = 4, spread: float = 0.05) -> torch.Tensor:
    torch.manual_seed(0)
    centres = torch.randn(count, dim) * 3
    return (centres[:, None] + spread * torch.randn(count, each, dim)).flatten(0, 1)


# ---- k-means ---------------------------------------------------------------------------------------------------------
def test_nearest_is_the_brute_force_answer_in_any_chunking(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x, centres = torch.randn(101, 5), torch.randn(7, 5)
    want = torch.cdist(x, centres).argmin(1)
    assert torch.equal(km.nearest(x, centres), want)
    monkeypatch.setattr(km, "CHUNK", 20)
    assert torch.equal(km.nearest(x, centres), want)
    assert km.nearest(x[:0], centres).shape == (0,)


def test_kmeans_reaches_what_scipy_reaches() -> None:
    from scipy.cluster.vq import kmeans2

    torch.manual_seed(0)
    x = torch.randn(600, 3)
    ours = km.kmeans(x, 12, iterations=30, generator=torch.Generator().manual_seed(0))
    theirs, _ = kmeans2(x.numpy(), 12, iter=30, minit="points", rng=np.random.default_rng(0))
    mine, other = (float(torch.cdist(x, torch.as_tensor(c, dtype=x.dtype)).amin(1).square().mean()) for c in (ours, theirs))
    assert mine < 1.1 * other


def test_kmeans_leaves_no_centre_without_points_and_copes_with_few_points() -> None:
    x = clusters()
    centres = km.kmeans(x, 16, iterations=20, generator=torch.Generator().manual_seed(1))
    assert torch.bincount(km.nearest(x, centres), minlength=16).min() > 0
    few = km.kmeans(x[:3], 8, iterations=5)
    assert few.shape == (8, 4)
    assert few.isfinite().all()
    assert km.kmeans(x[:0], 8, iterations=5).shape == (8, 4)


def test_residual_levels_each_lower_the_error() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 400)
    books = km.residual_kmeans(x.transpose(1, 2).flatten(0, 1), 16, 4, iterations=10, generator=torch.Generator().manual_seed(0))
    codes = km.encode(x, books)
    assert codes.shape == (2, 4, 400)
    errors = [float((km.decode(codes[:, :k], books) - x).square().mean()) for k in (1, 2, 3, 4)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * errors[0]


# ---- references -----------------------------------------------------------------------------------------------------
def ours(dim: int = 8, size: int = 32, levels: int = 4) -> ResidualVQ:
    torch.manual_seed(0)
    return ResidualVQ(dim, size, levels, decay=0.9, restart=0.0, dropout=0.0).eval()


def test_codes_and_vectors_equal_encodecs() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.encodec.modeling_encodec import EncodecResidualVectorQuantizer

    config = transformers.EncodecConfig(codebook_size=32, codebook_dim=8, hidden_size=8, target_bandwidths=[1.5])
    reference = EncodecResidualVectorQuantizer(config)
    mine = ours(levels=4)
    for layer, book in zip(reference.layers, mine.books, strict=False):
        layer.codebook.embed.copy_(book.book)
    reference.layers = reference.layers[:4]
    reference.num_quantizers = 4
    x = torch.randn(3, 8, 50)
    want = reference.encode(x)  # [K, B, N]
    got = mine(x)
    assert torch.equal(got.codes, want.transpose(0, 1))
    assert torch.allclose(got.x, reference.decode(want), atol=1e-6)
    assert torch.equal(mine.encode(x), got.codes)
    assert torch.allclose(mine.lookup(got.codes), got.x, atol=1e-6)


def test_learning_equals_vector_quantize_pytorch() -> None:
    """The same averages from the same vectors: three training steps give the same book."""
    reference = pytest.importorskip("vector_quantize_pytorch")
    torch.manual_seed(0)
    theirs = reference.VectorQuantize(dim=6, codebook_size=16, decay=0.9, eps=1e-5, rotation_trick=False)
    mine = VectorQuantizer(6, 16, decay=0.9, restart=0.0)
    book = theirs._codebook
    mine.book.copy_(book.embed[0])
    mine.sums.copy_(book.embed_avg[0])
    mine.count.copy_(book.cluster_size[0])
    mine.started.fill_(True)
    theirs.train()
    mine.train()
    for _ in range(3):
        x = torch.randn(1, 200, 6)
        q, codes, _ = theirs(x)
        found, index = mine(x[0])
        assert torch.equal(index, codes[0])
        assert torch.allclose(found, q[0].detach(), atol=1e-5)
    assert torch.allclose(mine.count, book.cluster_size[0], atol=1e-5)
    assert torch.allclose(mine.book, book.embed[0], atol=1e-4)


# ---- properties -----------------------------------------------------------------------------------------------------
def test_gradients_pass_straight_through() -> None:
    net = ours()
    x = torch.randn(2, 8, 5, requires_grad=True)
    weight = torch.randn(2, 8, 5)
    (net(x).x * weight).sum().backward()
    assert torch.equal(x.grad, weight)


def test_commitment_pulls_the_vectors_to_their_codes() -> None:
    net = ours(levels=1)
    x = torch.randn(1, 8, 20, requires_grad=True)
    before = net(x)
    (gradient,) = torch.autograd.grad(before.commitment, x)
    after = net((x - 2.0 * gradient * x.numel() / 8).detach())
    assert after.commitment < 0.5 * before.commitment


def test_evaluation_changes_nothing_and_padding_takes_no_part() -> None:
    net = ours()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    x = torch.randn(2, 8, 30)
    out = net(x, torch.tensor([30, 10]))
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert torch.equal(out.x[1, :, 10:], x[1, :, 10:])
    assert (out.codes[1, :, 10:] == -1).all()
    assert (out.codes[0] >= 0).all()
    alone = net(x[1:, :, :10])
    assert torch.equal(alone.x, out.x[1:, :, :10])
    net.train()
    torch.manual_seed(1)
    net(x, torch.tensor([30, 10]))
    seen = {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    torch.manual_seed(1)
    net(torch.cat([x, torch.full((2, 8, 3), 99.0)], -1), torch.tensor([30, 10]))
    assert all(torch.allclose(v, seen[k]) for k, v in net.state_dict().items())


def test_the_first_batch_starts_the_books_by_kmeans() -> None:
    x = clusters(count=16)
    net = VectorQuantizer(4, 16, decay=0.99, restart=0.0).train()
    torch.manual_seed(0)
    found, _ = net(x)
    random = VectorQuantizer(4, 16, decay=0.99, restart=0.0).eval()
    assert (found - x).square().mean() < 0.2 * (random(x)[0] - x).square().mean()


def test_dead_codes_are_revived() -> None:
    """Half the codes start far from every vector; with restarts all come into use, without they never do."""

    def used(restart: float) -> float:
        torch.manual_seed(0)
        net = VectorQuantizer(4, 16, decay=0.8, restart=restart).train()
        net.started.fill_(True)
        net.book[8:] = 1e4
        net.sums.copy_(net.book)
        data = clusters(count=32, each=20, spread=0.3)
        for _ in range(60):
            net(data[torch.randint(len(data), (256,))])
        return float((net.use() > 0.01).float().mean())

    assert used(0.0) <= 0.5
    assert used(0.1) > 0.9


def test_perplexity_and_use() -> None:
    net = ours(size=16, levels=2)
    assert net.perplexity() == pytest.approx([16, 16])
    net.books[0].count.copy_(torch.tensor([1.0, 1.0] + [0.0] * 14))
    assert net.perplexity()[0] == pytest.approx(2)
    assert net.used() == pytest.approx([2 / 16, 1])


def test_quantiser_dropout_serves_every_rate() -> None:
    torch.manual_seed(0)
    net = ResidualVQ(8, 32, 4, decay=0.9, restart=0.0, dropout=1.0).train()
    codes = net(torch.randn(200, 8, 3)).codes
    depth = (codes[:, :, 0] >= 0).sum(1)
    assert set(depth.tolist()) == {1, 2, 3, 4}
    assert torch.bincount(depth)[1:].float().std() < 15
    net.eval()
    x = torch.randn(50, 8, 20)
    errors = [float((net(x, levels=k).x - x).square().mean()) for k in (1, 2, 3, 4)]
    assert errors == sorted(errors, reverse=True)
    assert net(x, levels=2).codes.shape == (50, 2, 20)


def narrow(gather: int, batches: int, levels: int = 6) -> tuple[ResidualVQ, torch.Tensor]:
    """Books on two axes each, fed with vectors whose variance falls from axis to axis and whose mean is not zero."""
    torch.manual_seed(0)
    net = ResidualVQ(12, 16, levels, decay=0.9, restart=0.0, dropout=0.0, dims=2, gather=gather).train()
    data = 5 + torch.randn(batches, 4, 12, 30) * torch.logspace(0, -1, 12)[:, None]
    return net, data


def test_books_on_a_few_axes_take_the_principal_ones_first() -> None:
    net, data = narrow(0, 1, levels=1)
    net(data[0])
    assert float(net.axes[0][:3].square().sum()) > 1.5  # of 2: within the three axes of most variance
    assert torch.allclose(net.axes[0].T @ net.axes[0], torch.eye(2), atol=1e-5)
    assert torch.allclose(net.centre, data[0].mean((0, 2)), atol=1e-5)


def test_books_on_a_few_axes_code_and_decode_alike() -> None:
    net, data = narrow(0, 1)
    net(data[0])
    net.eval()
    x = data[0]
    codes = net.encode(x)
    assert torch.equal(codes, net(x).codes)
    errors = [float((net.lookup(codes[:, :k]) - x).square().mean()) for k in range(1, 7)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * float((x - x.mean((0, 2), keepdim=True)).square().mean())
    assert torch.allclose(net.lookup(codes), net(x).x, atol=1e-5)


def test_the_first_batches_pass_and_then_start_the_books() -> None:
    net, data = narrow(3, 4)
    for batch in data[:2]:
        found = net(batch)
        assert torch.equal(found.x, batch)
        assert int(found.codes.max()) == -1
        assert float(found.commitment) == 0
    other, _ = narrow(3, 4)
    other.load_state_dict(net.state_dict())  # stopped and resumed while the books wait
    torch.manual_seed(1)
    started = net(data[2])
    torch.manual_seed(1)
    assert torch.equal(other(data[2]).x, started.x)
    assert int(started.codes.min()) >= 0
    assert not net.gathered.seen
    assert torch.allclose(net.centre, data[:3].mean((0, 1, 3)), atol=1e-5)


def test_narrow_books_learn_less_by_heart() -> None:
    """With few vectors, books of whole vectors fit them and miss others; books of projections do about as well on both."""
    torch.manual_seed(0)
    seen, unseen = torch.randn(1, 24, 300), torch.randn(1, 24, 300)

    def errors(dims: int | None) -> tuple[float, float]:
        net = ResidualVQ(24, 64, 12, decay=0.9, restart=0.0, dropout=0.0, dims=dims, gather=1).train()
        net(seen)
        net.eval()
        return float((net(seen).x - seen).square().mean()), float((net(unseen).x - unseen).square().mean())

    (whole, whole_new), (few, few_new) = errors(None), errors(4)
    assert whole < few
    assert few_new < 0.7 * whole_new


@pytest.mark.parametrize("dims", [None, 4])
def test_books_learn_under_mixed_precision(dims: int | None) -> None:
    net = ResidualVQ(16, 8, 3, decay=0.9, restart=0.05, dropout=0.0, dims=dims, gather=1).train()
    layer = torch.nn.Conv1d(16, 16, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(layer(torch.randn(2, 16, 40)))
    (found.x.sum() + found.commitment).backward()
    assert found.x.dtype == torch.float32
    assert layer.weight.grad.isfinite().all()


def test_state_travels() -> None:
    a, b = ours(), ResidualVQ(8, 32, 4, decay=0.9, restart=0.0, dropout=0.0).eval()
    b.load_state_dict(a.state_dict())
    x = torch.randn(1, 8, 9)
    assert torch.equal(a(x).x, b(x).x)
    assert math.isclose(a.perplexity()[0], b.perplexity()[0])
