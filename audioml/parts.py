"""The interfaces the shelves fill.  Importing this file, or any task, representation, method or corpus, never imports torch.

A model is an ordinary ``nn.Module`` (see audioml/nn/network.py); what the planner must know of it, its class body states
in literals, read from the source text by audioml/declare.py.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from audioml.errors import Misfit
from audioml.kinds import Batch, Seq, Space, World

if TYPE_CHECKING:
    import torch

    from audioml.corpus import Prepared
    from audioml.plan import Plan
    from audioml.system import System


@dataclass(frozen=True)
class Task:
    """A mapping between world kinds, with how it is judged.

    `inputs`, `outputs`  ports; what a world kind leaves open the corpus fills.
    `metrics`, `primary` names of files in audioml/metrics/; the value ("group/name") that ranks runs of this task.
    `prefers`, `models`  methods and models for `auto`, best first.
    `baseline`, `ceiling` names of predictors in audioml/methods/trivial.py.
    `whole_clips`        True where an output describes the whole clip, so that training may not crop it.
    `hints`              ports that may be there while training, never in use (times of phonemes); left out where data has none.
    `derived`            {port: port it is computed from} for ports that no recording holds; see `derive`.
    `seconds`, `batch`   the shortest training crop and the fewest items of a step that make sense, unless the user says otherwise.
    `via`                what the flow must need, e.g. "bottleneck": without it the task would be solved by copying.
    `unordered`          True where the output's stems have no names, so that any order of them is right.
    `material`           which embedded sets serve the task (like the last two, conf/task/NAME.yaml says it).
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
    hints: Mapping[str, World] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    material: Any = None
    via: str | None = None
    seconds: float | None = None
    unordered: bool = False
    batch: int | None = None

    def derive(self, port: str, x: Any, world: World, rng: Any) -> Any:
        """Numpy array of a derived port, one item: `x` [C, T] is the item's array of the port it comes from, whose world is
        `world`.  Deterministic given `rng`."""
        raise NotImplementedError

    def raw(self) -> Task:
        """The task as the data must serve it: without its derived ports, with its hints among the outputs."""
        keep = {p: w for p, w in self.inputs.items() if p not in self.derived}
        outs = {p: w for p, w in self.outputs.items() if p not in self.derived}
        whole = {f.name: getattr(self, f.name) for f in fields(Task)}
        return Task(**{**whole, "inputs": keep, "outputs": outs, "derived": {}})


class Coder(Protocol):
    """A trained system used as a representation: audio <-> what lies in its bottleneck.  Made by F4 from a run's folder."""

    def encode(self, wave: Any) -> Any:
        """[B, C, T] -> codes [B, K, N] int64 or latents [B, D, N]."""

    def decode(self, inner: Any, samples: int) -> Any:
        """Codes or latents -> [B, C, samples]."""


