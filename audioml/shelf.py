"""conf/ is the registry: the folder of a group is the list of its parts.  Here names become checked settings and light objects."""

from __future__ import annotations

import copy
import types
import typing
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from audioml.declare import declaration
from audioml.errors import RequestError, did_you_mean

GROUPS = ("task", "representation", "model", "method", "data", "preset", "trainer", "logger")
# keys of a part's file that speak to the builder, not to the part; any part may list its sizes per preset
RESERVED = (
    "_target_", "sizes", "scales", "methods", "representations", "learning_rate", "row", "material", "ports", "seconds", "batch",
)  # fmt: skip


def conf_dir() -> Path:
    """The packaged conf/ of a wheel, or the checkout's."""
    packaged = Path(__file__).with_name("conf")
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "conf"


@cache
def names(group: str) -> tuple[str, ...]:
    """Every name in a group, sorted; `auto` first where there is one."""
    found = sorted(p.stem for p in (conf_dir() / group).glob("*.yaml"))
    return tuple(sorted(found, key=lambda n: n != "auto"))


def parts(group: str) -> tuple[str, ...]:
    """The names that stand for a part: not `auto`, and no row of the talk that only names a model with a method."""
    return tuple(n for n in names(group) if n != "auto" and "row" not in _file(group, n))


def require(group: str, name: str) -> None:
    """Raises RequestError when the group has no such name."""
    if name not in names(group):
        near = did_you_mean(name, names(group))
        raise RequestError(f"{group}={name} does not exist{near or ';'} choices: {', '.join(names(group))}")


def describe(group: str, name: str) -> str:
    """The first line of the file, which says in one line what it is."""
    first = (conf_dir() / group / f"{name}.yaml").read_text("utf-8").partition("\n")[0]
    return first.removeprefix("#").strip()


@cache
def _file(group: str, name: str) -> dict[str, Any]:
    require(group, name)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    keys = yaml.load((conf_dir() / group / f"{name}.yaml").read_text("utf-8"), Loader=loader) or {}
    for base in reversed(keys.pop("defaults", [])):  # Hydra's own way to say that a file changes another one of its group
        keys = keys if base == "_self_" else merged(load(group, base), keys)
    return keys


def load(group: str, name: str) -> dict[str, Any]:
    """The file's keys, a copy of its own."""
    return copy.deepcopy(_file(group, name))


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, nested mappings key by key."""
    out = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merged(out[key], value) if both else value
    return out


def settings(group: str, name: str, user: Mapping[str, Any], preset: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(settings of the part, reserved keys): the preset's sizes, under the file's keys, under what the user said.

    Raises RequestError for a name or a type that the part's signature does not have.
    """
    keys = merged(load(group, name), user)
    said = declaration(keys["_target_"]).settings if "_target_" in keys else None
    reserved = {k: keys.pop(k) for k in RESERVED if k in keys and not (said and k in said)}
    keys = merged(reserved.get("sizes", {}).get(preset, {}), keys)
    if said is not None:
        keys = check(keys, said, group, reserved["_target_"].rpartition(".")[2])
    return keys, reserved


def check(keys: Mapping[str, Any], said: Mapping[str, Any], group: str, part: str) -> dict[str, Any]:
    """Every name and type against the part's signature; whole numbers become floats where floats are asked."""
    for key in keys:
        if key not in said:
            near = did_you_mean(key, said)
            listing = f"settings: {', '.join(said)}" if said else f"{part} has no settings"
            raise RequestError(f"{group}.{key} is not a setting of {part}{near or ';'} {listing}")
    for key in said:
        if key not in keys:
            raise RequestError(f"{group}.{key} is missing: {part} needs it")
    out = {}
    for key, value in keys.items():
        if not fits(value, said[key]):
            raise RequestError(f"{group}.{key}={value!r} has the wrong type; it should be {type_name(said[key])}")
        out[key] = (
            float(value) if isinstance(value, int) and not isinstance(value, bool) and said[key] in (float, float | None) else value
        )
    return out


def fits(value: Any, kind: Any) -> bool:
    """Whether a value from YAML is of a setting's type."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if origin is typing.Literal:
        return any(value == a and type(value) is type(a) for a in args)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, a) for a in args)
    if kind is types.NoneType or kind is None:
        return value is None
    if (origin or kind) is list:
        return isinstance(value, list) and (not args or all(fits(v, args[0]) for v in value))
    if (origin or kind) is dict:
        return isinstance(value, dict) and (not args or all(fits(v, args[1]) for v in value.values()))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def type_name(kind: Any) -> str:
    """A type as a person says it."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return "one of " + ", ".join(str(a) for a in args)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(a) for a in args)
    if kind is types.NoneType:
        return "null"
    words = {int: "a whole number", float: "a number", str: "a word", bool: "true or false", list: "a list", dict: "a mapping"}
    if args:
        return f"{words.get(origin, str(origin))} of {' / '.join(type_name(a) for a in args[-1:])}"
    return words.get(kind, str(kind))


def make(group: str, name: str, user: Mapping[str, Any] | None = None, preset: str = "quick") -> Any:
    """The light object that a file describes, with its settings checked.  Never imports torch."""
    keys, reserved = settings(group, name, user or {}, preset)
    module, _, kind = reserved["_target_"].rpartition(".")
    part = getattr(import_module(module), kind)(**keys)
    if group in ("representation", "method"):
        part._name = name
    if group == "task":
        for fact in ("material", "seconds", "batch"):  # a frozen value; its file says what it learns from, in which pieces
            object.__setattr__(part, fact, reserved.get(fact))
    return part


def spelt(value: Any) -> str:
    """A YAML value as an argument of Hydra's."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(spelt(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{spelt(v)}" for k, v in value.items()) + "}"
    return str(value)
