"""data=embedded, data=chorales: the sets that audioml makes itself (synthetic speech, rendered chorales, noises, effects).

Nothing is downloaded.  The sets are made once into the cache by the packages of the extra ``audioml[embedded]``.  The speech
is spoken by a synthesiser (espeak-ng) and the music is rendered from scores: results on them say little about recordings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from audioml.data.folder import Folder, check
from audioml.data.making import chorales, sentences
from audioml.data.making.store import check_packages, ensure, folder_of, made
from audioml.data.mix import Mix
from audioml.data.ports import in_order
from audioml.errors import RequestError
from audioml.kinds import Label, Stems, Text, Wave, World
from audioml.parts import Corpus, Prepared, Task

# What a set says of itself before it is made, so that a plan never depends on whether it has been.
STEMS = {"chorales": chorales.STEMS}
CLASSES = {"words": in_order(set(sentences.WORDS))}
LETTERS = {"speech": sentences.alphabet()}


class Embedded(Corpus):
    """The sets that audioml makes itself, 16 kHz mono, split by voice, by song and by noise.

    `views` says which set serves a task, by the kinds of its ports: {"Wave -> Text": a set's folder} for recordings with
    their columns, {"Wave -> Stems": {name: folder}} for mixtures on the fly.  `scale` "full" or "smoke" (a few clips of
    each); `rate` Hz; `cache` the folder they are made in.  `target`, `snr`, `level_db`, `seconds`, `valid_items`,
    `test_items` as in data=mix, `gain_db`, `speed`, `remix` as in data=folder.
    """

    def __init__(
        self,
        *,
        views: dict[str, str | dict[str, str]],
        scale: Literal["full", "smoke"],
        rate: int,
        cache: str | None,
        target: str,
        snr: list[float],
        level_db: list[float],
        seconds: float,
        valid_items: int,
        test_items: int,
        gain_db: float,
        speed: float,
        remix: float,
    ) -> None:
        self.views, self.scale, self.rate, self.cache = dict(views), scale, rate, cache
        self.common = {"rate": rate, "channels": 1, "cache": cache, "max_bad": 0.0, "snr": list(snr)}
        self.mixing = {
            "target": target, "level_db": list(level_db), "seconds": seconds,
            "valid_items": valid_items, "test_items": test_items,
        }  # fmt: skip
        self.augment = {"gain_db": gain_db, "speed": speed, "remix": remix}
        check(rate=rate, snr=snr, level_db=level_db, seconds=seconds, speed=speed, remix=remix)
        check(valid_items=valid_items, test_items=test_items)

    def provides(self, task: Task) -> dict[str, World]:
        """Port -> world kind; nothing is made or read.

        Raises RequestError for a task that no view serves, and where the sets are not there and cannot be made.
        """
        view = self._view(task)
        worlds = {port: self._world(world, view) for port, world in {**task.inputs, **task.outputs}.items()}
        if not made(folder_of(self.cache, self.scale)):
            check_packages()
        return worlds

    def prepare(self, task: Task) -> Prepared:
        """Make the sets (once), then decode what the task needs of them (once)."""
        return self.corpus(task, ensure(self.cache, self.scale)).prepare(task)

    def corpus(self, task: Task, root: Path) -> Folder | Mix:
        """The data=folder or data=mix that serves `task` from the sets in `root`."""
        view = self._view(task)
        if isinstance(view, str):
            plain = {"columns": {}, "name_pattern": None, "split_column": "split", "fold_column": None}
            folds = {"test_fold": None, "valid_fold": None, "text": "raw", "window": None, "prompt": 0.0}
            return Folder(path=str(root / view), **plain, **folds, **self.augment, **self.common)  # type: ignore[arg-type]
        sources = {name: str(root / folder) for name, folder in view.items()}
        return Mix(sources=sources, groups={}, **self.mixing, **self.common)  # type: ignore[arg-type]

    def _view(self, task: Task) -> str | dict[str, str]:
        asked = " -> ".join(", ".join(type(world).__name__ for world in side.values()) for side in (task.inputs, task.outputs))
        if asked not in self.views:
            raise RequestError(
                f"task '{task.name}' asks for {asked}, which this embedded data does not serve; it serves "
                f"{'; '.join(self.views)}; use your own recordings with data=folder data.path=DIR"
            )
        return self.views[asked]

    def _world(self, world: World, view: str | dict[str, str]) -> World:
        """The open facts of a port, from the set that feeds it."""
        wave = Wave(1, self.rate)
        if isinstance(view, dict):
            return Stems(tuple(view), 1, self.rate) if isinstance(world, Stems) else wave
        known = {Stems: STEMS, Label: CLASSES, Text: LETTERS}.get(type(world))
        if known is None:
            return wave
        if view not in known:
            raise RequestError(f"data.views: the set '{view}' has no {type(world).__name__}; {', '.join(known)} has")
        found = known[view]
        return Stems(found, 1, self.rate) if isinstance(world, Stems) else type(world)(found)
