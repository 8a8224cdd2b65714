"""data=mix: mixtures drawn on the fly from any folders, for separation (stems) and enhancement (a target in noise)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioml.corpus import Corpus, Prepared
from audioml.data.derived import complete, derive
from audioml.data.folder import check
from audioml.data.pool import Pool, read_pool
from audioml.errors import RequestError
from audioml.kinds import Stems, Wave, World
from audioml.parts import Task

if TYPE_CHECKING:
    from audioml.data.tape import Tape


class Mix(Corpus):
    """Mixtures of recordings from several folders.

    `sources` {name: folder}; for separation they are the stems, each at a level drawn from `level_db` (RMS of the crop in
    dB re full scale), for enhancement `target` is what to keep, at such a level, and one of the others is noise, looped
    where it is too short, at an SNR drawn from `snr` (dB, over the crop).  `groups` {name: pattern} keeps file names with
    an equal first group in one split (else what the metadata beside the files says).  `seconds` is the length of the
    `valid_items` and `test_items` fixed mixtures; shorter recordings are padded with silence.
    `speed` and `equalize` vary each source of a training mixture by itself; they and `rate`, `channels`, `cache`, `max_bad` are
    as in data=folder.
    """

    def __init__(
        self,
        *,
        sources: dict[str, str],
        target: str,
        groups: dict[str, str],
        rate: int,
        channels: int,
        cache: str | None,
        level_db: list[float],
        snr: list[float],
        speed: float,
        equalize: float,
        seconds: float,
        valid_items: int,
        test_items: int,
        max_bad: float,
    ) -> None:
        self.sources, self.target, self.groups = dict(sources), target, dict(groups)
        self.rate, self.channels, self.cache, self.max_bad = rate, channels, cache, max_bad
        self.level_db, self.snr, self.seconds = tuple(level_db), tuple(snr), seconds
        self.items = {"valid": valid_items, "test": test_items}
        check(rate=rate, channels=channels, max_bad=max_bad, level_db=level_db, snr=snr, seconds=seconds)
        self.vary = {"speed": speed, "equalize": equalize}
        check(valid_items=valid_items, test_items=test_items, **self.vary)

    def provides(self, task: Task) -> dict[str, World]:
        """Port -> world kind; looks at file names and metadata only."""
        worlds = self.worlds(task)
        self.pools()
        return complete(task, worlds)

    def prepare(self, task: Task) -> Prepared:
        """Decode each folder into the cache (once)."""
        from audioml.data.mixing import Mixed, Recipe

        worlds, pools = self.worlds(task), self.pools()
        tapes = [self._tape(pool) for pool in pools]
        target = None if any(isinstance(world, Stems) for world in worlds.values()) else list(self.sources).index(self.target)
        recipe = Recipe(self.level_db, self.snr, self.seconds, self.items, target, **self.vary)
        return derive(task, Mixed(pools, tapes, worlds, recipe), complete(task, worlds), worlds)

    def pools(self) -> list[Pool]:
        """The files of every source, split.  RequestError for a folder that is missing or empty."""
        unknown = [name for name in self.groups if name not in self.sources]
        if unknown:
            raise RequestError(f"data.groups.{unknown[0]} names no source; the sources are {', '.join(self.sources)}")
        return [read_pool(name, path, self.groups.get(name)) for name, path in self.sources.items()]

    def worlds(self, task: Task) -> dict[str, World]:
        """The ports that mixtures hold, without a look at the folders.  RequestError for a task that mixtures do not serve."""
        if len(self.sources) < 2:
            raise RequestError(
                f"data=mix needs two or more folders, data.sources.NAME=DIR; it has {', '.join(self.sources) or 'none'}"
            )
        raw = task.raw()
        ports = {**raw.inputs, **raw.outputs}
        kinds = sorted(type(world).__name__ for world in ports.values())
        if kinds not in (["Stems", "Wave"], ["Stems"], ["Wave", "Wave"]):
            raise RequestError(
                f"data=mix makes mixtures for tasks between one Wave and Stems or another Wave (separation, mixing, enhancement), "
                f"not for '{task.name}'; data=folder and data=hub read recordings with their labels and texts"
            )
        wave, stems = Wave(self.channels, self.rate), Stems(tuple(self.sources), self.channels, self.rate)
        if "Stems" not in kinds and self.target not in self.sources:
            raise RequestError(
                f"data.target={self.target} is not among the sources {', '.join(self.sources)}; it names the one to keep"
            )
        return {port: stems if isinstance(world, Stems) else wave for port, world in ports.items()}

    def _tape(self, pool: Pool) -> Tape:
        from audioml.data.noises import tape_of

        return tape_of(pool, rate=self.rate, channels=self.channels, cache=self.cache, max_bad=self.max_bad)
