"""World kinds (what a task or a corpus speaks) and spaces (what a network sees).  Pure values: no torch, no numpy.

Axes, one alphabet everywhere:
B batch · S sources · C channels · T samples · N frames · F bins · D features · K books · V vocabulary · L symbols

World kinds, as they lie in a batch:
    Wave  [B, C, T] float in [-1, 1]   Stems [B, S, C, T]   Text list of B strings   Label [B] int64
Spaces:
    Frames [B, D, N]   Grid [B, C, F, N]   Codes [B, K, N] int   Tokens [B, L] int
Rates are exact: a Fraction in Hz (frames per second).  Tokens have none.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
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


World = Wave | Stems | Text | Label


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
    """[B, D, N] reals: `dim` features at `rate` frames per second."""

    dim: int
    rate: Fraction
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
    rate: Fraction


@dataclass(frozen=True)
class Tokens:
    """[B, L] integers below `size`; `length` is 1 for a single symbol (a label), None for a sequence."""

    size: int
    length: int | None = None


Space = Frames | Grid | Codes | Tokens
SPACES: tuple[type, ...] = (Frames, Grid, Codes, Tokens)


def rate_of(space: Space) -> Fraction | None:
    """Frames per second of a space, None for Tokens."""
    return getattr(space, "rate", None)


class Seq(NamedTuple):
    """A batch of one port: `x` (a tensor, or a list of strings for Text) and `n` [B], the valid steps on its last axis."""

    x: Any
    n: Any


Batch = dict[str, Seq]
