"""Which column feeds which port of a task, and the world kind that results.  Metadata only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from audioml.data.table import MIXES, SUFFIX, Table
from audioml.errors import RequestError
from audioml.kinds import Curve, Label, Notes, Phones, Stems, Tags, Text, Times, Wave, World
from audioml.parts import Task

TEXTS = ("text", "transcript", "sentence", "transcription")
LABELS = ("category", "label")
# Where side information of a kind is looked for, after the port's own name; each group gives one column.
SIDE_COLUMNS: dict[type, tuple[tuple[str, ...], ...]] = {
    Times: (("beats",), ("onsets", "drum_onsets", "notes")),
    Notes: (("notes", "score", "midi", "file_name"),),
    Phones: (("phones", "phonemes"),),
    Curve: (("f0", "melody_f0", "pitch", "melody"),),
}
CURVE_RATE = 100  # values per second, where neither the task nor the data says


@dataclass(frozen=True)
class Binding:
    """Port -> columns of recordings (one for a Wave, one per stem), port -> column of a value, port -> columns of side
    files, port -> world kind.

    `summed` is the port that no column feeds because it is the sum of the stems.  `cut` (prompt, score): a Notes input
    without notes of its own is the beginning of the Notes output.  `optional` ports may be blank in some rows.
    """

    audio: Mapping[str, tuple[str, ...]]
    values: Mapping[str, str]
    worlds: Mapping[str, World]
    summed: str | None
    sides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cut: tuple[str, str] | None = None
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """What the choosers below look at."""

    task: Task
    table: Table
    chosen: Mapping[str, str]

    def find(self, port: str, candidates: Sequence[str], among: Sequence[str]) -> str | None:
        """The column for `port`: the one asked for by data.columns, else the first candidate there is; or None."""
        asked = self.chosen.get(port)
        wanted = [str(asked), f"{asked}{SUFFIX}"] if asked is not None else list(candidates)
        return next((name for name in wanted if name in among), None)

    def pick(self, port: str, candidates: Sequence[str], kind: str, among: Sequence[str] | None = None) -> str:
        """As `find`; RequestError where there is none."""
        found = self.find(port, candidates, self.table.columns if among is None else among)
        if found is None:
            asked = self.chosen.get(port)
            wanted = [str(asked), f"{asked}{SUFFIX}"] if asked is not None else list(candidates)
            raise RequestError(
                f"{self.table.where} has no {kind} column for port '{port}' of task '{self.task.name}': looked for "
                f"{' or '.join(repr(w) for w in wanted)}; its columns are {', '.join(self.table.columns)} "
                f"(data.columns.{port}=COLUMN names one)"
            )
        return found

    def stems(self, port: str, taken: Sequence[str]) -> tuple[str, ...]:
        """The columns of a Stems port: those asked for (comma-separated), else all that no input uses."""
        if port in self.chosen:
            return tuple(self.each(port, "audio", self.table.audio))
        free = [c for c in self.table.audio if c.endswith(SUFFIX) and c not in taken and c.removesuffix(SUFFIX) not in MIXES]
        if len(free) < 2:
            raise RequestError(
                f"{self.table.where} has {len(free)} stem column(s) for port '{port}' of task '{self.task.name}': it needs "
                f"two or more columns NAME{SUFFIX} (or one sub-folder per stem); its columns are {', '.join(self.table.columns)}"
            )
        return tuple(free)

    def each(self, port: str, kind: str, among: Sequence[str]) -> list[str]:
        """The columns that data.columns names for `port`, separated by commas."""
        names = [name.strip() for name in self.chosen[port].split(",")]
        return [replace(self, chosen={port: name}).pick(port, (), kind, among) for name in names]

    def sides(self, port: str, world: World) -> tuple[str, ...]:
        """The columns of side files for `port`; of several that say the same only the first."""
        what = type(world).__name__.lower()
        if port in self.chosen:
            return tuple(self.each(port, what, self.table.sides))
        found, looked = [], []
        for k, group in enumerate(SIDE_COLUMNS[type(world)]):
            names = [v for name in ((port, *group) if k == 0 else group) for v in dict.fromkeys((f"{name}{SUFFIX}", name))]
            own = self.find(port, names, self.table.sides)
            found += [own] if own else []
            looked += names
        if not found:
            return (self.pick(port, [n for n in looked if not n.endswith(SUFFIX)], what, self.table.sides),)
        return tuple(dict.fromkeys(found))


def held(task: Task, table: Table, chosen: Mapping[str, str]) -> Task:
    """The task as these data serve it: derived ports are left out unless a column holds them (then the recording wins)."""
    named = {c.removesuffix(SUFFIX) for c in table.columns}
    there = [p for p in task.derived if p in chosen or p in named]
    raw = task.raw()
    inputs = {p: w for p, w in task.inputs.items() if p in raw.inputs or p in there}
    outputs = {p: w for p, w in task.outputs.items() if p in raw.outputs or p in there}
    return replace(raw, inputs=inputs, outputs=outputs, hints=task.hints)


def bind_ports(task: Task, table: Table, chosen: Mapping[str, str], *, rate: int, channels: int) -> Binding:
    """Columns and open world kinds of every port of `task`; classes, alphabets and ranges are filled by `fill`.

    Raises RequestError naming the column that was looked for and those there are, and for a port the task lacks.
    """
    asked = {**task.inputs, **task.outputs, **task.hints}
    unknown = [port for port in chosen if port not in asked]
    if unknown:
        raise RequestError(
            f"data.columns.{unknown[0]}: task '{task.name}' has no port '{unknown[0]}'; its ports are {', '.join(asked)}"
        )
    task = held(task, table, chosen)
    scene = Scene(task, table, chosen)
    found = Binding({}, {}, {}, None)
    for port, world in {**task.inputs, **task.outputs}.items():
        found = _bound(scene, found, port, world, rate, channels)
    for port, world in task.hints.items():
        try:
            found = replace(_bound(scene, found, port, world, rate, channels), optional=(*found.optional, port))
        except RequestError:
            if port in chosen:
                raise
    return found


def _bound(scene: Scene, so_far: Binding, port: str, world: World, rate: int, channels: int) -> Binding:
    """`so_far` with one port more."""
    if isinstance(world, Wave):
        return _bound_wave(scene, so_far, port, Wave(channels, rate))
    worlds = {**so_far.worlds, port: world}
    if isinstance(world, Stems):
        columns = scene.stems(port, [c for cs in so_far.audio.values() for c in cs])
        worlds[port] = Stems(tuple(c.removesuffix(SUFFIX) for c in columns), channels, rate)
        return replace(so_far, audio={**so_far.audio, port: columns}, worlds=worlds)
    if type(world) in SIDE_COLUMNS:
        scores = [p for p, w in scene.task.outputs.items() if isinstance(w, Notes)]
        own = port in scene.chosen or any(name in scene.table.sides for name in (port, f"{port}{SUFFIX}"))
        if isinstance(world, Notes) and port in scene.task.inputs and scores and not own:
            return replace(so_far, cut=(port, scores[0]), worlds=worlds)
        return replace(so_far, sides={**so_far.sides, port: scene.sides(port, world)}, worlds=worlds)
    kind, usual = _VALUES[type(world)](port)
    column = scene.pick(port, list(dict.fromkeys(usual)), kind)
    return replace(so_far, values={**so_far.values, port: column}, worlds=worlds)


_VALUES = {
    Text: lambda port: ("text", [port, *TEXTS]),
    Label: lambda port: ("label", [*LABELS, port]),
    Tags: lambda port: ("tags", [port, "tags", "labels", *LABELS]),
}


def _bound_wave(scene: Scene, so_far: Binding, port: str, world: Wave) -> Binding:
    """The first Wave of a task may be called ``file_name``; a mix that nobody recorded is the sum of the stems."""
    ports = {**scene.task.inputs, **scene.task.outputs}
    has_stems = any(isinstance(w, Stems) for w in ports.values())
    first = next((p for p, w in ports.items() if isinstance(w, Wave)), None)
    candidates = [f"{port}{SUFFIX}", *(f"{m}{SUFFIX}" for m in MIXES if has_stems)]
    candidates += ["file_name"] if port == first else []
    worlds = {**so_far.worlds, port: world}
    if port == first and has_stems and port not in scene.chosen and not set(candidates) & set(scene.table.audio):
        return replace(so_far, summed=port, audio={**so_far.audio, port: ()}, worlds=worlds)
    return replace(so_far, audio={**so_far.audio, port: (scene.pick(port, candidates, "audio", scene.table.audio),)}, worlds=worlds)


def fill(binding: Binding, table: Table, text: str, cache: str | None) -> dict[str, World]:
    """The worlds of `binding` with the classes, alphabets and ranges that occur in the rows of `table`."""
    worlds = dict(binding.worlds)
    for port, column in binding.values.items():
        cells = [row.get(column, "") for row in table.rows]
        if isinstance(worlds[port], Text):
            worlds[port] = Text("".join(sorted({letter for cell in cells for letter in spell(cell, text)})))
        elif isinstance(worlds[port], Tags):
            worlds[port] = Tags(in_order({tag for cell in cells for tag in tags_of(cell)}))
        else:
            worlds[port] = Label(in_order({cell for cell in cells if cell}))
    if binding.sides:
        from audioml.data.marked import facts_of, mark  # numpy

        for port, columns in binding.sides.items():
            worlds[port] = facts_of(worlds[port], mark(table, type(worlds[port]), columns, cache))
    if binding.cut:
        prompt, score = binding.cut
        worlds[prompt] = worlds[score]
    return worlds


def spell(text: str, how: str) -> str:
    """`text` as it is ("raw"), or lower-case letters, digits and apostrophes with single spaces ("words")."""
    return text if how == "raw" else " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'")))


def tags_of(cell: str) -> list[str]:
    """The tags in a cell: JSON, or separated by ``|``, or else by commas."""
    if cell.startswith("["):
        return [str(tag) for tag in json.loads(cell)]
    return [tag.strip() for tag in cell.split("|" if "|" in cell else ",") if tag.strip()]


def in_order(classes: set[str]) -> tuple[str, ...]:
    """Class names sorted, numbers by value."""
    numeric = all(re.fullmatch(r"-?\d+", name) for name in classes)
    return tuple(sorted(classes, key=int if numeric else None))
