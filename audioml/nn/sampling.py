"""From scores to one symbol: greedy, temperature, top-k (Fan et al. 2018) and top-p (Holtzman et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor


def narrowed(logits: Tensor, *, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Scores [..., V] with -inf for what may not be drawn.

    `top_k` 0: all; `top_p` 1: all, else the smallest set of the likeliest symbols whose probabilities reach it.
    """
    logits = logits / temperature
    if 0 < top_k < logits.shape[-1]:
        logits = logits.masked_fill(logits < logits.topk(top_k, -1).values[..., -1:], -torch.inf)
    if top_p < 1:
        ranked, order = logits.sort(-1, descending=True)
        p = ranked.softmax(-1)
        drop = (p.cumsum(-1) - p >= top_p).scatter(-1, order, p.cumsum(-1) - p >= top_p)
        logits = logits.masked_fill(drop, -torch.inf)
    return logits


def pick(logits: Tensor, *, temperature: float, top_k: int, top_p: float) -> Tensor:
    """Scores [..., V] -> symbols [...]; the likeliest where `temperature` is 0.  Draws from torch's own generator."""
    if temperature == 0:
        return logits.argmax(-1)
    p = narrowed(logits, temperature=temperature, top_k=top_k, top_p=top_p).softmax(-1)
    return torch.multinomial(p.flatten(0, -2), 1).view(logits.shape[:-1])
