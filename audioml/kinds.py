"""World kinds (what a task or a corpus speaks) and spaces (what a network sees).  Pure values: no torch, no numpy.

Axes, one alphabet everywhere:
B batch · S sources · C channels · T samples · N frames · F bins · D features · K books · V vocabulary · L symbols

World kinds, as they lie in a batch (`n` counts the valid steps of the last axis):
    Wave   [B, C, T] float in [-1, 1]     Stems [B, S, C, T]
    Text   list of B strings              Label [B] int64          Tags [B, classes] 0 or 1
    Curve  [B, values, N]                 Times [B, 2, M]: rows time (s), kind
    Notes  [B, 5, M]: rows onset (s), offset (s), pitch (MIDI), velocity (0..1), voice
    Phones [B, 3, M]: rows start (s), end (s), symbol
Spaces:
    Frames [B, D, N]   Grid [B, C, F, N]   Codes [B, K, N] int   Tokens [B, L] int
Rates are exact: a Fraction in Hz (frames per second).  Tokens have none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any, NamedTuple

from audioml.errors import Misfit


# ---- world kinds; None means "left open, the corpus fills it" ------------------------------------------------------
@dataclass(frozen=True)
class Wave:
    """Audio [B, C, T]; `rate` in Hz."""

    channels: int | None = None
    rate: int | None = None
    family = "audio"


@dataclass(frozen=True)
class Stems:
    """Several named audio signals of one scene [B, S, C, T]; `rate` in Hz."""

    names: tuple[str, ...] | None = None
    channels: int | None = None
    rate: int | None = None
    family = "audio"


@dataclass(frozen=True)
class Text:
    """A string; `alphabet` holds every character that may occur, in order."""

    alphabet: str | None = None
    family = "text"


@dataclass(frozen=True)
class Label:
    """One of `classes`, stored as its index."""

    classes: tuple[str, ...] | None = None
    family = "label"


@dataclass(frozen=True)
class Tags:
    """Any number of `classes` at once, as zeros and ones [classes]."""

    classes: tuple[str, ...] | None = None
    family = "tags"


@dataclass(frozen=True)
class Curve:
    """Numbers over time [values, N] at `rate` per second, e.g. F0 in Hz (0 where unvoiced)."""

    values: tuple[str, ...] | None = None
    rate: int | None = None
    family = "curve"


@dataclass(frozen=True)
class Times:
    """Points in time of several kinds `names` (beat, downbeat …): [2, M], rows time (s) and index of the kind, in order of time."""

    names: tuple[str, ...] | None = None
    family = "times"


@dataclass(frozen=True)
class Notes:
    """Notes [5, M] in order of onset: onset (s), offset (s), MIDI pitch in [low, high], velocity in (0, 1], voice in [0, voices).

    `step` is the grid in seconds on which all times lie (scores), None for performances.
    """

    low: int | None = None
    high: int | None = None
    voices: int | None = None
    step: float | None = None
    family = "notes"


@dataclass(frozen=True)
class Phones:
    """Timed symbols [3, M]: start (s), end (s), index in `symbols`; they follow each other without overlap."""

    symbols: tuple[str, ...] | None = None
    family = "phones"


World = Wave | Stems | Text | Label | Tags | Curve | Times | Notes | Phones


def written(world: World) -> dict[str, Any]:
    """A world as a run's config.yaml holds it: its kind and its facts, as words, numbers and lists."""
    return {"kind": type(world).__name__, **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(world).items()}}


def unify(port: str, asked: World, given: World | None) -> World:
    """Fill what `asked` (a task's port) leaves open from `given` (what a corpus provides for it).

    Raises Misfit when the corpus lacks the port, offers another kind, or contradicts a stated fact.
    """
    if given is None:
        raise Misfit(f"the data provides nothing for port '{port}'")
    if type(asked) is not type(given):
        raise Misfit(f"port '{port}' wants {type(asked).__name__}, the data provides {type(given).__name__}")
    filled = {}
    for f in fields(asked):
        a, g = getattr(asked, f.name), getattr(given, f.name)
        if a is not None and g is not None and a != g:
            raise Misfit(f"port '{port}' wants {f.name}={a}, the data provides {f.name}={g}")
        if a is None:
            filled[f.name] = g
    return replace(asked, **filled)


# ---- spaces --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Frames:
    """[B, D, N] reals: `dim` features at `rate` frames per second (None: symbols without a clock); `binary`: zeros and ones."""

    dim: int
    rate: Fraction | None
    binary: bool = False


@dataclass(frozen=True)
class Grid:
    """[B, C, F, N] reals: `channels` planes of `bins` at `rate` frames per second."""

    channels: int
    bins: int
    rate: Fraction

    def flat(self) -> Frames:
        """The same numbers as Frames; a Grid may flatten, Frames never become a Grid."""
        return Frames(self.channels * self.bins, self.rate)


@dataclass(frozen=True)
class Codes:
    """[B, K, N] integers below `size` in each of `books`, at `rate` frames per second."""

    books: int
    size: int
    rate: Fraction | None


@dataclass(frozen=True)
class Tokens:
    """[B, L] integers below `size`; `length` is 1 for a single symbol (a label), None for a sequence.

    `many`: instead of one symbol, any set of them: [B, size] zeros and ones.
    """

    size: int
    length: int | None = None
    many: bool = False


Space = Frames | Grid | Codes | Tokens
SPACES: tuple[type, ...] = (Frames, Grid, Codes, Tokens)


def rate_of(space: Space) -> Fraction | None:
    """Frames per second of a space, None for Tokens."""
    return getattr(space, "rate", None)


def dims_of(space: Space) -> tuple[int, ...]:
    """Axes between batch and time: [D] of Frames, [C, F] of a Grid, [K] of Codes, none of Tokens."""
    if isinstance(space, Grid):
        return space.channels, space.bins
    return (space.dim,) if isinstance(space, Frames) else (space.books,) if isinstance(space, Codes) else ()


def signals_of(world: World) -> tuple[int, ...]:
    """Axes of an audio kind between batch and time: [C], or [S, C] of stems."""
    if isinstance(world, Stems):
        return len(world.names or ()), world.channels or 1
    return (world.channels or 1,) if isinstance(world, Wave) else ()


def waist_of(space: Space, takes: tuple[str, ...]) -> Frames | Grid | None:
    """The layout in which a model that `takes` these layouts runs over `space`; None when there is none.

    A Grid may flatten to Frames, never back; Tokens and Codes are embedded into Frames, and bring no numbers of their own (dim 0).
    """
    if isinstance(space, Grid) and "Grid" in takes:
        return space
    if "Frames" not in takes:
        return None
    if isinstance(space, Grid):
        return space.flat()
    return space if isinstance(space, Frames) else Frames(0, rate_of(space))


def joined(space: Space, others: list[Space]) -> Space | None:
    """One space of several streams side by side: features add up, Grids of equal bins add planes; None where they cannot."""
    if not others:
        return space
    if isinstance(space, Grid) and all(isinstance(o, Grid) and o.bins == space.bins for o in others):
        return replace(space, channels=space.channels + sum(o.channels for o in others))  # type: ignore[union-attr]
    flat = [s.flat() if isinstance(s, Grid) else s for s in (space, *others)]
    if all(isinstance(s, Frames) for s in flat):
        return Frames(sum(s.dim for s in flat), flat[0].rate)  # type: ignore[union-attr]
    return None


class Seq(NamedTuple):
    """A batch of one port: `x` (a tensor, or a list of strings for Text) and `n` [B], the valid steps on its last axis."""

    x: Any
    n: Any


Batch = dict[str, Seq]
