"""data=folder: any folder of recordings (a Hugging Face audiofolder, plain files, stems in folders)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from audioml.corpus import Corpus, Prepared
from audioml.data.derived import complete, derive
from audioml.data.keep import keep_rows
from audioml.data.ports import Binding, bind_ports, fill
from audioml.data.splits import assign, group_column
from audioml.data.table import MIXES, Table, read_table, with_pattern
from audioml.errors import RequestError
from audioml.kinds import Stems, Text, Wave, World
from audioml.parts import Task


class Folder(Corpus):
    """A folder of recordings on this machine.

    `path` the folder; `rate` Hz and `channels` of everything it gives; `cache` where decoded audio lies;
    `columns` {port: column} where the names do not say it; `name_pattern` named groups of file names as further columns;
    `only` {column: value or values} keeps those rows alone (one speaker of many);
    `split_column`, or `fold_column` with `test_fold` and `valid_fold` (one or several); `text` "raw" or "words" (lower
    case, no punctuation); `window` s of every training item, whatever the preset says; `prompt` the share of a score that
    is given ([low, high]: drawn in training, low in evaluation); `splice` [fewest, most] clips of one speaker that are
    joined to one item, their texts with them; `trim` dB below its loudest moment at which a recording begins and ends
    (null: as it is); `gain_db`, `speed`, `remix`, `snr`, `equalize` augment the training crops, `transpose` (± semitones) the
    notes of scores; `noises` {name: folder} is further noise to remix with; `max_bad` the share of unusable files that is
    borne.  RequestError for a request the folder cannot meet, RunError where too much of it is unusable.
    """

    def __init__(
        self,
        *,
        path: str | None,
        rate: int,
        channels: int,
        cache: str | None,
        columns: dict[str, str],
        name_pattern: str | None,
        only: dict[str, Any],
        split_column: str,
        fold_column: str | None,
        test_fold: str | int | list | None,
        valid_fold: str | int | list | None,
        text: Literal["raw", "words"],
        window: float | None,
        prompt: float | list[float],
        splice: list[int] | None,
        trim: float | None,
        gain_db: float,
        speed: float,
        transpose: int,
        remix: float,
        snr: list[float],
        noises: dict[str, str],
        equalize: float,
        max_bad: float,
    ) -> None:
        self.path, self.rate, self.channels, self.cache = path, rate, channels, cache
        self.columns, self.name_pattern, self.only = dict(columns), name_pattern, dict(only)
        self.text, self.max_bad = text, max_bad
        self.splitting = {
            "split_column": split_column,
            "fold_column": fold_column,
            "test_fold": test_fold,
            "valid_fold": valid_fold,
        }
        self.splice = None if splice is None else list(splice)
        self.noises = dict(noises)
        if noises and not remix:
            raise RequestError("data.noises is noise to remix speech with: set data.remix to a share above 0")
        check(splice=splice, trim=trim, transpose=transpose, equalize=equalize)
        self.augment = {"gain_db": gain_db, "speed": speed, "remix": remix, "snr": list(snr), "trim": trim, "equalize": equalize}
        self.augment |= {"window": window, "prompt": prompt, "transpose": transpose}
        check(rate=rate, channels=channels, max_bad=max_bad, speed=speed, remix=remix, snr=snr, window=window, prompt=prompt)

    def provides(self, task: Task) -> dict[str, World]:
        """Port -> world kind, from names and metadata alone."""
        table, binding = self._bound(task)
        self._splits(table)
        return complete(task, self._joined(table, self._worlds(table, binding)))

    def prepare(self, task: Task) -> Prepared:
        """Decode into the cache (once) and split."""
        from audioml.data.augment import Augment
        from audioml.data.preparing import prepare_clips

        table, binding = self._bound(task)
        held = self._worlds(table, binding)
        clips = prepare_clips(
            table,
            binding,
            held,
            lambda use: self._splits(table, use),
            rate=self.rate,
            channels=self.channels,
            cache=self.cache,
            max_bad=self.max_bad,
            text=self.text,
            augment=Augment(**self.augment),
            noises=self.noises,
        )
        if self.splice:
            from audioml.data.splice import Spliced

            held = self._joined(table, held)
            return derive(task, Spliced(clips, self.splice), complete(task, held), held)
        return derive(task, clips, complete(task, held), held)

    def _joined(self, table: Table, worlds: dict[str, World]) -> dict[str, World]:
        """The worlds of strings of clips, where data.splice makes them.  RequestError where nobody says who speaks."""
        if not self.splice:
            return worlds
        if group_column(table.columns) is None:
            raise RequestError(
                f"data.splice joins clips of one speaker, and {table.where} has no column 'speaker'; its columns are "
                f"{', '.join(table.columns)} (data.name_pattern can take one from the file names)"
            )
        kinds = [type(world) for world in worlds.values()]
        if sorted(k.__name__ for k in kinds) != ["Text", "Wave"]:
            raise RequestError("data.splice joins clips and their texts: it serves tasks between one Wave and one Text (asr, tts)")
        return {p: Text("".join(sorted({*(w.alphabet or ""), " "}))) if isinstance(w, Text) else w for p, w in worlds.items()}

    def _worlds(self, table: Table, binding: Binding) -> dict[str, World]:
        """What the data hold; a set that knows its own facts beforehand states them here."""
        return fill(binding, table, self.text, self.cache)

    def table(self, task: Task) -> Table:
        """The rows, before anything is decoded."""
        if not self.path:
            raise RequestError("data=folder needs data.path=DIR, a folder with audio files or with a metadata.csv")
        parallel = any(isinstance(world, Wave | Stems) for world in task.outputs.values())
        table = with_pattern(read_table(self.path, parallel=parallel, mixes=(*MIXES, *task.inputs)), self.name_pattern)
        return keep_rows(table, self.only)

    def _bound(self, task: Task) -> tuple[Table, Binding]:
        table = self.table(task)
        return table, bind_ports(task, table, self.columns, rate=self.rate, channels=self.channels)

    def _splits(self, table: Table, use: Sequence[bool] | None = None) -> tuple[list[str | None], str]:
        """A split for every row that may be used, None for the others."""
        chosen = [i for i in range(len(table.rows)) if use is None or use[i]]
        names = table.names()
        rows = [table.rows[i] for i in chosen]
        dealt, note = assign(rows, table.columns, [names[i] for i in chosen], **self.splitting, where=table.where)
        splits: list[str | None] = [None] * len(names)
        for i, split in zip(chosen, dealt, strict=True):
            splits[i] = split
        return splits, note


def check(**settings: object) -> None:
    """RequestError for a setting outside its range; the same for every corpus."""
    for name, value in settings.items():
        fine, wanted = _RANGES[name]
        if not fine(value):
            raise RequestError(f"data.{name}={value} should be {wanted}")


def _range(pair: object) -> bool:
    return len(pair) == 2 and pair[0] <= pair[1]  # type: ignore[arg-type, index]


def _shares(values: list) -> bool:
    return 1 <= len(values) <= 2 and all(0 <= v < 1 for v in values) and values == sorted(values)


_RANGES = {
    "rate": (lambda v: 1000 <= v <= 384000, "between 1000 and 384000 Hz"),
    "channels": (lambda v: 1 <= v <= 64, "1 (mono) or the number of channels of the files"),
    "max_bad": (lambda v: 0 <= v <= 1, "a share between 0 and 1"),
    "speed": (lambda v: 0 <= v < 0.9, "a range between 0 and 0.9 (0.1: from 0.9 to 1.1 times)"),
    "transpose": (lambda v: 0 <= v <= 24, "a number of semitones between 0 and 24"),
    "equalize": (lambda v: 0 <= v <= 40, "between 0 and 40 dB"),
    "remix": (lambda v: 0 <= v <= 1, "a share between 0 and 1"),
    "snr": (_range, "[low, high] in dB"),
    "level_db": (_range, "[low, high] in dB"),
    "window": (lambda v: v is None or v > 0, "more than 0 s, or null"),
    "prompt": (lambda v: _shares(v if isinstance(v, list) else [v]), "a share in [0, 1), or [low, high] of such shares"),
    "trim": (lambda v: v is None or 0 < v <= 120, "null, or more than 0 and at most 120 dB"),
    "splice": (lambda v: v is None or (len(v) == 2 and 1 <= v[0] <= v[1]), "null or [fewest, most] clips of a string"),
    "seconds": (lambda v: v > 0, "more than 0"),
    "valid_items": (lambda v: v >= 1, "at least 1"),
    "test_items": (lambda v: v >= 1, "at least 1"),
    "items": (lambda v: v is None or v >= 3, "at least 3, or null for all"),
}
