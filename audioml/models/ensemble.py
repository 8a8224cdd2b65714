"""Several trained runs in the place of one network."""

from __future__ import annotations

from audioml.kinds import Space
from audioml.nn.network import Network


class Members(Network):
    """Computes nothing itself; the method `ensemble` asks the runs that it names."""

    takes = ("Frames", "Grid")
    traffic = ("members",)

    def __init__(self, inp: Space, out: Space) -> None:
        super().__init__(inp, out)
        self.out = inp  # type: ignore[assignment]
