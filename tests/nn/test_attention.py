"""Attention and positions against double loops, transformers' rotary embedding and torch's own softmax."""

from __future__ import annotations

import pytest
import torch

from audioml.kinds import Seq
from audioml.nn.attention import Attention, CrossAttention, allowed_pairs
from audioml.nn.positions import Relative, rotate, sinusoids, skew

B, H, D = 2, 3, 8


@pytest.mark.parametrize(("rows", "keys"), [(5, 5), (1, 1), (1, 6), (3, 7)])
@pytest.mark.parametrize("future", [0, 2, 9])
@pytest.mark.parametrize("clip", [3, 20])
def test_relative_scores_equal_the_double_loop(rows: int, keys: int, future: int, clip: int) -> None:
    torch.manual_seed(0)
    relative = Relative(H, D, clip=clip, future=future)
    q = torch.randn(B, H, rows, D)
    got = relative(q, keys)
    assert got.shape == (B, H, rows, keys)
    for i in range(rows):
        for j in range(keys):
            distance = keys - rows + i - j  # the queries are the last rows
            if distance < 0 and not future:
                continue  # not laid out: causal attention never asks
            vector = relative.table[:, max(-future, min(clip, distance)) + future]
            want = torch.einsum("bhd,hd->bh", q[:, :, i], vector) * D**-0.5
            assert torch.allclose(got[:, :, i, j], want, atol=1e-6), (i, j)


def test_skew_is_the_music_transformers() -> None:
    """Huang et al. 2019, §3.4.1: pad a column on the left, reshape, drop a row; equal wherever a query may look."""
    size = 6
    scores = torch.randn(B, H, size, size)
    padded = torch.nn.functional.pad(scores, (1, 0))
    theirs = padded.view(B, H, size + 1, size)[:, :, 1:]
    ours = skew(torch.nn.functional.pad(scores, (0, 1)), size)
    seen = torch.ones(size, size).tril().bool()
    assert torch.equal(ours[..., seen], theirs[..., seen])


def test_relative_never_lays_out_a_vector_per_pair() -> None:
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out._base is None:
                largest = max(largest, out.numel())
            return out

    size, dim = 128, 64
    relative, q = Relative(1, dim, clip=256, future=0), torch.randn(1, 1, size, dim)
    with torch.no_grad(), Watch():
        relative(q, size)
    assert largest <= size * (size + 1) < size * size * dim


def test_rotary_is_that_of_transformers() -> None:
    llama = pytest.importorskip("transformers.models.llama.modeling_llama")
    config = pytest.importorskip("transformers").LlamaConfig(hidden_size=H * D, num_attention_heads=H, max_position_embeddings=64)
    x, start = torch.randn(B, H, 7, D), 5
    cos, sin = llama.LlamaRotaryEmbedding(config)(x, torch.arange(start, start + 7)[None])
    want, _ = llama.apply_rotary_pos_emb(x, x, cos, sin)
    assert torch.allclose(rotate(x, start), want, atol=1e-6)


def test_sinusoids_are_whispers() -> None:
    whisper = pytest.importorskip("transformers.models.whisper.modeling_whisper")
    want = whisper.sinusoids(11, 16)
    like = torch.zeros(1)
    assert torch.allclose(sinusoids(0, 11, 16, like), want, atol=1e-6)
    assert torch.allclose(sinusoids(4, 7, 16, like), want[4:], atol=1e-5)


@pytest.mark.parametrize(("causal", "chunk", "window"), [(False, 1, 2), (True, 1, 2), (True, 1, 99), (True, 3, 2), (True, 3, 0), (True, 4, 7)])
def test_who_sees_whom(causal: bool, chunk: int, window: int) -> None:
    got = allowed_pairs(torch.arange(10), torch.arange(10), window=window, causal=causal, chunk=chunk)
    for i in range(10):
        first = i // chunk * chunk
        sees = range(max(0, first - window), min(10, first + chunk)) if causal else range(max(0, i - window), min(10, i + window + 1))
        assert got[i].nonzero().flatten().tolist() == list(sees)


@pytest.mark.parametrize("positions", ["relative", "rotary", "none"])
def test_attention_equals_softmax_by_hand(positions: str) -> None:
    torch.manual_seed(0)
    layer = Attention(H * D, H, window=4, causal=True, chunk=1, positions=positions, clip=3)
    x = torch.randn(B, 9, H * D)
    q, k, v = layer.qkv(x).unflatten(-1, (3, H, D)).permute(2, 0, 3, 1, 4)
    if positions == "rotary":
        q, k = rotate(q, 0), rotate(k, 0)
    scores = q @ k.transpose(-1, -2) / D**0.5
    if layer.relative is not None:
        gap = (torch.arange(9)[:, None] - torch.arange(9)).clamp(0, 3)
        scores = scores + torch.einsum("bhid,hijd->bhij", q, layer.relative.table[:, gap]) / D**0.5
    allowed = layer.allowed(x, None)
    want = layer.out((scores.masked_fill(~allowed, -torch.inf).softmax(-1) @ v).transpose(1, 2).flatten(2))
    assert torch.allclose(layer(x, allowed), want, atol=1e-5)


def test_padding_is_not_attended_to() -> None:
    torch.manual_seed(0)
    layer = Attention(H * D, H, window=99, causal=False, chunk=1, positions="relative", clip=5)
    x, n = torch.randn(B, 9, H * D), torch.tensor([9, 5])
    other = x.clone()
    other[1, 5:] = 100.0
    a, b = (layer(z, layer.allowed(z, n)) for z in (x, other))
    assert torch.equal(a[0], b[0])
    assert torch.allclose(a[1, :5], b[1, :5], atol=1e-6)
    assert b.isfinite().all()


def test_cross_attention_ignores_what_lies_past_a_memorys_end() -> None:
    torch.manual_seed(0)
    layer = CrossAttention(12, 6, 2, placed=True)
    x, memory, n = torch.randn(B, 4, 12), torch.randn(B, 6, 7), torch.tensor([7, 3])
    other = memory.clone()
    other[1, :, 3:] = 100.0
    a, b = (layer(x, layer.keep(Seq(m, n))) for m in (memory, other))
    assert torch.allclose(a, b, atol=1e-6)
    assert not torch.allclose(layer(x, layer.keep(Seq(memory.flip(-1), torch.tensor([7, 7])))), a, atol=1e-3), "order is seen"
    assert layer(x, layer.keep(Seq(memory, torch.tensor([7, 0])))).isfinite().all(), "an empty memory is no NaN"
