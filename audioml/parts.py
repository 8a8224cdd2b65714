"""The interfaces the shelves fill.  Importing this file, or any task, representation, method or corpus, never imports torch.

A model is an ordinary ``nn.Module`` (see audioml/nn/network.py); what the planner must know of it, its class body states
in literals, read from the source text by audioml/declare.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit
from audioml.kinds import Batch, Frames, Grid, Seq, Space, World

if TYPE_CHECKING:
    import torch

    from audioml.system import System


@dataclass(frozen=True)
class Task:
    """A mapping between world kinds, with how it is judged.

    `inputs`, `outputs`  ports; what a world kind leaves open the corpus fills.
    `metrics`            names of files in audioml/metrics/.
    `primary`            the value ("group/name") that ranks runs of this task.
    `prefers`            methods for `method=auto`, best first.
    `models`             models for `model=auto`, best first.
    `baseline`, `ceiling` names of predictors in audioml/methods/trivial.py.
    `whole_clips`        True where an output describes the whole clip, so that training may not crop it.
    """

    name: str
    inputs: Mapping[str, World]
    outputs: Mapping[str, World]
    metrics: tuple[str, ...]
    primary: str
    prefers: tuple[str, ...]
    baseline: str
    ceiling: str
    models: tuple[str, ...] = ()
    whole_clips: bool = False


class Representation:
    """Turns a world kind into a space and back.  A plain object: tensors it needs are made on the input's device.

    Class facts: `carries` (world kinds), `masks` (a product in the space is a filter in the world), `renders` (decodes back
    to the world), `borrows` (what decode needs of an input of the same family, e.g. "phase").
    """

    carries: tuple[type, ...] = ()
    masks: bool = False
    renders: bool = True
    borrows: str | None = None
    block: int = 1  # samples that one step of the stream consumes and emits
    delay: int = 0  # samples by which decode lags encode in a stream (overlap-add tail)

    def space(self, world: World) -> Space:
        """The space of `world`; pure.  Raises Misfit for a world kind that is not carried."""
        raise NotImplementedError

    def encode(self, seq: Seq, world: World) -> tuple[Seq, Any]:
        """World batch -> (Seq in the space, side information for decode)."""
        raise NotImplementedError

    def loudness(self, seq: Seq) -> Any:
        """Per-item level [B, 1, …] by which the network's input is divided (and a regressed output multiplied), or None."""
        return None

    def decode(self, seq: Seq, side: Any, world: World) -> Seq:
        """Seq in the space -> world batch."""
        raise NotImplementedError

    def encode_step(self, x: Any, state: Any, world: World) -> tuple[Any, Any, Any]:
        """x [B, C, k·block], state (None at the start) -> (k frames, side, state), equal to encode; or Misfit."""
        raise Misfit(f"representation '{self.name}' has no streaming encoder")

    def decode_step(self, y: Any, side: Any, state: Any, world: World) -> tuple[Any, Any]:
        """k frames, their side, state -> (wave of k·block samples, state), equal to decode but `delay` later; or Misfit."""
        raise Misfit(f"representation '{self.name}' has no streaming decoder")

    def _check(self, world: World) -> None:
        if not isinstance(world, self.carries):
            names = ", ".join(k.__name__ for k in self.carries)
            raise Misfit(f"representation '{self.name}' cannot carry {type(world).__name__}; it carries {names}")

    @property
    def name(self) -> str:
        """The name under which conf/representation/ lists it (set by the builder), else the class name."""
        return getattr(self, "_name", type(self).__name__.lower())


@dataclass(frozen=True)
class Flow:
    """Which stream the network runs over and what it must emit.

    `x` input space of the network, `emit` the space of its head, `needs` the traffic a model must allow, `pool` whether
    one emission stands for the whole clip.
    """

    x: Space
    emit: Space
    needs: frozenset[str] = frozenset({"aligned"})
    pool: bool = False


@dataclass(frozen=True)
class Side:
    """One port as the planner sees it: its world, its representation and the space that results."""

    port: str
    world: World
    representation: Representation
    space: Space


class Method:
    """How a network is trained and used: loss and draw.  `flow` is pure algebra and says what does not fit."""

    trains: bool = True
    levels: bool = False  # the emission is a signal, so it returns to the input's level
    streams: bool = False  # output frame n depends on emitted frame n only
    losses: Mapping[str, float] = {}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Raises Misfit with the reason when the spaces do not suit this method."""
        raise NotImplementedError

    def loss(self, system: System, batch: Batch) -> dict[str, torch.Tensor]:
        """Named scalar losses, unweighted; the Lightning module weighs them by `self.losses`."""
        raise NotImplementedError

    def draw(self, system: System, inputs: Batch) -> Batch:
        """World inputs -> world outputs, differentiable where the output is."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The name under which conf/method/ lists it (set by the builder), else the class name."""
        return getattr(self, "_name", type(self).__name__.lower())


@dataclass(frozen=True)
class Clip:
    """One fixed item for evaluation: `ports` maps a port to a numpy array [C, T] / [S, C, T], a str or an int."""

    name: str
    ports: Mapping[str, Any] = field(repr=False)


class Corpus:
    """A source of data.  Light until `prepare()`.

    `provides(task)` is metadata only and raises RequestError for a missing folder, an empty one, a missing column …
    """

    def provides(self, task: Task) -> dict[str, World]:
        """Port -> fully stated world kind (rate, channels, classes, stem names, alphabet)."""
        raise NotImplementedError

    def prepare(self, task: Task) -> Prepared:
        """Decode, cache, split.  Slow the first time, then instant; safe when two processes start together."""
        raise NotImplementedError


class Prepared:
    """Data ready to be read.  Train batches are a pure function of (seed, step): a resumed run sees the same ones.

    `fingerprint` names the exact data (hex); `report` says what was skipped: {"skipped": [{"file", "reason"}], …}.
    `statistics` holds what trivial predictors need, e.g. {"label": {"majority": 3}}.
    """

    fingerprint: str
    report: Mapping[str, Any]
    statistics: Mapping[str, Any]

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """Port -> (numpy array or list of str, valid lengths [B] int64).  `seconds` None: whole clips, zero-padded."""
        raise NotImplementedError

    def size(self, split: str) -> int:
        """Number of fixed items of split "valid" or "test" (for "train": distinct clips)."""
        raise NotImplementedError

    def clip(self, split: str, index: int) -> Clip:
        """Fixed evaluation item, the same in every run (mixtures are drawn from the item's index, not from the run's seed)."""
        raise NotImplementedError


def waist_of(space: Space, takes: tuple[str, ...]) -> Frames | Grid | None:
    """The layout in which a model that `takes` these layouts runs over `space`; None when there is none.

    A Grid may flatten to Frames, never back; Tokens and Codes are embedded into Frames.
    """
    if isinstance(space, Grid) and "Grid" in takes:
        return space
    if "Frames" not in takes:
        return None
    return space.flat() if isinstance(space, Grid) else space  # type: ignore[return-value]
