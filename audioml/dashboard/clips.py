"""Which test clips several runs share, and what each made of them.  A run's files are of unknown origin: only files inside
its folder are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audioml.dashboard.sections import run_id
from audioml.examples import MANIFEST
from audioml.table.cells import clean
from audioml.table.rows import Row
from audioml.table.words import word_marks

LARGEST_FILE = 32 * 2**20  # bytes
CLIPS = 3
FARTHEST = 120.0  # dB; a stated gain beyond this is no gain


@dataclass(frozen=True)
class Media:
    """A sound file that a page may ask for by `key`, a digest: never by a path."""

    key: str
    path: Path
    lowered: float


@dataclass
class Heard:
    """The clips of a section as plain JSON, the media they name, and how many files could not be used."""

    clips: list[dict[str, Any]] = field(default_factory=list)
    media: dict[str, Media] = field(default_factory=dict)
    broken: int = 0

    def data(self) -> dict[str, Any]:
        """As the page reads it."""
        return {"clips": self.clips, "broken": self.broken}


def inside(folder: Path, place: Any) -> Path | None:
    """The file `place` when it truly lies inside `folder` (links followed) and is no larger than sense; else None."""
    if not isinstance(place, str) or not place or "\0" in place:
        return None
    try:
        root, path = folder.resolve(), (folder / place).resolve()
        sound = path.is_relative_to(root) and path.is_file() and path.stat().st_size <= LARGEST_FILE
    except (OSError, ValueError, RuntimeError):
        return None
    return path if sound else None


def listen(rows: Sequence[Row]) -> Heard:
    """The first clips that runs share, through every run that has them.  Clips are the same when name and inputs are."""
    shared: dict[tuple[str, str], list[tuple[Row, dict[str, Any]]]] = {}
    for row in rows:
        for clip in manifest(row.run.folder):
            shared.setdefault((clip["name"], _digest(row.run.folder, clip)), []).append((row, clip))
    heard = Heard()
    for (name, _), entries in sorted(shared.items(), key=lambda entry: -len(entry[1]))[:CLIPS]:
        heard.clips.append(_clip_data(heard, name, entries))
    return heard


def manifest(folder: Path | None) -> list[dict[str, Any]]:
    """The clips of a run's examples.json, each with sound keys; an unreadable one is empty."""
    path = inside(folder, MANIFEST) if folder else None
    try:
        clips = json.loads(path.read_text(encoding="utf-8"))["clips"] if path else []
        return [_clip(clip) for clip in clips if isinstance(clip, dict)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _clip(raw: dict[str, Any]) -> dict[str, Any]:
    found = {key: raw.get(key) if isinstance(raw.get(key), list) else [] for key in ("files", "texts")}
    lists = {key: [entry for entry in entries if isinstance(entry, dict)] for key, entries in found.items()}
    return {"name": clean(raw.get("name", ""), 80), "spectrogram": raw.get("spectrogram"), **lists}


def _digest(folder: Path, clip: dict[str, Any]) -> str:
    """Of the clip's inputs: the same name with other sound is another clip."""
    digest = hashlib.sha256()
    for entry in clip["files"]:
        path = inside(folder, entry.get("file")) if entry.get("role") == "input" else None
        digest.update(path.read_bytes() if path else b"")
    return digest.hexdigest()


def _clip_data(heard: Heard, name: str, entries: list[tuple[Row, dict[str, Any]]]) -> dict[str, Any]:
    first, clip = entries[0]
    given = [_take(heard, role, role, first.run.folder, clip, role) for role in ("input", "target")]
    takes = [_take(heard, run_id(row.run), row.name, row.run.folder, own, "output") for row, own in entries]
    return {"name": name, "takes": [take for take in (*given, *takes) if take["sounds"] or "words" in take]}


def _take(heard: Heard, key: str, title: str, folder: Path, clip: dict[str, Any], role: str) -> dict[str, Any]:
    """`key` is a run's id, or "input" or "target"; `words` are [text, right] pairs where the clip has text."""
    take: dict[str, Any] = {"id": key, "title": title, "sounds": []}
    for entry in clip["files"]:
        if entry.get("role") != role:
            continue
        media = _media(folder, entry)
        if media is None:
            heard.broken += 1
            continue
        heard.media[media.key] = media
        take["sounds"].append({"stem": clean(entry.get("stem") or "", 40), "port": clean(entry.get("port") or "", 40),
                               "media": media.key, "note": clean(entry.get("note") or "", 80)})  # fmt: skip
    texts = [clean(entry.get("text", ""), 600) for entry in clip["texts"] if entry.get("role") == role]
    if texts:
        said = " ".join(texts)
        target = " ".join(clean(entry.get("text", ""), 600) for entry in clip["texts"] if entry.get("role") == "target")
        take["words"] = word_marks(target if role == "output" else said, said)
    return take


def _media(folder: Path, entry: dict[str, Any]) -> Media | None:
    path = inside(folder, entry.get("file"))
    if path is None:
        return None
    gain = entry.get("gain_db")
    lowered = float(gain) if isinstance(gain, int | float) and abs(gain) < FARTHEST else 0.0
    state = path.stat()
    named = f"{path}|{state.st_size}|{state.st_mtime_ns}|{lowered}"
    return Media(hashlib.sha256(named.encode()).hexdigest()[:20], path, lowered)
