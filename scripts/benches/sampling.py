"""512 symbols, one after the other: method=ar with its cache and without, and transformers' generate for a GPT-2 of equal size.

Random weights, 256 symbols, one item, one thread, CPU time; temperature 1, nothing cut off.  Without a cache every symbol is drawn
from a forward pass over all symbols before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from audioml.kinds import Seq
from audioml.methods import ar_stream
from audioml.nn import sampling
from audioml.sweep import compose
from audioml.system import System
from benches._timing import Row, alternate

SYMBOLS, VOCABULARY, WIDTH, LAYERS, HEADS, ROUNDS = 512, 256, 256, 6, 8, 5
UNCACHED = 5.0  # issue 5: with a cache at least so many times faster than without, and not slower than transformers


def run() -> list[Row]:
    """The reference is transformers; then the cache against its absence."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ours, theirs = system(), reference()
    sizes = [sum(p.numel() for p in net.parameters()) for net in (ours.network, theirs.transformer.h)]
    if not 0.97 < sizes[0] / sizes[1] < 1.03:
        raise SystemExit(f"the networks have {sizes[0]} and {sizes[1]} parameters and are not of equal size")
    with torch.no_grad():
        peers: dict[str, tuple[Callable[[], object], int]] = {
            "transformers generate (GPT-2)": (lambda: generated(theirs), SYMBOLS),
            "audioml, cached": (lambda: drawn(ours), SYMBOLS),
        }
        rows = alternate("sampling", peers, unit="µs CPU/symbol", rounds=ROUNDS, targets={"audioml, cached": 1.0})
        alone: dict[str, tuple[Callable[[], object], int]] = {
            "audioml, no cache": (lambda: uncached(ours), SYMBOLS),
            "audioml, cached": (lambda: drawn(ours), SYMBOLS),
        }
        rows += alternate("sampling", alone, unit="µs CPU/symbol", rounds=2, targets={"audioml, cached": UNCACHED})
    return rows


def system() -> System:
    """A decoder over single symbols; as many are drawn as samples are asked for."""
    sizes = {"width": WIDTH, "layers": LAYERS, "heads": HEADS, "expand": 4, "window": 2 * SYMBOLS}
    model = [f"model.{key}={value}" for key, value in sizes.items()]
    chosen = ["task=generation", "representation=mulaw", "model=transformer", "model.causal=true", "method=ar"]
    return System(compose([*chosen, *model, f"method.window={2 * SYMBOLS}"]).plan).eval()


def drawn(net: System) -> Any:
    """Through the cache."""
    return net({}, Seq(None, torch.tensor([SYMBOLS])))


def uncached(net: System) -> Any:
    """The same, each symbol from all before it."""
    method: Any = net.plan.method
    columns = torch.full((1, 1, 1), ar_stream.special(net))
    for _ in range(SYMBOLS):
        seen = ar_stream.entered(method, net, columns, 0)
        logits = ar_stream.logits_of(net.emit({}, Seq(seen, torch.tensor([columns.shape[2]])), net.context({})).x)[..., -1]
        columns = torch.cat([columns, sampling.pick(logits.transpose(1, 2), **method.draws)[..., None]], 2)
    return columns


def reference() -> Any:
    """transformers' GPT-2 of that width and depth."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_positions": 2 * SYMBOLS, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS}
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY + 1, bos_token_id=VOCABULARY, eos_token_id=None, **sizes)).eval()


def generated(net: Any) -> Any:
    """Exactly as many symbols, drawn from the plain distribution."""
    start = torch.tensor([[VOCABULARY]])
    return net.generate(
        start, attention_mask=torch.ones_like(start), do_sample=True, top_k=0, min_new_tokens=SYMBOLS, max_new_tokens=SYMBOLS,
        use_cache=True, pad_token_id=VOCABULARY,
    )  # fmt: skip
