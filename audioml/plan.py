"""Joins a task, its worlds, representations, a model and a method by shape algebra alone, before any weight exists.

`plan()` returns a Plan or raises Misfit with the reason; it imports no torch.  Dims and rates are derived here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from audioml.errors import Misfit
from audioml.kinds import Codes, Frames, Grid, Seq, Space, World, dims_of, joined, rate_of, unify, waist_of
from audioml.parts import Flow, Method, Representation, Side, Task


@dataclass(frozen=True)
class ModelChoice:
    """A model as the planner knows it: its import path, what it declares and its settings; not yet built.

    `causal_if`: settings with which it never looks ahead; `fixed`: settings that the user chose, which the planner leaves alone.
    """

    name: str
    target: str
    takes: tuple[str, ...]
    traffic: tuple[str, ...]
    settings: Mapping[str, Any] = field(repr=False)
    causal_if: Mapping[str, Any] | None = None
    fixed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """What fits together: every port as a Side, the network's layout, and the input that audio outputs are aligned with.

    `stream` is the space that enters the network: the flow's, with what is joined to it.
    """

    task: Task
    inputs: Mapping[str, Side]
    output: Side
    method: Method
    model: ModelChoice
    flow: Flow
    stream: Space
    layout: Frames | Grid
    reference: Side | None
    hints: Mapping[str, World] = field(default_factory=dict)
    reader: ModelChoice | None = None  # how side inputs are read: as `model`, but free to look ahead

    def worlds(self) -> dict[str, World]:
        """Port -> world kind of all that data must bring: inputs, output and hints."""
        return {p: s.world for p, s in self.inputs.items()} | {self.output.port: self.output.world} | dict(self.hints)

    def sides(self) -> dict[str, Side]:
        """Port -> Side, inputs and output."""
        return {**self.inputs, self.output.port: self.output}

    @property
    def shared(self) -> bool:
        """Whether the input that the output is aligned with is the stream, in the output's own representation."""
        one = self.reference
        return one is not None and one.port == self.flow.source and one.representation is self.output.representation

    def representations(self) -> dict[str, str]:
        """Port -> name of its representation."""
        return {p: s.representation.name for p, s in self.sides().items()}


def plan(
    task: Task, worlds: Mapping[str, World], representations: Mapping[str, Representation], model: ModelChoice, method: Method
) -> Plan:
    """Raises Misfit with one reason when the parts do not fit."""
    sides = {}
    for port, asked in {**task.inputs, **task.outputs}.items():
        world = unify(port, asked, worlds.get(port))
        rep = representations[port]
        sides[port] = Side(port, world, rep, rep.space(world))
    inputs = {p: sides[p] for p in task.inputs}
    (output,) = (sides[p] for p in task.outputs)
    reference = _reference(task, inputs, output)
    flow = method.flow(list(inputs.values()), output)
    if "memory" in flow.needs - set(model.traffic):
        method = method.fallback()
        flow = method.flow(list(inputs.values()), output)
    # any aligned network can stand on both sides of a bottleneck
    if task.via and method.trains and task.via not in flow.needs:
        raise Misfit(f"task '{task.name}' must pass through a {task.via}, and method '{method.name}' has none; it would copy")
    if task.via and method.trains and output.representation.borrows:
        raise Misfit(
            f"representation '{output.representation.name}' borrows the {output.representation.borrows} of the input, past the "
            f"{task.via} of task '{task.name}'"
        )
    lack = {"aligned" if n == "bottleneck" else n for n in flow.needs - set(model.traffic)} - set(model.traffic) - {"causal"}
    if lack:
        raise Misfit(
            f"method '{method.name}' needs a model that allows {', '.join(sorted(lack))}; "
            f"model '{model.name}' allows {', '.join(model.traffic)}"
        )
    reader = model
    if "causal" in flow.needs:
        model = causal(model, method)
    output = _clocked(output, flow)
    stream = joined(flow.x, [inputs[p].space for p in flow.joined])
    if stream is None:
        beside = ", ".join(repr(p) for p in flow.joined)
        raise Misfit(f"method '{method.name}' cannot put {beside} beside the stream of {type(flow.x).__name__}")
    layout = waist_of(stream, model.takes)
    if layout is None:
        side = inputs[flow.source] if flow.source else output
        raise Misfit(
            f"model '{model.name}' takes {' or '.join(model.takes)}, and representation '{side.representation.name}' "
            f"gives {type(flow.x).__name__}"
        )
    hints = {p: worlds[p] for p in task.hints if p in worlds}
    return Plan(task, inputs, output, method, model, flow, stream, layout, reference, hints, reader)


def _reference(task: Task, inputs: Mapping[str, Side], output: Side) -> Side | None:
    """The input that the output is aligned with: the first of its family."""
    if not output.representation.renders:
        raise Misfit(
            f"representation '{output.representation.name}' cannot be rendered back to {type(output.world).__name__}, "
            f"the output '{output.port}' of task '{task.name}'"
        )
    same = [s for s in inputs.values() if s.world.family == output.world.family]
    if output.representation.borrows and not same:
        raise Misfit(
            f"representation '{output.representation.name}' borrows the {output.representation.borrows} of an input of the same "
            f"kind, and task '{task.name}' has none"
        )
    return same[0] if same else None


def causal(model: ModelChoice, method: Method) -> ModelChoice:
    """The model with the settings that keep it from looking ahead.  Misfit where it has none, or the user chose others."""
    if model.causal_if is None:
        raise Misfit(f"method '{method.name}' needs a model that never looks ahead, and model '{model.name}' always does")
    for key, value in model.causal_if.items():
        if key in model.fixed and model.settings[key] != value:
            raise Misfit(
                f"method '{method.name}' needs a model that never looks ahead: model.{key}={value}, not {model.settings[key]}"
            )
    return replace(model, settings={**model.settings, **model.causal_if})


def _clocked(output: Side, flow: Flow) -> Side:
    """The output with the network's frame rate, where its representation has none of its own."""
    if not output.representation.follows:
        return output
    rate = rate_of(flow.x) or rate_of(flow.emit)
    if rate is None:
        raise Misfit(f"representation '{output.representation.name}' takes its frame rate from the stream, which has none")
    rep = output.representation.at(rate)
    return Side(output.port, output.world, rep, rep.space(output.world))


# ---- the four doors: shapes are asserted against the plan --------------------------------------------------------------
def check_shape(seq: Seq, space: Any, where: str) -> Seq:
    """The sequence itself when its tensor has the space's shape; AssertionError naming `where` otherwise."""
    have = tuple(seq.x.shape[1:-1])
    stated = isinstance(space, Frames | Grid) or (isinstance(space, Codes) and seq.x.dim() == 3)  # logits have an axis more
    want = dims_of(space) if stated else have
    assert have == want, f"{where}: expected [B, {', '.join(map(str, want))}, N], got {list(seq.x.shape)}"
    return seq
