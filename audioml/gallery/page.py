"""The page as a folder: index.html, assets/ and media/.  Opens from disk, asks no network, holds no number that no record holds."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from audioml import shelf
from audioml.dashboard.site import asset as of_dashboard
from audioml.gallery.belongs import NAMED, PERHAPS, SAME, VARIED, stated
from audioml.gallery.collect import Shown, by_stage, find
from audioml.gallery.numbers import entry_view, files
from audioml.gallery.samples import Store, clips
from audioml.gallery.timeline import System, others, recipes_of, systems
from audioml.recipe import Recipe
from audioml.records import write_text
from audioml.table.cells import clean

SHOWN = 3  # entries of a stage; the others are counted
# "file:" because a file's own origin is nobody's
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' data: file:; media-src 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)
ASSETS = ("gallery.css", "gallery.js")


@dataclass(frozen=True)
class Written:
    """The page, how many entries it shows, in how many stages of how many, and how many players."""

    index: Path
    entries: int
    stages: int
    of: int
    players: int


def write_gallery(folders: Sequence[Path], out: Path, command: str) -> Written:
    """Write the page of all records below `folders` into `out`.

    Raises RequestError for a missing folder, RunError when the page cannot be written.
    """
    found, store = find(folders), Store(out)
    shown = by_stage(found.runs)
    sections = [_system(system, shown, store) for system in systems()]
    more = [_recipe(made, shown, store) for made in others()]
    made = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    page = _render(sections=sections, others=more, years=_years(sections), folders=[str(folder) for folder in folders], made=made,
                   command=command, notes=[clean(note) for note in found.notes], policy=POLICY, seen=len(found.runs))  # fmt: skip
    for name in ASSETS:
        write_text(out / "assets" / name, _asset(name))
    write_text(out / "assets" / "page.css", of_dashboard("page.css"))
    write_text(out / "index.html", page)
    store.tidy()
    stages = [stage for made in [r for s in sections for r in s["recipes"]] + more for stage in made["stages"]]
    entries = [entry for stage in stages for entry in stage["main"]["entries"]]
    every = [e for stage in stages for block in (stage["main"], stage["varied"], stage["perhaps"]) for e in block["entries"]]
    players = sum(bool(sound.file) for entry in every for clip in entry["clips"] for sound in clip.sounds)
    return Written(out / "index.html", len(entries), sum(bool(stage["main"]["entries"]) for stage in stages), len(stages), players)


def _system(system: System, shown: dict[tuple[str, str], list[Shown]], store: Store) -> dict[str, Any]:
    made = [_recipe(each, shown, store) for each in recipes_of(system)]
    measured = any(stage["main"]["entries"] for each in made for stage in each["stages"])
    return {"system": system, "recipes": made, "measured": measured}


def _recipe(made: Recipe, shown: dict[tuple[str, str], list[Shown]], store: Store) -> dict[str, Any]:
    stages = [_stage(name, said, shown.get((made.name, name), []), store) for name, said in stated(made.name).items()]
    return {
        "name": made.name,
        "system": made.system,
        "year": made.year,
        "about": shelf.describe("recipe", made.name),
        "command": f"python train.py recipe={made.name}",
        "stages": stages,
    }


def _stage(name: str, said: dict[str, Any], found: list[Shown], store: Store) -> dict[str, Any]:
    chain = [(key, str(said[key])) for key in ("task", "representation", "model", "method") if key in said]
    stage = {"name": name, "chain": chain, "choices": [(key, shelf.spelt(value)) for key, value in said.items()]}
    kinds = {"main": (SAME, NAMED), "varied": (VARIED,), "perhaps": (PERHAPS,)}
    return stage | {block: _block([each for each in found if each.kind in of], store) for block, of in kinds.items()}


def _block(found: list[Shown], store: Store) -> dict[str, Any]:
    entries = []
    for shown in found[:SHOWN]:
        heard = ((run, clips(run.folder, store)) for run in shown.entry.runs)
        run, samples = next(((run, got) for run, got in heard if got), (shown.entry.runs[0], []))
        here = any(each.folder for each in shown.entry.runs)
        entries.append(entry_view(shown) | {"files": files(shown), "run": clean(run.name, 120), "clips": samples, "folder": here})
    return {"entries": entries, "older": max(0, len(found) - SHOWN), "all": len(found)}


def _years(sections: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    years: dict[int, list[dict[str, Any]]] = {}
    for section in sections:
        years.setdefault(section["system"].year, []).append(section)
    return years


def _render(**facts: Any) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_asset("gallery.html.j2")).render(**facts)


def _asset(name: str) -> str:
    return (resources.files("audioml.gallery") / "assets" / name).read_text(encoding="utf-8")
