"""The Transformer against torch's layers, in steps, in chunks, with a memory, and its learning to look back."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import torch
from torch import nn

from audioml import shelf
from audioml.errors import RequestError
from audioml.kinds import Frames, Seq
from audioml.models.transformer import Transformer

B, N, W, M, DIM = 2, 23, 16, 9, 12
SPACE = Frames(W, Fraction(100))
PLAIN = {"width": W, "layers": 2, "heads": 2, "positions": "none", "clip": 8, "window": 999, "causal": False, "chunk": 1, "expand": 4, "dropout": 0.0, "unbiased": False}


def make(memory: bool = False, **settings: object) -> Transformer:
    torch.manual_seed(0)
    net = Transformer(SPACE, SPACE, **{**PLAIN, **settings})  # type: ignore[arg-type]
    if memory:
        net.with_memory(DIM)
    return net.eval()


def remembered(n: tuple[int, int] = (M, 5)) -> Seq:
    torch.manual_seed(3)
    return Seq(torch.randn(B, DIM, M), torch.tensor(n))


def steps(net: Transformer, h: torch.Tensor, sizes: list[int], memory: Seq | None = None) -> torch.Tensor:
    state, at, parts = None, 0, []
    for size in itertools.cycle(sizes):
        y, state = net.step(h[..., at : at + size], state, memory)
        parts.append(y)
        at += size
        if at >= h.shape[-1]:
            return torch.cat(parts, -1)
    raise AssertionError


def test_a_block_is_torchs_pre_norm_encoder_layer() -> None:
    net = make(layers=1)
    theirs = nn.TransformerEncoderLayer(W, 2, 4 * W, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    ours = net.attention[0]
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.qkv.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.qkv.bias)
        theirs.self_attn.out_proj.load_state_dict(ours.out.state_dict())
        theirs.linear1.load_state_dict(net.dense[0][0].state_dict())
        theirs.linear2.load_state_dict(net.dense[0][3].state_dict())
        for i, norm in enumerate((theirs.norm1, theirs.norm2)):
            net.norms[i].weight.normal_(1, 0.1)
            norm.load_state_dict(net.norms[i].state_dict())
        h = torch.randn(B, W, N)
        want = net.norms[-1](theirs(h.transpose(1, 2))).transpose(1, 2)
        assert torch.allclose(net(h), want, atol=1e-5)
        pad = torch.arange(N) >= torch.tensor([N, 11])[:, None]
        masked = theirs.train()(h.transpose(1, 2), src_key_padding_mask=pad)  # train: the fast path returns nested tensors
        got = net(h, torch.tensor([N, 11]))
        assert torch.allclose(got[1, :, :11], net.norms[-1](masked).transpose(1, 2)[1, :, :11], atol=1e-5)


def test_with_a_memory_a_block_is_torchs_pre_norm_decoder_layer() -> None:
    net = make(layers=1, causal=True)
    net.with_memory(W)
    theirs = nn.TransformerDecoderLayer(W, 2, 4 * W, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    ours, cross = net.attention[0], net.cross[0]
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.qkv.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.qkv.bias)
        theirs.self_attn.out_proj.load_state_dict(ours.out.state_dict())
        theirs.multihead_attn.in_proj_weight.copy_(torch.cat([cross.q.weight, cross.kv.weight]))
        theirs.multihead_attn.in_proj_bias.copy_(torch.cat([cross.q.bias, cross.kv.bias]))
        theirs.multihead_attn.out_proj.load_state_dict(cross.out.state_dict())
        theirs.linear1.load_state_dict(net.dense[0][0].state_dict())
        theirs.linear2.load_state_dict(net.dense[0][3].state_dict())
        h, memory = torch.randn(B, W, N), Seq(torch.randn(B, W, M), torch.tensor([M, 4]))
        want = theirs(
            h.transpose(1, 2), memory.x.transpose(1, 2), tgt_mask=nn.Transformer.generate_square_subsequent_mask(N),
            memory_key_padding_mask=torch.arange(M) >= memory.n[:, None],
        )
        assert torch.allclose(net(h, None, memory), net.norms[-1](want).transpose(1, 2), atol=1e-5)


@pytest.mark.parametrize("positions", ["rotary", "relative", "sinusoidal", "cosines", "none"])
@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("window", [4, 999])
def test_cached_steps_equal_the_whole(positions: str, memory: bool, window: int) -> None:
    net = make(memory, positions=positions, causal=True, window=window)
    h, seen = torch.randn(B, W, N), remembered() if memory else None
    with torch.no_grad():
        want = net(h, None, seen)
        for sizes in ([1], [5, 1, 2], [N]):
            assert (steps(net, h, sizes, seen) - want).abs().max() < 1e-5


@pytest.mark.parametrize("positions", ["rotary", "relative", "sinusoidal", "cosines", "none"])
def test_chunks_see_themselves_and_the_past_and_step_alike(positions: str) -> None:
    net = make(positions=positions, causal=True, chunk=4, window=6)
    assert net.grain == 4
    h = torch.randn(B, W, N)
    with torch.no_grad():
        want = net(h)
        for sizes in ([4], [8, 4], [12]):  # N is no multiple: the last chunk is cut short
            assert (steps(net, h, sizes) - want).abs().max() < 1e-5
        _, state = net.step(h[..., :3], None)
        with pytest.raises(AssertionError, match="inside a chunk"):
            net.step(h[..., 3:], state)
        later = h.clone()
        later[..., 12:] = torch.randn(B, W, N - 12)
        assert torch.equal(net(later)[..., :12], want[..., :12]), "nothing later than the chunk is seen"
        inside = h.clone()
        inside[..., 11] = torch.randn(B, W)
        assert (net(inside)[..., 8] - want[..., 8]).abs().max() > 1e-4, "the rest of the chunk is seen"


@pytest.mark.parametrize("positions", ["rotary", "relative", "sinusoidal"])
def test_causal_attention_never_looks_ahead(positions: str) -> None:
    net = make(positions=positions, causal=True)
    h = torch.randn(B, W, N)
    later = h.clone()
    later[..., 10:] = torch.randn(B, W, N - 10)
    with torch.no_grad():
        assert torch.equal(net(later)[..., :10], net(h)[..., :10])


def test_every_weight_has_a_gradient() -> None:
    for positions, causal in itertools.product(["rotary", "relative", "sinusoidal", "cosines", "none"], [True, False]):
        net = make(True, positions=positions, causal=causal).train()
        net(torch.randn(B, W, N), torch.tensor([N, 7]), remembered()).square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(RequestError, match=r"model\.width=16 must be a multiple of twice model\.heads=3"):
        make(heads=3)
    with pytest.raises(RequestError, match=r"model\.chunk=2 should be 1, or with model\.causal=true a number"):
        make(chunk=2)
    with pytest.raises(RequestError, match=r"model\.chunk=0 should be 1"):
        make(chunk=0, causal=True)
    assert make(causal=False).cannot_step() == "transformer with causal=false looks at later frames; causal=true streams"
    assert make(causal=True, chunk=3).cannot_step() == ""
    assert make(causal=True, chunk=3).grain == 3
    with pytest.raises(AssertionError, match="needs its memory"):
        make(True)(torch.randn(B, W, N))


def test_what_makes_it_causal_is_declared() -> None:
    keys, reserved = shelf.settings("model", "transformer", {}, "smoke")
    facts = shelf.declaration(reserved["_target_"]).facts
    assert "memory" in facts["traffic"]
    net = Transformer(SPACE, SPACE, **{**keys, **facts["causal_if"]})
    assert net.cannot_step() == ""
    assert net.grain == 1


def test_an_unbiased_one_has_biases_in_its_norms_alone() -> None:
    names = [name for name, _ in make(memory=True, unbiased=True).named_parameters() if name.endswith("bias")]
    assert names
    assert all("norms" in name for name in names)
    assert any("qkv.bias" in name for name, _ in make().named_parameters())
