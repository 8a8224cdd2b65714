"""Reads what a part declares, from its source text, without importing it (so that torch stays out of every error message).

A part's class states literals (``takes = ("Frames",)``) and a keyword-only ``__init__`` whose names and types are its settings.
A test compares each declaration with the imported class.
"""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from audioml.errors import RequestError

ALLOWED = ("audioml.",)
_NAMES = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict, "tuple": tuple, "Any": Any}
_NAMES |= {"Literal": Literal, "None": None}


@dataclass(frozen=True)
class Declaration:
    """What a part says of itself: `settings` name -> type, `facts` name -> literal, `doc` its first line."""

    target: str
    name: str
    doc: str
    settings: dict[str, Any]
    facts: dict[str, Any]


@cache
def declaration(target: str) -> Declaration:
    """Read the class that `target` (``package.module.Class``) names.

    Raises RequestError for a target outside the allowlist or one that does not exist.
    """
    if not target.startswith(ALLOWED):
        raise RequestError(f"_target_ '{target}' is refused: only parts inside {', '.join(ALLOWED)} may be built")
    module, _, name = target.rpartition(".")
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.origin:
        raise RequestError(f"_target_ '{target}' does not exist: there is no module '{module}'")
    bodies = {n.name: n for n in ast.parse(Path(spec.origin).read_text("utf-8")).body if isinstance(n, ast.ClassDef)}
    if name not in bodies:
        raise RequestError(f"_target_ '{target}' does not exist: '{module}' has {', '.join(sorted(bodies)) or 'no class'}")
    settings, facts = _read(name, bodies, module)
    doc = (ast.get_docstring(bodies[name]) or "").partition("\n")[0]
    return Declaration(target, name, doc, settings, facts)


def _read(name: str, bodies: dict[str, ast.ClassDef], module: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and literal facts of a class; a base in the same file contributes what the class does not override."""
    node, settings, facts = bodies[name], {}, {}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in bodies:
            settings, facts = _read(base.id, bodies, module)
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            settings = {a.arg: _type(a, module) for a in item.args.kwonlyargs}
        target, value = None, None
        if isinstance(item, ast.Assign) and len(item.targets) == 1:
            target, value = item.targets[0], item.value
        elif isinstance(item, ast.AnnAssign):
            target, value = item.target, item.value
        if isinstance(target, ast.Name) and value is not None:
            try:
                facts[target.id] = ast.literal_eval(value)
            except ValueError:
                continue
    return settings, facts


def _type(arg: ast.arg, module: str) -> Any:
    """The annotation of a setting, evaluated with builtin types and Literal only."""
    if arg.annotation is None:
        raise RequestError(f"setting '{arg.arg}' in {module} has no type")
    try:
        return eval(ast.unparse(arg.annotation), {"__builtins__": {}}, dict(_NAMES))
    except (NameError, TypeError, SyntaxError) as error:
        raise RequestError(f"setting '{arg.arg}' in {module} has a type that a setting cannot have: {error}") from None