class Representation:
    """Turns a world kind into a space and back.  A plain object: tensors it needs are made on the input's device.

    Class facts: `carries` (world kinds), `masks` (a product in the space is a filter in the world), `renders` (decodes back
    to the world), `borrows` (what decode needs of an input of the same family, e.g. "phase"; then decode's `side` is the one
    that encoding that input gave, else it is (samples, lengths) of what is wanted).

    `listens`: the name of the representation through which inputs are heard where this one only speaks (synthesisers, filters).
    `follows`: the space has no clock of its own (rate None) and takes the network's: the planner calls `at(rate)`.
    `fits`: something must be learnt from the training data first (code books, lexicons): `fit`, then `state`/`load_state`.
    `run`: a setting that names a run's folder, whose trained system does the work: `bind` is called before use.
    `phaseless`: what decode gives has no phase to be compared by.  `iterations`: of a search for one, which passes no useful
    gradient on; nor does a `detached` rendering (a pitch).  `mixes`: `mask` takes several sources at once.
    `level`: by which measure `loudness` goes.  `period`: symbols after which a place in the bar returns.  `hint`: the port that
    says when the symbols sound.  `shows`: settings under which the round trip is shown (scripts/matrix.py --roundtrip).
    `pronounces`: its symbols are words (`learnt`), which `say` gives as places in `phones`.
    """

    carries: tuple[type, ...] = ()
    masks: bool = False
    renders: bool = True
    borrows: str | None = None
    listens: str | None = None
    drift: float = 0.0  # of the peak: how far a stream may part from the whole by accumulated rounding; 0: not beyond float32
    follows: bool = False
    fits: bool = False
    run: str | None = None
    phaseless: bool = False
    iterations: int = 0
    detached: bool = False
    mixes: bool = False
    level: str = "none"
    period: int = 0
    hint: str | None = None
    pronounces: bool = False
    shows: tuple[Mapping[str, Any], ...] = ({},)
    clock: Fraction | None = None  # set by `at`
    block: int = 1  # samples that one step of the stream consumes and emits
    delay: int = 0  # samples by which decode lags encode in a stream (overlap-add tail)
    overlap: int = 0  # samples that a frame holds beyond its block

    def space(self, world: World) -> Space:
        """The space of `world`; pure.  Raises Misfit for a world kind that is not carried."""
        raise NotImplementedError

    def encode(self, seq: Seq, world: World) -> tuple[Seq, Any]:
        """World batch -> (Seq in the space, side information for decode)."""
        raise NotImplementedError

    def at(self, rate: Fraction) -> Representation:
        """A copy that runs at `rate` frames per second (where `follows`)."""
        other = copy.copy(self)
        other.clock = rate
        return other

    def fit(self, prepared: Prepared, port: str, world: World, seed: int) -> None:
        """Learn what encoding needs from the training split of `port` (where `fits`)."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What `fit` learnt: tensors, numbers, strings, lists and dicts of them; it travels in the checkpoint."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The reverse of `state`; the state comes from a file and is untrusted: check shapes and types."""

    def bind(self, coder: Coder) -> None:
        """Take the trained system that the setting `run` names."""
        raise NotImplementedError

    def loudness(self, seq: Seq) -> Any:
        """Per-item level [B, 1, …] by which the network's input is divided (and a regressed output multiplied), or None."""
        return None

    def decode(self, seq: Seq, side: Any, world: World) -> Seq:
        """Seq in the space -> world batch."""
        raise NotImplementedError

    def lend(self, seq: Seq, world: World) -> Any:
        """The side that encoding an input gives (where decode `borrows`), perhaps without the work of encoding it."""
        return self.encode(seq, world)[1]

    @property
    def teaches(self) -> bool:
        """Whether a loss between rendered waves has a useful gradient."""
        return self.borrows is not None or not (self.iterations or self.detached)

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
    """Which stream the network runs over, what it may look at, and what it must emit.

    `x`       space of that stream.  `source` the input port it is, or None where the method makes it itself (noise, the
              output shifted by one step, tokens stretched in time).
    `emit`    space of the head's emission.
    `joined`  input ports, at the stream's rate, that are concatenated to it frame by frame.
    `memory`  input ports read by an encoder of their own and attended to.
    `cond`    input ports read by an encoder of their own and pooled into one vector, which is added to every frame.
    `prefix`  input port whose symbols stand before the output's in the same stream.
    `stretch` input port of symbols that are repeated by their durations and then are the stream.
    `needs`   the traffic a model must allow: "aligned", "causal", "memory", "bottleneck", "nothing", "truth".
    `pool`    one emission stands for the whole clip: 1 from the mean and maximum of its frames, k from the means of k equal parts
              in order, 0 one emission per frame.
    `clock`   the network is told a number per item (a noise level).
    """

    x: Space
    emit: Space
    source: str | None = None
    joined: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    cond: tuple[str, ...] = ()
    prefix: str | None = None
    stretch: str | None = None
    needs: frozenset[str] = frozenset({"aligned"})
    pool: int = 0
    clock: bool = False


