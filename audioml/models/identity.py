"""The floor and the ceiling: no network at all."""

from __future__ import annotations

from audioml.kinds import Space
from audioml.nn.network import Network


class Nothing(Network):
    """Computes nothing; the method `baseline` makes the output."""

    takes = ("Frames", "Grid")
    traffic = ("nothing",)

    def __init__(self, inp: Space, out: Space) -> None:
        super().__init__(inp, out)
        self.out = inp  # type: ignore[assignment]


class Oracle(Network):
    """Computes nothing; the method `oracle` makes the output, and may look at the truth."""

    takes = ("Frames", "Grid")
    traffic = ("truth",)

    def __init__(self, inp: Space, out: Space) -> None:
        super().__init__(inp, out)
        self.out = inp  # type: ignore[assignment]
