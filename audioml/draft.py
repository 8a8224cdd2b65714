"""What is fixed while the planner looks for the rest: the task, its worlds, what the user said.  No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from audioml import shelf
from audioml.errors import Misfit, RequestError
from audioml.kinds import Curve, Label, Notes, Phones, Stems, Tags, Text, Times, Wave, World
from audioml.parts import Method, Representation, Task
from audioml.plan import ModelChoice, Plan, plan

AXES = ("task", "representation", "model", "method")
# what the matrix assumes of data that nobody has named yet
GENERIC: dict[type, World] = {
    Wave: Wave(1, 16000),
    Stems: Stems(("a", "b"), 1, 16000),
    Text: Text(" abc"),
    Label: Label(("a", "b", "c")),
    Tags: Tags(("a", "b", "c")),
    Curve: Curve(("f0",), 100),
    Times: Times(("beat", "downbeat", "onset")),
    Notes: Notes(48, 83, 4, 0.125),
    Phones: Phones(("a", "b", "c")),
}


@dataclass(frozen=True)
class Draft:
    """What is fixed while the planner looks for the rest."""

    task: Task
    worlds: Mapping[str, World]
    user: Mapping[str, Mapping[str, Any]]
    ports: Mapping[str, str]
    preset: str
    made: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)  # parts, once each

    def family(self) -> str:
        """The family that `representation=` speaks of: audio where the task has any, else the output's."""
        families = [w.family for w in (*self.task.outputs.values(), *self.task.inputs.values())]
        return "audio" if "audio" in families else families[0]

    def representations(self, name: str, method: str) -> dict[str, Representation]:
        """Port -> representation: `name` for the main family's, ports.NAME wins; the rest as the method's file says for the family,
        or the task's for the port, else the first that carries the kind."""

        def get(which: str) -> Representation:
            user = self.user.get("representation", {}) if which == name else {}
            return self._once(("representation", which, bool(user)), lambda: shelf.make("representation", which, user, self.preset))

        out, used, family = {}, False, self.family()
        usual = shelf.load("task", self.task.name).get("ports", {}) if self.task.name in shelf.names("task") else {}
        wanted = self._once(("ports", method), lambda: shelf.load("method", method).get("ports", {}))
        asked = {**self.task.inputs, **self.task.outputs}
        speaks = next(iter(self.task.outputs.values())).family
        for port, world in asked.items():
            if port in self.ports:
                out[port] = get(self.ports[port])
            elif world.family == family:
                main, used = get(name), True
                apart = main.listens and port in self.task.inputs and family == speaks
                out[port] = get(main.listens) if apart else main  # type: ignore[arg-type]
            else:
                out[port] = get(wanted.get(world.family) or usual.get(port) or default_representation(type(world)))
        if not used and not any(p in self.ports for p in asked):
            raise Misfit(f"task '{self.task.name}' has nothing for representation '{name}'")
        return out

    def model(self, name: str) -> tuple[ModelChoice, dict[str, Any]]:
        """The model as the planner knows it, and its reserved keys."""
        return self._once(("model", name), lambda: self._model(name))

    def _model(self, name: str) -> tuple[ModelChoice, dict[str, Any]]:
        user = self.user.get("model", {})
        keys, reserved = shelf.settings("model", name, user, self.preset)
        facts = shelf.declaration(reserved["_target_"]).facts
        usual = shelf.load("model", name)  # a composed configuration repeats the file: only what differs was said by the user
        fixed = frozenset(k for k, v in user.items() if k in keys and v != usual.get(k))
        choice = ModelChoice(name, reserved["_target_"], facts["takes"], facts["traffic"], keys, facts.get("causal_if"), fixed)
        return choice, reserved

    def method(self, name: str) -> Method:
        """The method with its settings."""
        return self._once(("method", name), lambda: shelf.make("method", name, self.user.get("method", {}), self.preset))

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        """Light parts are values: the planner asks for the same ones thousands of times."""
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def plan(self, pick: Mapping[str, str]) -> Plan:
        """Raises Misfit with the bare reason."""
        return plan(
            self.task,
            self.worlds,
            self.representations(pick["representation"], pick["method"]),
            self.model(pick["model"])[0],
            self.method(pick["method"]),
        )


@cache
def default_representation(kind: type) -> str:
    """The first representation whose class carries a world kind."""
    for name in shelf.parts("representation"):
        if kind in shelf.make("representation", name).carries:
            return name
    raise Misfit(f"no representation carries {kind.__name__}")


@dataclass(frozen=True)
class Row:
    """What `model=NAME` stands for: models to try, perhaps a method, perhaps representations for the output."""

    name: str
    models: tuple[str, ...]
    method: str | None = None
    output: tuple[str, ...] = ()


def row_of(name: str, names: Mapping[str, str]) -> Row:
    """A row of the talk that names a model with a method, or the model itself.  RequestError when `method=` says otherwise."""
    alias = shelf.load("model", name).get("row")
    if not alias:
        return Row(name, (name,))
    models, output = (tuple(v) if isinstance(v, list) else (v,) if v else () for v in (alias["model"], alias.get("output")))
    method = alias.get("method")
    if method and names["method"] not in ("auto", method):
        raise RequestError(
            f"model={name} stands for method={method} over {' or '.join(models)}, so method={names['method']} contradicts it"
        )
    return Row(name, models, method, output)


def generic_worlds(task: Task) -> dict[str, World]:
    """Stand-ins for data nobody has named."""
    return {p: GENERIC[type(w)] for p, w in {**task.inputs, **task.outputs}.items()}
