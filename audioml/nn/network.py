"""What a model is: an ordinary nn.Module whose class body also states, in literals, what the planner must know."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from audioml.kinds import Frames, Grid, Space


class Network(nn.Module):
    """Same layout in, same layout out: Frames [B, width, N] or Grid [B, width, F, N].

    Literals in a subclass's body (read by audioml/declare.py without importing torch):
        takes    layouts it runs over, of "Frames" and "Grid"
        traffic  what it allows, of "aligned" (one output frame per input frame), "nothing" (no computation at all),
                 "bottleneck" (`encode`, `decode`, `latent`, `ratio`),
                 "states" (a hidden Markov model: `mixtures`, `stay`, `states`, `silence`; see models/gmm_hmm.py) …
        published  families of published checkpoints that it begins from (audioml/published/)

    ``__init__(self, inp, out, *, settings)``: `inp` is the layout it will see (`Frames` or `Grid`; the embedding adapts
    the channel count), `out` the space its head must emit.  It sets `width` (channels it wants) and `out` (its layout).
    """

    takes: tuple[str, ...] = ()
    traffic: tuple[str, ...] = ("aligned",)
    published: tuple[str, ...] = ()

    bare: bool = False  # it sees the stream itself and gives the emission itself: no embedding, no head

    width: int  # channels the embedding delivers
    grain: int = 1  # frames that every step but the last must be given a multiple of
    fold: int = 1  # neighbouring bins of a Grid that the embedding joins into one
    out: Frames | Grid  # layout the head receives: Frames.dim, or Grid.channels and Grid.bins

    def __init__(self, inp: Space, out: Space) -> None:
        super().__init__()

    def forward(self, h: Tensor, n: Tensor | None = None) -> Tensor:
        """h [B, width, N] or [B, width, F, N]; `n` [B] valid frames where a batch is padded."""
        raise NotImplementedError

    def pass_on(self, embed: nn.Module, head: nn.Module) -> None:
        """Begin as the identity between this embedding and this head, where the network knows how (else as it is)."""

    def cannot_step(self) -> str:
        """Why the network, with these settings, cannot run frame by frame; empty when it can."""
        return "it defines no step"

    def step(self, h: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next k frames and the state (None at the start) -> their outputs and the new state; equals forward."""
        raise NotImplementedError
