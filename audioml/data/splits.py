"""Who belongs to train, valid and test: by a column, by a folder's name, by a fold, or carved by group.  Metadata only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from audioml.errors import RequestError

SPLITS = ("train", "valid", "test")
GROUPS = ("speaker", "speaker_id", "song", "song_id", "source", "source_id", "artist", "client_id", "freesound_id", "src_file")
FEW = 8  # with fewer groups than this, a valid split is made of clips
SHARE = 10  # a carved split takes one group in ten, at least one
_WORDS = {
    "train": ("train", "training", "tr"),
    "valid": ("valid", "validation", "val", "dev", "development", "cv"),
    "test": ("test", "testing", "eval", "evaluation", "tt"),
}
_NAMES = {word: split for split, words in _WORDS.items() for word in words}


def split_named(word: str) -> str | None:
    """The split a word stands for: ``"dev-clean" -> "valid"``; None when it names no split."""
    head = re.fullmatch(r"([a-z]+)(?:[-_.\d\[].*)?", word.strip().lower())
    return _NAMES.get(head.group(1)) if head else None


def split_level(paths: Iterable[str]) -> int | None:
    """The level (0 or 1) at which every path has a folder that names a split, or None.

    All of them must, since a class or a song may be called "train" too.
    """
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    for level in (0, 1):
        if folders and all(len(parts) > level and split_named(parts[level]) for parts in folders):
            return level
    return None


def split_at(path: str, level: int | None) -> str | None:
    """The split that the folder at `level` of `path` names."""
    return None if level is None else split_named(PurePosixPath(path).parts[level])


def group_column(columns: Sequence[str]) -> str | None:
    """The column whose values must not be shared between splits (speaker, song, source …), or None."""
    return next((name for name in GROUPS if name in columns), None)


def hashed(text: str) -> int:
    """A number that depends on `text` alone (Python's own hash changes from process to process)."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def carve(splits: list[str | None], groups: Sequence[str], names: Sequence[str], where: str) -> tuple[list[str | None], str]:
    """Fill the splits nobody is in by taking whole groups, in the order of their hash, out of train.

    A test split keeps groups apart wherever there are three; valid alone does from FEW groups on, since one of four
    speakers would be a quarter of the training data: else clips are taken (the note says so).
    Returns the splits and a note on what was carved; raises RequestError where there is too little to divide.
    """
    missing = [split for split in ("test", "valid") if split not in splits]
    if not missing:
        return splits, ""
    train = [i for i, split in enumerate(splits) if split == "train"]
    if len({names[i] for i in train}) < len(missing) + 1:
        raise RequestError(
            f"{where} has {len(train)} clip(s) to train on and none for {' and '.join(missing)}: "
            f"that is too few to divide; add clips or a column 'split' with train, valid and test"
        )
    by_group = len({groups[i] for i in train}) >= (len(missing) + 1 if "test" in missing else FEW)
    by_group = by_group and any(groups[i] != names[i] for i in train)
    keys = groups if by_group else names
    order = sorted({keys[i] for i in train}, key=lambda key: (hashed(key), key))
    take = max(1, round(len(order) / SHARE))
    chosen = {key: split for k, split in enumerate(missing) for key in order[k * take : (k + 1) * take]}
    out = [chosen.get(keys[i], split) if split == "train" else split for i, split in enumerate(splits)]
    return out, f"{' and '.join(missing)} carved from train by {'group' if by_group else 'clip'}"


def by_column(values: Sequence[str]) -> list[str | None]:
    """Split names of a split column; what names no split (``heldout``, ``extra``) belongs to none."""
    return [split_named(value) for value in values]


def by_fold(
    folds: Sequence[str],
    groups: Sequence[str],
    names: Sequence[str],
    *,
    column: str,
    test_fold: str | int | Sequence[str | int] | None,
    valid_fold: str | int | Sequence[str | int] | None,
    where: str,
) -> tuple[list[str | None], str]:
    """The rows of `test_fold` (one value or several) are the test split, those of `valid_fold` the valid split, the rest train.

    Without a `valid_fold` a tenth of the training groups (of the clips, where groups are few) is held out.
    """
    there = sorted(set(folds))
    chosen: dict[str, str] = {}
    for split, value in (("valid", valid_fold), ("test", test_fold)):
        for one in _listed(value):
            if one not in there:
                raise RequestError(f"data.{split}_fold={one} is not in column '{column}' of {where}; its values are {_some(there)}")
            chosen[one] = split
    if test_fold is None:
        raise RequestError(f"data.fold_column={column} needs data.test_fold; the values of the column are {_some(there)}")
    return carve([chosen.get(fold, "train") for fold in folds], groups, names, where)


def _listed(value: str | int | Sequence[str | int] | None) -> list[str]:
    """One fold or several, as words."""
    return [] if value is None else [str(value)] if isinstance(value, str | int) else [str(v) for v in value]


def assign(
    rows: Sequence[Mapping[str, str]],
    columns: Sequence[str],
    names: Sequence[str],
    *,
    split_column: str,
    fold_column: str | None,
    test_fold: str | int | Sequence[str | int] | None,
    valid_fold: str | int | Sequence[str | int] | None,
    where: str,
) -> tuple[list[str | None], str]:
    """One split per row (None: in none of them), and a note that says how they were made.

    `names` are the rows' main file names.  Raises RequestError for a column or fold that is not there, for folds
    without a column, and where nothing is left to train on.
    """
    group = group_column(columns)
    groups = [row.get(group) or name for row, name in zip(rows, names, strict=True)] if group else list(names)
    if fold_column:
        _need(fold_column, columns, "fold_column", where)
        folds = [row.get(fold_column, "") for row in rows]
        splits, note = by_fold(folds, groups, names, column=fold_column, test_fold=test_fold, valid_fold=valid_fold, where=where)
        note = f"test is {fold_column}={' or '.join(_listed(test_fold))}" + (f"; {note}" if note else "")
    elif test_fold is not None or valid_fold is not None:
        raise RequestError(f"data.test_fold and data.valid_fold need data.fold_column; the columns are {_some(columns)}")
    else:
        splits, note = _stated(rows, columns, names, split_column, where)
        splits, carved = carve(splits, groups, names, where)
        note = f"{note}; {carved}" if carved else note
    if "train" not in splits:
        raise RequestError(f"{where} has no clip to train on; its split column must say train for some")
    return splits, note


def _stated(
    rows: Sequence[Mapping[str, str]], columns: Sequence[str], names: Sequence[str], split_column: str, where: str
) -> tuple[list[str | None], str]:
    if split_column in columns:
        return by_column([row.get(split_column, "") for row in rows]), f"splits by column {split_column}"
    if split_column != "split":
        _need(split_column, columns, "split_column", where)
    level = split_level(names)
    if level is not None:
        return [split_at(name, level) for name in names], "splits by folder name"
    return ["train"] * len(names), "no split stated"


def _need(column: str, columns: Sequence[str], setting: str, where: str) -> None:
    if column not in columns:
        raise RequestError(f"data.{setting}={column} is not a column of {where}; the columns are {_some(columns)}")


def _some(values: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(list(values)[:limit])
    return shown + (f" … ({len(values)} in all)" if len(values) > limit else "")
