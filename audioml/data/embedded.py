"""data=embedded: the sets that audioml makes itself (synthetic speech, rendered chorales, noises, effects, grooves, scores).

Nothing is downloaded.  The sets are made once into the cache by the packages of the extra ``audioml[embedded]``.  The speech
is spoken by a synthesiser (espeak-ng) and the music is rendered from scores: results on them say little about recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from audioml.corpus import Corpus, Prepared
from audioml.data.derived import complete
from audioml.data.folder import Folder, check
from audioml.data.making.facts import SETS, outline
from audioml.data.making.store import check_packages, ensure, folder_of, made
from audioml.data.mix import Mix
from audioml.data.ports import Binding, bind_ports
from audioml.data.table import Table
from audioml.errors import RequestError, did_you_mean
from audioml.kinds import World
from audioml.parts import Task


class Embedded(Corpus):
    """The sets that audioml makes itself, 16 kHz mono, split by voice, by song, by sentence and by noise.

    `material`: the set whose columns serve the task's ports, or {source: set} for mixtures on the fly; null takes what the
    task itself names (conf/task/NAME.yaml).  `scale` "full" or "smoke" (a few clips of each); `rate` Hz; `cache` the folder
    they are made in.  `target`, `snr`, `level_db`, `seconds`, `valid_items`, `test_items` as in data=mix, `window`, `prompt`,
    `gain_db`, `speed`, `transpose`, `remix`, `equalize` as in data=folder.
    """

    def __init__(
        self,
        *,
        material: str | dict[str, str] | None,
        scale: Literal["full", "smoke"],
        rate: int,
        cache: str | None,
        target: str,
        snr: list[float],
        level_db: list[float],
        seconds: float,
        valid_items: int,
        test_items: int,
        window: float | None,
        prompt: float | list[float],
        gain_db: float,
        speed: float,
        transpose: int,
        remix: float,
        equalize: float,
    ) -> None:
        self.material, self.scale, self.rate, self.cache = material, scale, rate, cache
        self.common = {"rate": rate, "channels": 1, "cache": cache, "max_bad": 0.0, "snr": list(snr)}
        self.mixing = {
            "target": target, "level_db": list(level_db), "seconds": seconds,
            "valid_items": valid_items, "test_items": test_items,
        }  # fmt: skip
        self.vary = {"speed": speed, "equalize": equalize}
        self.augment = {**self.vary, "gain_db": gain_db, "remix": remix, "window": window, "prompt": prompt}
        self.augment |= {"transpose": transpose}
        check(rate=rate, snr=snr, level_db=level_db, seconds=seconds, remix=remix, window=window, prompt=prompt, **self.vary)
        check(valid_items=valid_items, test_items=test_items, transpose=transpose)

    def provides(self, task: Task) -> dict[str, World]:
        """Port -> world kind; nothing is made or read.

        Raises RequestError for a task that names no set, for a set that does not serve it, and where the sets are not there
        and cannot be made.
        """
        corpus = self.corpus(task, Path())
        worlds = corpus.stated(task) if isinstance(corpus, MadeFolder) else complete(task, corpus.worlds(task))
        if not made(folder_of(self.cache, self.scale)):
            check_packages()
        return worlds

    def prepare(self, task: Task) -> Prepared:
        """Make the sets (once), then decode what the task needs of them (once)."""
        return self.corpus(task, ensure(self.cache, self.scale)).prepare(task)

    def corpus(self, task: Task, root: Path) -> MadeFolder | Mix:
        """The data=folder or data=mix that serves `task` from the sets in `root`."""
        material = self._material(task)
        if isinstance(material, str):
            plain = {"columns": {}, "name_pattern": None, "only": {}, "split_column": "split", "fold_column": None}
            folds = {"test_fold": None, "valid_fold": None, "text": "raw", "splice": None, "trim": None, "noises": {}}
            return MadeFolder(material, path=str(root / material), **plain, **folds, **self.augment, **self.common)  # type: ignore[arg-type]
        sources = {name: str(root / folder) for name, folder in material.items()}
        return Mix(sources=sources, groups={}, **self.vary, **self.mixing, **self.common)  # type: ignore[arg-type]

    def _material(self, task: Task) -> str | Mapping[str, str]:
        material = self.material or task.material
        if not material:
            raise RequestError(
                f"task '{task.name}' names no embedded set: data.material=NAME takes one of {', '.join(SETS)}; "
                f"or use your own recordings with data=folder data.path=DIR"
            )
        for name in [material] if isinstance(material, str) else material.values():
            first = name.partition("/")[0]
            if first not in SETS:
                raise RequestError(
                    f"data.material={name} is not an embedded set{did_you_mean(first, SETS) or ';'} sets: {', '.join(SETS)}"
                )
        return material


class MadeFolder(Folder):
    """The folder of one set, whose worlds are known before it is made."""

    def __init__(self, name: str, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.name = name

    def stated(self, task: Task) -> dict[str, World]:
        """What `provides` will say, without a look at the folder.  RequestError for a port that no column serves."""
        table = outline(self.name)
        binding = bind_ports(task, table, self.columns, rate=self.rate, channels=self.channels)
        return complete(task, self._worlds(table, binding))

    def _worlds(self, table: Table, binding: Binding) -> dict[str, World]:
        facts = SETS[self.name]
        known = {port: facts[column] for port, column in binding.values.items()}
        known |= {port: facts[columns[0]] for port, columns in binding.sides.items()}
        known |= {binding.cut[0]: facts[binding.sides[binding.cut[1]][0]]} if binding.cut else {}
        return {**binding.worlds, **{port: world for port, world in known.items() if world is not None}}
