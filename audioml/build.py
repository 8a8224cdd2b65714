"""From a composed configuration to a Request: names and types checked, `auto` chosen, everything planned.  No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from audioml import shelf
from audioml.begin import Init, init_of
from audioml.budget import preset_for, said, sized, trainer_for
from audioml.corpus import Corpus, Prepared
from audioml.draft import AXES, Draft, Row, generic_worlds, row_of
from audioml.errors import Misfit, RequestError, did_you_mean
from audioml.kinds import World
from audioml.parts import Task
from audioml.plan import Plan


@dataclass(frozen=True)
class Request:
    """A run that can be started: every name chosen, every setting checked, the plan made."""

    names: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]
    plan: Plan
    corpus: Corpus
    learning_rate: float
    chosen: tuple[str, ...]
    ports: Mapping[str, str]
    seed: int
    name: str | None
    outputs: str
    row: str
    share: float = 1.0
    budget: str | None = None
    recipe: str | None = None
    init: Init | None = None

    def axes(self) -> dict[str, Any]:
        """The axes of record.json."""
        return {
            "task": self.names["task"],
            "row": self.row,
            "representation": self.plan.representations(),
            "model": self.names["model"],
            "method": self.names["method"],
            "data": self.names["data"],
            "recipe": self.recipe,
            "preset": self.names["preset"],
            "seed": self.seed,
            **({"share": self.share} if self.share < 1 else {}),
            **({"budget": self.budget} if self.budget else {}),
            **({"init": f"{self.init.family}:{self.init.fingerprint}"} if self.init else {}),
        }

    def prepare(self) -> Prepared:
        """The data with as many validation and test clips as the preset says, and the share of the training clips.  Slow the first
        time, as Corpus.prepare is; imports torch."""
        from audioml.evaluate import Sample

        preset, whole = self.settings["preset"], self.corpus.prepare(self.plan.task)
        if self.share < 1:
            whole.narrow(self.share, self.seed)
        return Sample(whole, {"valid": preset["valid_items"], "test": preset["test_items"]})

    def sentence(self) -> str:
        """Every axis with its choice, and who chose it."""
        said = [f"{a}={self.names[a]}" + (" (auto)" if a in self.chosen else "") for a in (*AXES, "data", "preset")]
        rest = [f"share={self.share:g}"] if self.share < 1 else []
        rest += [f"budget={self.budget}"] if self.budget else []
        rest += [f"init={self.init.folder}"] if self.init else []
        return " ".join([*said, f"seed={self.seed}", *rest])


def resolve(cfg: Mapping[str, Any], names: Mapping[str, str]) -> Request:
    """`cfg`: the composed configuration as plain containers; `names`: axis -> chosen name.  Raises RequestError, Misfit."""
    for group in shelf.GROUPS:
        shelf.require(group, names[group])
    user = {g: dict(cfg.get(g) or {}) for g in shelf.GROUPS}
    preset = names["preset"]
    preset_keys = check_preset(user["preset"], preset)
    if type(cfg["seed"]) is not int or cfg["seed"] < 0:  # a bool is an int
        raise RequestError(f"seed={cfg['seed']} should be a whole number, zero or more")
    share = 1.0 if cfg.get("share") is None else cfg["share"]
    if type(share) not in (int, float) or not 0 < share <= 1:
        raise RequestError(f"share={share} should be above 0 and at most 1: the share of the training clips to learn from")
    task: Task = shelf.make("task", names["task"], user["task"], preset)
    if preset_keys["batch"] == shelf.load("preset", preset)["batch"]:  # what the user says is not overruled
        preset_keys["batch"] = max(preset_keys["batch"], task.batch or 0)
    budget = said(cfg["budget"]) if cfg.get("budget") else None
    if budget:
        preset_keys, user["trainer"] = preset_for(budget, preset_keys), trainer_for(budget, user["trainer"])
    ports = check_ports(cfg.get("ports") or {}, task)
    corpus: Corpus = shelf.make("data", names["data"], user["data"], preset)
    draft = Draft(task, {}, user, ports, preset)
    row = None if names["model"] == "auto" else row_of(names["model"], names)
    check_named(draft, names, row)
    draft = replace(draft, worlds=provided(corpus, task))
    draft, pick, made = choose(draft, names, row)
    if budget:
        draft, made = sized(budget, draft, pick, made)
    _, reserved = draft.model(pick["model"])
    settings = {g: shelf.settings(g, pick.get(g, names[g]), user[g], preset)[0] for g in shelf.GROUPS}
    settings["model"] = dict(made.model.settings)
    init = init_of(cfg.get("init"), {**names, **pick}, settings)
    rate = shelf.load("method", pick["method"]).get("learning_rate", reserved.get("learning_rate", 1e-3))
    return Request(
        names={**names, **pick},
        settings={**settings, "preset": preset_keys},
        plan=made,
        corpus=corpus,
        learning_rate=float(user["model"].get("learning_rate", rate)),
        chosen=tuple(a for a in AXES if names[a] == "auto"),
        ports=draft.ports,
        seed=cfg["seed"],
        name=cfg.get("name"),
        outputs=str(cfg["outputs"]),
        row=cfg.get("row") or (row.name if row else pick["model"]),
        share=float(share),
        budget=budget,
        recipe=str(cfg["recipe"]) if cfg.get("recipe") else None,
        init=init,
    )


def provided(corpus: Corpus, task: Task) -> dict[str, World]:
    """Port -> world of all that data and the task's own derivation bring."""
    return corpus.provides(task)


