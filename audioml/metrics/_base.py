"""What a metric file fills in, and what it is given.  No torch; numpy only for type checkers.

A file ``audioml/metrics/NAME.py`` is a metric when it holds

    JUDGES    the family of output it judges (the `family` of a world kind: "audio", "text", "label", "tags", "curve", "times",
              "notes", "phones"), or ANY
    PACKAGES  packages it needs beyond the core (absent: its values say so, the run goes on)
    quantities(items) -> {"group/name": Quantity}         cheap; also what is listed when it cannot be measured
    score(items) -> {"group/name": Scored}                one row of statistics per item
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from audioml.kinds import Stems, World

if TYPE_CHECKING:
    import numpy as np


ANY = "any"  # family of a metric that judges whatever the task puts out
LIKELIHOOD = "_nll"  # key beside an output's port: (nats, symbols) of the true output


class UnscoredError(Exception):
    """Raised for one item that the metric cannot score; the message is the reason that the value will name."""


def mean(sums: np.ndarray) -> np.ndarray:
    """Sums [..., 2] of (x, 1) -> means [...]; NaN where nothing was summed."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return sums[..., 0] / sums[..., 1]


@dataclass(frozen=True)
class Quantity:
    """How rows of per-item statistics become one number.

    `combine` maps summed statistics [..., k] to values [...], so that a bootstrap is one matrix product.
    `share` marks a proportion of items: where all items agree, the interval is Wilson's instead of zero wide.
    """

    unit: str
    better: str
    combine: Callable[[np.ndarray], np.ndarray] = mean
    share: bool = False


@dataclass(frozen=True)
class Scored:
    """`rows` [n] (a plain mean) or [n, k] (statistics for Quantity.combine); NaN leaves the item out.

    `pairs` [n]: per-item numbers whose mean is the value, for paired comparisons; None where there are none.
    `left_out` counts the items left out by reason; an item without a reason is named "undefined".
    """

    rows: np.ndarray
    pairs: np.ndarray | None = None
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Items:
    """The n items under judgement, one port, as numpy arrays without batch axis, strings or ints.

    `inputs`: each item's input of the output's own family (the unprocessed audio, the prompt), None where the task has none.
    `given`: every input port's items.
    `nats`: (negative log-likelihood of the true output in nats, symbols) per item, None where the method states none.
    """

    targets: Sequence[Any]
    outputs: Sequence[Any]
    inputs: Sequence[Any] | None
    world: World
    nats: Sequence[tuple[float, float] | None] | None = None
    given: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def rate(self) -> int | None:
        """Hz of an audio world, None where the world does not say."""
        return getattr(self.world, "rate", None)

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems; empty for anything but named Stems."""
        return (self.world.names or ()) if isinstance(self.world, Stems) else ()

    def __len__(self) -> int:
        return len(self.targets)
