"""The talk's systems in order of year, and which of our recipes is of which system."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from audioml import shelf
from audioml.recipe import Recipe, recipe


@dataclass(frozen=True)
class System:
    """A row of the talk's table, in its words."""

    system: str
    year: int
    task: str
    architectures: str
    representations: str
    team: str

    @property
    def key(self) -> str:
        """Its name as an anchor of the page."""
        return "-".join(_words(self.system))


@cache
def systems() -> tuple[System, ...]:
    """All thirteen, oldest first; within a year in the talk's order."""
    text = (resources.files("audioml.gallery") / "systems.yaml").read_text(encoding="utf-8")
    return tuple(sorted((System(**row) for row in yaml.safe_load(text)), key=lambda system: system.year))


def recipes_of(system: System) -> list[Recipe]:
    """The recipes of conf/recipe/ that name this system and its year.  Raises RequestError for a recipe's file that is none."""
    return [made for made in map(recipe, shelf.names("recipe")) if _is_of(made, system)]


def others() -> list[Recipe]:
    """Recipes of no system of the talk."""
    return [made for made in map(recipe, shelf.names("recipe")) if not any(_is_of(made, system) for system in systems())]


def _is_of(made: Recipe, system: System) -> bool:
    """The talk's name begins with the recipe's: "Dragon NaturallySpeaking" is of "Dragon NaturallySpeaking v. 11"."""
    own, theirs = _words(made.system), _words(system.system)
    return made.year == system.year and bool(own) and theirs[: len(own)] == own


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", name.casefold())
