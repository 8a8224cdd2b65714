"""data=hub: a set of the Hugging Face hub, or parquet files of that kind on this machine, read through `datasets`.

The audio column is never decoded by `datasets` (that takes torchcodec and FFmpeg): its bytes go to soundfile.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from audioml.data.folder import Folder, check
from audioml.data.keep import keep_rows
from audioml.data.splits import split_named
from audioml.data.table import SUFFIX, Source, Table, cell_text, with_pattern
from audioml.errors import RequestError, RunError
from audioml.parts import Task


class Hub(Folder):
    """A set by name.

    `name` on the hub, or a local parquet file or folder of them; `config` its configuration, `revision` a tag or commit;
    `splits` {train: NAME, valid: NAME, test: NAME} where the names do not say it (``train[:10%]`` works);
    `items` at most that many rows of each split.  With `streaming` the first `items` rows are fetched, kept in the cache
    and used from then on; without, `datasets` downloads the set (to ``$HF_HOME``).  All else as in data=folder; an audio
    column ``audio`` feeds the first input, another one the port of its name.
    """

    def __init__(
        self,
        *,
        name: str | None,
        config: str | None,
        revision: str | None,
        streaming: bool,
        items: int | None,
        splits: dict[str, str],
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
        super().__init__(
            path=name, rate=rate, channels=channels, cache=cache, columns=columns, name_pattern=name_pattern, only=only,
            split_column=split_column, fold_column=fold_column, test_fold=test_fold, valid_fold=valid_fold, text=text,
            window=window, prompt=prompt, splice=splice, trim=trim, gain_db=gain_db, speed=speed, transpose=transpose, remix=remix,
            snr=snr, noises=noises, equalize=equalize, max_bad=max_bad,
        )  # fmt: skip
        self.config, self.revision, self.streaming, self.items = config, revision, streaming, items
        self.splits = dict(splits)
        self._table: Table | None = None
        check(items=items)

    def table(self, task: Task) -> Table:
        """The rows of the set; fetches it the first time.  RequestError when it cannot be reached or has no such split."""
        if not self.path:
            raise RequestError("data=hub needs data.name=NAME, a set of the Hugging Face hub or a parquet file or folder")
        wrong = [split for split in self.splits if split_named(split) != split]
        if wrong:
            raise RequestError(f"data.splits.{wrong[0]} is not a split; name train, valid and test")
        if self.streaming and self.items is None:
            raise RequestError("data.streaming=true needs data.items=N: the first N rows of each split are kept")
        if self._table is None:
            table = with_pattern(self._streamed() if self.streaming else self._downloaded(), self.name_pattern)
            self._table = keep_rows(table, self.only)
        return self._table

    def _downloaded(self) -> Table:
        parts = self._load(streaming=False)
        if self.items is not None:
            parts = {split: part.select(range(min(self.items, len(part)))) for split, part in parts.items()}
        rows, sounds = [], {}
        for split, part in parts.items():
            audio = _audio_columns(part.features)
            cells = part.remove_columns(list(audio))
            for i in range(len(part)):
                keys = {column: f"{split}/{i:06d}/{old}" for old, column in audio.items()}
                rows.append(_row(cells[i] if cells.column_names else {}, cells.features, split) | keys)
                sounds |= {key: (split, i, old) for key, old in zip(keys.values(), audio, strict=True)}
            parts[split] = part
        stamp = json.dumps({split: part._fingerprint for split, part in parts.items()}, sort_keys=True)
        return _HubTable(
            where=self._where(),
            rows=tuple(rows),
            columns=_columns(rows),
            root=Path("hub") / str(self.path),
            stamp=stamp,
            fetch=lambda key: _sound(parts[sounds[key][0]][sounds[key][1]][sounds[key][2]]),
        )

    def _streamed(self) -> Table:
        """The first rows, kept as files with their rows in the cache: no network from the second run on."""
        from audioml.data.cache import made_once

        asked = [str(self.path), self.config, self.revision, self.items, self.splits, _local_stamp(str(self.path))]
        kept = made_once("hub", asked, lambda at: (at / "rows.json").is_file(), self._keep, self._where(), self.cache)
        rows = json.loads((kept / "rows.json").read_text("utf-8"))
        return Table(self._where(), tuple(rows), _columns(rows), kept)

    def _keep(self, folder: Path) -> None:
        rows = []
        for split, part in self._load(streaming=True).items():
            for i, example in enumerate(_guard(part.take(self.items), str(self.path))):
                audio = _audio_columns(part.features or example)
                sounds = {column: _sound(example[old]) for old, column in audio.items()}
                keys = {column: f"{split}_{i:06d}_{column}" for column, sound in sounds.items() if sound}
                for column, key in keys.items():
                    sound = sounds[column]
                    (folder / key).write_bytes(sound.getvalue() if isinstance(sound, BytesIO) else sound.read_bytes())
                rest = {name: value for name, value in example.items() if name not in audio}
                rows.append(_row(rest, part.features or {}, split) | keys)
        (folder / "rows.json").write_text(json.dumps(rows), "utf-8")

    def _load(self, *, streaming: bool) -> dict[str, Any]:
        """Split -> dataset with its audio columns undecoded."""
        import datasets

        path, files = str(self.path), None
        if Path(path).expanduser().is_file():
            path, files = "parquet", str(Path(path).expanduser())
        elif Path(path).expanduser().is_dir():
            path = str(Path(path).expanduser())
        options = {"revision": self.revision, "streaming": streaming, "data_files": files}
        try:
            if self.splits:
                found = {s: datasets.load_dataset(path, self.config, split=n, **options) for s, n in self.splits.items()}
            else:
                found = dict(datasets.load_dataset(path, self.config, **options))
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise _refused(error, str(self.path)) from error
        named: dict[str, Any] = {}
        for name, part in found.items():
            split = split_named(name)
            if split and split not in named:
                named[split] = _undecoded(part)
        if "train" not in named:
            raise RequestError(
                f"{self._where()} has no split for training; its splits are {', '.join(found)} (data.splits.train=NAME names one)"
            )
        return named

    def _where(self) -> str:
        return str(self.path) + (f" ({self.config})" if self.config else "")


@dataclass(frozen=True)
class _HubTable(Table):
    """A table whose recordings are bytes in an Arrow file."""

    stamp: str = ""
    fetch: Any = None

    def source(self, key: str) -> Source:
        return replace(Source(key, self.stamp, lambda: self.fetch(key) or BytesIO()))


def _undecoded(part: Any) -> Any:
    import datasets

    for column, feature in (part.features or {}).items():
        if isinstance(feature, datasets.Audio):
            part = part.cast_column(column, datasets.Audio(decode=False))
    return part


def _audio_columns(features: Mapping[str, Any]) -> dict[str, str]:
    """Their column -> ours: the only one, or ``audio``, becomes file_name, the others NAME_file_name."""
    found = [name for name, feature in features.items() if _is_audio(feature)]
    main = "audio" if "audio" in found else found[0] if len(found) == 1 else None
    return {name: "file_name" if name == main else f"{name}{SUFFIX}" for name in found}


def _is_audio(feature: Any) -> bool:
    """A struct of bytes and path looks the same as a feature and, where features are not stated, as a value."""
    return type(feature).__name__ == "Audio" or (isinstance(feature, Mapping) and set(feature) == {"bytes", "path"})


def _row(cells: Mapping[str, Any], features: Mapping[str, Any], split: str) -> dict[str, str]:
    """Cells as strings, class numbers by name, and the split the row came from."""
    row = {}
    for name, value in cells.items():
        named = getattr(features.get(name), "int2str", None)
        row[name] = cell_text(named(value) if named and value >= 0 else value)
    return row if "split" in row else row | {"split": split}


def _columns(rows: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _sound(cell: Mapping[str, Any] | None) -> BytesIO | Path | None:
    """The recording in a cell: its bytes, else a file of this machine, else None."""
    if cell and cell.get("bytes"):
        return BytesIO(cell["bytes"])
    path = Path(cell["path"]) if cell and cell.get("path") else None
    return path if path and path.is_file() else None


def _local_stamp(name: str) -> list[list[Any]]:
    """Sizes and times of local files, so that a changed file is read again."""
    path = Path(name).expanduser()
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet")) if path.is_dir() else []
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _guard(rows: Iterable[Any], name: str) -> Iterable[Any]:
    import datasets

    try:
        yield from rows
    except (ConnectionError, TimeoutError, datasets.exceptions.DatasetsError) as error:
        raise _refused(error, name) from error


def _refused(error: Exception, name: str) -> Exception:
    if getattr(error, "errno", None) == errno.ENOSPC:
        return RunError(f"the disk is full: no room for {name} in the cache of datasets ($HF_HOME)")
    said = " ".join(str(error).split())
    return RequestError(
        f"data.name={name} cannot be loaded: {said[:300].rstrip('.')}; give the name of a set on huggingface.co (that takes a "
        f"network) or a local parquet file or folder"
    )