@dataclass(frozen=True)
class Side:
    """One port as the planner sees it: its world, its representation and the space that results."""

    port: str
    world: World
    representation: Representation
    space: Space


class Method:
    """How a network is trained and used: loss and draw.  `flow` is pure algebra and says what does not fit.

    `turns`: names of the methods that give the losses of one training step, in order; each has an optimiser of its own over
    `parameters(system, turn)`.  One turn, "loss", for all but adversarial training; without `gradient` a turn gathers statistics.
    """

    trains: bool = True
    shapes: bool = False  # `shape` turns what is emitted into frames of an audio output, frame by frame
    mixes: bool = False  # the emission acts on the encoded input
    levels: bool = False  # the emission is a signal, so it returns to the input's level
    gradient: bool = True  # else nothing is differentiated: `after_step` re-estimates from what the turn gathered
    streams: bool = False  # output frame n depends on emitted frame n only
    turns: tuple[str, ...] = ("loss",)
    keeps: str = "best"  # the weights to use: of the least validation loss, or the "last" where that loss says little
    losses: Mapping[str, float] = {}
    runs: tuple[str, ...] = ()

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Raises Misfit with the reason when the spaces do not suit this method."""
        raise NotImplementedError

    def fallback(self) -> Method:
        """What to do with a model that cannot attend to a memory: this method, or a copy that reads its inputs otherwise."""
        return self

    def per_source(self, rep: Representation) -> bool:
        """Whether each stem of an input is treated by itself, where the output is in `rep`; else their plain sum is heard."""
        return False

    def parts(self, system: System) -> torch.nn.Module | None:
        """What the method owns beside the network (discriminators, code books, an average of the weights): `system.extra`.
        Checkpointed; not counted as the system's own parameters."""
        return None

    def parameters(self, system: System, turn: str) -> list[torch.nn.Parameter]:
        """What the optimiser of `turn` trains."""
        return [p for p in system.parameters() if p.requires_grad]

    def loss(self, system: System, batch: Batch) -> dict[str, torch.Tensor]:
        """Named scalar losses, unweighted; the Lightning module weighs them by `self.losses`."""
        raise NotImplementedError

    def after_step(self, system: System, step: int) -> None:
        """Called after every optimiser step (averages, dead codes)."""

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """World inputs -> world outputs, differentiable where the output is.

        `ask`: Seq(None, n [B]), the length wanted of every item (samples of audio), which makers of audio need.
        """
        raise NotImplementedError

    def inside(self, system: System) -> dict[str, tuple[Any, str, str]]:
        """What a trained system holds, for the record: {"group/name": (value, unit, better)}."""
        return {}

    def beside(self, plan: Plan) -> dict[str, World]:
        """What `draw` gives beside the task's output, by name (an alignment): for users, not for metrics."""
        return {}

    def adapt(self, system: System, batches: list[Batch], how: str, strength: float, rounds: int) -> list[float]:
        """Moves a trained system to the speaker of a few clips; its loss before each of the `rounds`."""
        raise Misfit(f"method '{self.name}' has no way to adapt to a speaker")

    def likelihood(self, system: System, batch: Batch) -> tuple[torch.Tensor, torch.Tensor] | None:
        """(negative log-likelihood in nats [B], how many symbols it sums over [B]) of the true output, where there is one."""
        return None

    @property
    def learnt(self) -> bool:
        """Whether there is something trained to use: here, or in the finished runs whose folders `runs` names."""
        return self.trains

    def join(self, members: Sequence[System]) -> None:
        """Take the systems of `runs`; called before use."""
        raise NotImplementedError

    def spent(self) -> dict[str, Any]:
        """What was spent on training elsewhere, for the record's provenance."""
        return {}

    @property
    def name(self) -> str:
        """The name under which conf/method/ lists it (set by the builder), else the class name."""
        return getattr(self, "_name", type(self).__name__.lower())
