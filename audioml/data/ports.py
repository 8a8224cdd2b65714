"""Which column feeds which port of a task, and the world kind that results.  Metadata only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audioml.data.table import MIXES, SUFFIX, audio_columns
from audioml.errors import RequestError
from audioml.kinds import Label, Stems, Text, Wave, World
from audioml.parts import Task

TEXTS = ("text", "transcript", "sentence", "transcription")
LABELS = ("category", "label")


@dataclass(frozen=True)
class Binding:
    """Port -> columns of recordings (one for a Wave, one per stem), port -> column of a value, port -> world kind.

    `summed` is the input port that no column feeds because it is the sum of the stems.
    """

    audio: Mapping[str, tuple[str, ...]]
    values: Mapping[str, str]
    worlds: Mapping[str, World]
    summed: str | None


@dataclass(frozen=True)
class Scene:
    """What the choosers below look at."""

    task: Task
    columns: Sequence[str]
    chosen: Mapping[str, str]
    where: str

    def pick(self, port: str, candidates: Sequence[str], kind: str) -> str:
        """The column for `port`: the one asked for by data.columns, else the first candidate there is."""
        asked = self.chosen.get(port)
        wanted = [str(asked), f"{asked}{SUFFIX}"] if asked is not None else list(candidates)
        found = next((name for name in wanted if name in self.columns), None)
        if found is None:
            raise RequestError(
                f"{self.where} has no {kind} column for port '{port}' of task '{self.task.name}': looked for "
                f"{' or '.join(repr(w) for w in wanted)}; its columns are {', '.join(self.columns)} "
                f"(data.columns.{port}=COLUMN names one)"
            )
        return found

    def stems(self, port: str, taken: Sequence[str]) -> tuple[str, ...]:
        """The columns of a Stems port: those asked for (comma-separated), else all that no input uses."""
        asked = self.chosen.get(port)
        if asked is not None:
            return tuple(self.pick(port, (), "audio") if "," not in asked else self._each(port, asked))
        free = [c for c in audio_columns(self.columns) if c not in taken and c.removesuffix(SUFFIX) not in MIXES]
        if len(free) < 2:
            raise RequestError(
                f"{self.where} has {len(free)} stem column(s) for port '{port}' of task '{self.task.name}': it needs two or "
                f"more columns NAME{SUFFIX} (or one sub-folder per stem); its columns are {', '.join(self.columns)}"
            )
        return tuple(free)

    def _each(self, port: str, asked: str) -> list[str]:
        names = [name.strip() for name in asked.split(",")]
        return [Scene(self.task, self.columns, {port: name}, self.where).pick(port, (), "audio") for name in names]


def bind_ports(task: Task, columns: Sequence[str], chosen: Mapping[str, str], where: str, *, rate: int, channels: int) -> Binding:
    """Columns and open world kinds of every port of `task`; classes and alphabets are filled by `fill`.

    Raises RequestError naming the column that was looked for and those there are, and for a port the task lacks.
    """
    ports = {**task.inputs, **task.outputs}
    unknown = [port for port in chosen if port not in ports]
    if unknown:
        raise RequestError(
            f"data.columns.{unknown[0]}: task '{task.name}' has no port '{unknown[0]}'; its ports are {', '.join(ports)}"
        )
    scene = Scene(task, columns, chosen, where)
    has_stems = any(isinstance(world, Stems) for world in ports.values())
    audio: dict[str, tuple[str, ...]] = {}
    values: dict[str, str] = {}
    worlds: dict[str, World] = {}
    summed = None
    first = next((port for port, world in task.inputs.items() if isinstance(world, Wave)), None)
    for port, world in ports.items():
        if isinstance(world, Wave):
            candidates = [f"{port}{SUFFIX}", *(f"{m}{SUFFIX}" for m in MIXES if has_stems)]
            candidates += ["file_name"] if port == first else []
            worlds[port] = Wave(channels, rate)
            if port == first and has_stems and port not in chosen and not set(candidates) & set(columns):
                summed, audio[port] = port, ()
            else:
                audio[port] = (scene.pick(port, candidates, "audio"),)
        elif isinstance(world, Stems):
            audio[port] = scene.stems(port, [c for cs in audio.values() for c in cs])
            names = tuple(c.removesuffix(SUFFIX) for c in audio[port])
            worlds[port] = Stems(names, channels, rate)
        else:
            kind, usual = ("text", [port, *TEXTS]) if isinstance(world, Text) else ("label", [*LABELS, port])
            values[port] = scene.pick(port, list(dict.fromkeys(usual)), kind)
            worlds[port] = world
    return Binding(audio, values, worlds, summed)


def fill(binding: Binding, rows: Sequence[Mapping[str, str]], text: str) -> dict[str, World]:
    """The worlds of `binding` with the classes and alphabets that occur in `rows`."""
    worlds = dict(binding.worlds)
    for port, column in binding.values.items():
        cells = [row.get(column, "") for row in rows]
        if isinstance(worlds[port], Text):
            worlds[port] = Text("".join(sorted({letter for cell in cells for letter in spell(cell, text)})))
        else:
            worlds[port] = Label(in_order({cell for cell in cells if cell}))
    return worlds


def spell(text: str, how: str) -> str:
    """`text` as it is ("raw"), or lower-case letters, digits and apostrophes with single spaces ("words")."""
    return text if how == "raw" else " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'")))


def in_order(classes: set[str]) -> tuple[str, ...]:
    """Class names sorted, numbers by value."""
    numeric = all(re.fullmatch(r"-?\d+", name) for name in classes)
    return tuple(sorted(classes, key=int if numeric else None))