def check_preset(user: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The preset's numbers; a preset has no part behind it, so its own file is the signature."""
    said = {
        "steps": int,
        "batch": int,
        "seconds": float,
        "validate_every": int,
        "patience": int,
        "valid_items": int | None,
        "test_items": int | None,
        "probe_seconds": float,
    }
    keys = shelf.check(shelf.merged(shelf.load("preset", name), user), said, "preset", f"preset={name}")
    for key in ("steps", "batch", "validate_every"):
        if keys[key] < 1:
            raise RequestError(f"preset.{key}={keys[key]} should be at least 1")
    if not 0.1 <= keys["probe_seconds"] <= 1e5:  # also not NaN
        raise RequestError(f"preset.probe_seconds={keys['probe_seconds']} should be between 0.1 and 100000: seconds on one core")
    return keys


def check_ports(ports: Mapping[str, Any], task: Task) -> dict[str, str]:
    """`ports.NAME=REP` names a port of the task and a representation."""
    have = (*task.inputs, *task.outputs)
    for port, name in ports.items():
        if port not in have:
            raise RequestError(
                f"ports.{port} is not a port of task '{task.name}'{did_you_mean(port, have) or ';'} ports: {', '.join(have)}"
            )
        shelf.require("representation", str(name))
    return dict(ports)


def check_named(draft: Draft, names: Mapping[str, str], row: Row | None) -> None:
    """Settings of what the user named, before any file of data is opened."""
    if names["representation"] != "auto":
        shelf.make("representation", names["representation"], draft.user["representation"], draft.preset)
    if row is not None:
        draft.model(row.models[0])
    if names["method"] != "auto":
        draft.method(names["method"])
    for group in ("trainer", "logger"):
        shelf.settings(group, names[group], draft.user[group], draft.preset)


def choose(draft: Draft, names: Mapping[str, str], row: Row | None) -> tuple[Draft, dict[str, str], Plan]:
    """The first combination, in order of preference, that fits; else a Misfit that says what single change would."""
    refused: list[tuple[dict[str, str], Misfit]] = []
    (port,) = draft.task.outputs
    outputs = row.output if row and port not in draft.ports and names["representation"] == "auto" else ()
    world = draft.task.outputs[port]
    if outputs and not any(isinstance(world, shelf.make("representation", name).carries) for name in outputs):
        raise Misfit(
            f"task={names['task']} model={names['model']} do not fit: this row speaks through "
            f"{' or '.join(outputs)}, and the output '{port}' of task '{draft.task.name}' is {type(world).__name__}"
        )
    suits = shelf.load("task", names["task"]).get("representations", ()) if names["task"] in shelf.names("task") else ()
    outputs = sorted(outputs, key=lambda name: name not in suits)  # what suits the task goes before what the row likes best
    tried = [replace(draft, ports={**draft.ports, port: name}) for name in outputs] or [draft]
    for here in tried:
        for pick in preferred(here, names, row):
            try:
                return here, pick, here.plan(pick)
            except Misfit as misfit:
                refused.append((pick, misfit))
    # where axes are open, the reason that most candidates share is the one that the named axes cause
    reasons = Counter(str(misfit) for _, misfit in refused)
    pick, misfit = max(refused, key=lambda r: reasons[str(r[1])])
    raise explain(draft, pick, misfit)


def preferred(draft: Draft, names: Mapping[str, str], row: Row | None) -> Iterator[dict[str, str]]:
    """Combinations of the open axes, best first: the task ranks models and methods; task, method and model, in this order, rank
    representations."""
    task = draft.task
    first = shelf.load("task", task.name).get("representations", ()) if task.name in shelf.names("task") else ()
    for model in row.models if row else unique(task.models, shelf.parts("model")):
        reserved = draft.model(model)[1]
        methods = unique(reserved.get("methods", task.prefers)) if names["method"] == "auto" else [names["method"]]
        for method in [row.method] if row and row.method else methods:
            second = shelf.load("method", method).get("representations", ())
            ranked = unique(heard(draft), first, second, reserved.get("representations", ()), shelf.parts("representation"))
            for rep in ranked if names["representation"] == "auto" else [names["representation"]]:
                yield {"task": names["task"], "representation": rep, "model": model, "method": method}


def heard(draft: Draft) -> list[str]:
    """Where the output's representation is set apart from the rest: that, or the one through which it listens."""
    (port,) = draft.task.outputs
    name = draft.ports.get(port)
    if name is None or draft.task.outputs[port].family != "audio":
        return []
    return [shelf.make("representation", name).listens or name]


def unique(*lists: Any) -> list[str]:
    """All entries in order, each once."""
    return list(dict.fromkeys(x for entries in lists for x in entries))


def explain(draft: Draft, pick: Mapping[str, str], misfit: Misfit) -> Misfit:
    """The reason, and what changing one axis alone would mend."""
    lines = [" ".join(f"{a}={pick[a]}" for a in AXES) + f" do not fit: {misfit}."]
    for axis in ("representation", "model", "method", "task"):
        fine = list(alternatives(draft, pick, axis))
        if fine:
            lines.append(f"  change {axis} alone -> {', '.join(fine)}")
    if len(lines) == 1:
        lines.append("  no single change helps")
    return Misfit("\n".join(lines))


def alternatives(draft: Draft, pick: Mapping[str, str], axis: str) -> Iterator[str]:
    """The names on one axis with which the rest of `pick` fits."""
    clean = replace(draft, user={g: k for g, k in draft.user.items() if g != axis})
    for name in shelf.parts(axis):
        other = {**pick, axis: name}
        here = clean
        if axis == "task":
            task = shelf.make("task", name)
            here = replace(clean, task=task, worlds=generic_worlds(task), ports={})
        try:
            here.plan(other)
        except Misfit:
            continue
        if name != pick[axis]:
            yield name


def matrix() -> Iterator[tuple[dict[str, str], Plan | Misfit]]:
    """Every combination of task, representation, model and method with its plan, or why there is none."""
    for task_name in shelf.parts("task"):
        task = shelf.make("task", task_name)
        draft = Draft(task, generic_worlds(task), {}, {}, "smoke")
        for rep in shelf.parts("representation"):
            for model in shelf.parts("model"):
                for method in shelf.parts("method"):
                    pick = {"task": task_name, "representation": rep, "model": model, "method": method}
                    try:
                        yield pick, draft.plan(pick)
                    except Misfit as misfit:
                        yield pick, misfit
