"""The page as named files: the same for the server, which makes each when it is asked for, and for the folder on disk.

``index.html``, ``assets/*``, and scripts that hold nothing but JSON, because a page opened from disk may load scripts but not
data: ``data/index.js`` (sections, rows), ``data/live.js``, ``data/votes.js``, ``data/curves-S.js``, ``data/clips-S.js``,
``data/run-ID.js``, ``media/KEY.js``.  Names are looked up, never joined to a path.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from audioml.dashboard.clips import Heard, Media, listen
from audioml.dashboard.configs import flat_config
from audioml.dashboard.curves import curves
from audioml.dashboard.live import live_data
from audioml.dashboard.sections import run_id, section_data, siblings
from audioml.dashboard.sound import encode
from audioml.dashboard.votes import read_votes
from audioml.errors import RunError
from audioml.records import plain
from audioml.table.build import Section, Table
from audioml.table.cells import ABSENT, clean
from audioml.table.collect import Run
from audioml.table.rows import by_run

SCRIPTS = ("core.js", "query.js", "plot.js", "table.js", "pareto.js", "curves.js", "sound.js", "spectrum.js", "listen.js",
           "compare.js", "votes.js", "vote.js", "main.js")  # fmt: skip
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
# a page from disk has no server to say this for it; "file:" because a file's own origin is nobody's
POLICY = (
    "default-src 'none'; script-src 'self'{more}; style-src 'self'{more}; img-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)


class Site:
    """Files of one state of the runs.  `version` names the state for a page with a server behind it; "": opened from disk."""

    def __init__(self, table: Table, unfinished: list[Path], votes: Path, *, command: str, made: str, version: str = "") -> None:
        self.table, self.unfinished, self.votes = table, unfinished, votes
        self.command, self.made, self.version = command, made, version
        self.keys = {f"s{number}": section for number, section in enumerate(table.sections, 1)}
        runs = [(row.name, run) for section in table.sections for row in section.rows for run in row.runs]
        self.runs: dict[str, tuple[str, Run]] = {run_id(run): (name, run) for name, run in runs}
        self._heard: dict[str, Heard] = {}
        self._sections: list[dict[str, Any]] = []
        self.media: dict[str, Media] = {}

    def names(self) -> Iterator[str]:
        """Every file, those first that tell which others there are."""
        yield "index.html"
        yield from (f"assets/{name}" for name in (*SCRIPTS, "page.css"))
        yield from ("data/index.js", "data/live.js", "data/votes.js")
        for key in self.keys:
            yield from (f"data/curves-{key}.js", f"data/clips-{key}.js")
        yield from (f"data/run-{key}.js" for key in self.runs)
        for key in self.keys:
            yield from (f"media/{name}.js" for name in self.heard(key).media)

    def file(self, name: str) -> bytes | None:
        """The file's bytes, or None when there is none of that name."""
        folder, _, rest = name.rpartition("/")
        if name == "index.html":
            return self._index().encode()
        if folder == "assets":
            return asset(rest).encode() if rest in (*SCRIPTS, "page.css") else None
        data = self._data(folder, rest.removesuffix(".js")) if rest.endswith(".js") else None
        return None if data is None else _script(f"{folder}/{rest.removesuffix('.js')}", data)

    def heard(self, key: str) -> Heard:
        """The clips of a section, gathered when first asked for."""
        if key not in self._heard:
            self._heard[key] = listen(by_run(self.keys[key].rows))
            self.media |= self._heard[key].media
        return self._heard[key]

    def later(self, unfinished: list[Path], version: str) -> Site:
        """The same records while other runs went on."""
        made = copy.copy(self)
        made.unfinished, made.version = unfinished, version
        return made

    def _data(self, folder: str, name: str) -> Any:
        if folder == "media":
            return self._sound(name)
        if folder != "data":
            return None
        kind, _, key = name.partition("-")
        made = {"index": self._all, "live": lambda: live_data(self.unfinished), "votes": self._votes}
        if not key:
            return made[kind]() if kind in made else None
        if kind == "run":
            return _facts(*self.runs[key]) if key in self.runs else None
        per_section = {"curves": self._curves, "clips": lambda key: self.heard(key).data()}
        return per_section[kind](key) if kind in per_section and key in self.keys else None

    def _all(self) -> dict[str, Any]:
        if not self._sections:
            families = Counter(siblings(section) for section in self.keys.values())
            self._sections = [section_data(s, key, families[siblings(s)] > 1) for key, s in self.keys.items()]
        facts = {"command": self.command, "made": self.made, "version": self.version, "notes": self.table.notes}
        return {**facts, "sections": self._sections}

    def _votes(self) -> dict[str, Any]:
        try:
            return {"votes": read_votes(self.votes)}
        except RunError as error:
            return {"votes": [], "problem": str(error)}

    def _curves(self, key: str) -> dict[str, Any]:
        section: Section = self.keys[key]
        folders = {run_id(row.run): row.run.folder for row in by_run(section.rows) if row.run.folder}
        return curves(folders, section.primary)

    def _sound(self, key: str) -> dict[str, Any] | None:
        media = self.media.get(key)
        if media is None:
            return None
        try:
            return encode(media.path, media.lowered)
        except Exception as error:  # a decoder may raise anything over a file that nobody vouches for
            return {"problem": f"the file cannot be played ({clean(type(error).__name__, 40)})"}

    def _index(self) -> str:
        from jinja2 import Environment, StrictUndefined

        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        return environment.from_string(asset("page.html.j2")).render(
            scripts=SCRIPTS, policy=POLICY.format(more="" if self.version else " file:"), command=self.command, made=self.made
        )


def asset(name: str) -> str:
    """A file of ours, as text."""
    return (resources.files("audioml.dashboard") / "assets" / name).read_text(encoding="utf-8")


def _script(name: str, data: Any) -> bytes:
    """JSON in plain ASCII as an argument: no text in it can end the script or the line."""
    return f"audioml.put({json.dumps(name)}, {json.dumps(plain(data), allow_nan=False, separators=(',', ':'))});\n".encode("ascii")


def _facts(name: str, run: Run) -> dict[str, Any]:
    """All that a record and a config say of a run, as [name, text] lists."""
    record = run.record
    return {
        "title": name,
        "folder": clean(run.name, 120),
        "error": clean(record.error),
        "facts": {
            "Choices": [(clean(name, 60), _flat(value)) for name, value in record.axes.items()],
            "Values": [(clean(name, 80), _value(value.as_dict())) for name, value in sorted(record.values.items())],
            "Provenance": [(clean(name, 60), _flat(value)) for name, value in record.provenance.items()],
        },
        "config": flat_config(run),
    }


def _value(raw: dict[str, Any]) -> str:
    if raw["value"] is None:
        return f"{ABSENT} {clean(raw.get('reason', ''))}"
    number = f"{raw['value']:.6g}" if isinstance(raw["value"], int | float) else clean(raw["value"], 120)
    interval = f" [{raw['ci'][0]:.4g}, {raw['ci'][1]:.4g}]" if raw["ci"] else ""
    items = f" (n = {raw['n']})" if raw["n"] is not None else ""
    return f"{number} {clean(raw['unit'], 20)}{interval}{items}".strip()


def _flat(value: Any) -> str:
    return clean(value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False), 400)
