"""Left-right hidden Markov models of phones with mixtures of diagonal Gaussians (Rabiner 1989; Young et al., The HTK Book)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from audioml.errors import RequestError
from audioml.kinds import Frames, Space, Tokens
from audioml.nn.gmm import Mixtures, powers_of
from audioml.nn.network import Network

STAY = 0.6  # probability of staying in a state, before anything is learnt


class GmmHmm(Network):
    """`states` states for each phone that the method emits, each with up to `mixtures` Gaussians over the stream itself.

    [B, D, N] -> log densities [B, phones·states, N], frame by frame, so it streams.  With `silence`, a silence may stand before,
    between and after words.  Nothing here has a gradient: a method that gathers statistics re-estimates it.
    """

    takes = ("Frames",)
    traffic = ("states",)
    bare = True

    def __init__(self, inp: Space, out: Space, *, states: int, mixtures: int, silence: bool) -> None:
        super().__init__(inp, out)
        if states < 1:
            raise RequestError(f"model.states={states} should be at least 1")
        if mixtures < 1 or mixtures & (mixtures - 1):
            raise RequestError(f"model.mixtures={mixtures} should be 1, 2, 4, 8 …: mixtures grow by doubling")
        assert isinstance(inp, Frames)
        assert isinstance(out, Tokens)
        self.states, self.silence, self.width = states, silence, inp.dim
        self.out = Frames(out.size * states, inp.rate)
        self.mixtures = Mixtures(self.out.dim, mixtures, inp.dim)
        self.stay = nn.Parameter(torch.full((self.out.dim,), math.log(STAY)), requires_grad=False)

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """Log densities of all states."""
        scores = self.mixtures.scores(powers_of(h), torch.arange(self.out.dim, device=h.device))
        return scores.unflatten(1, (len(h), -1)).transpose(0, 1)

    def cannot_step(self) -> str:
        """A frame stands for itself."""
        return ""

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The densities of the next frames."""
        return self(h), state
