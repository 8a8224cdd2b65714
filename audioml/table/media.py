"""Sounds, pictures and texts of runs, embedded in the page.  A run's files are of unknown origin: only files inside its
folder are read, and everything is decoded and encoded anew, so that nothing but samples and pixels reaches the page."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audioml.examples import LONGEST, MANIFEST
from audioml.table.cells import clean
from audioml.table.rows import Row
from audioml.table.words import word_marks

BUDGET = 18 * 2**20  # bytes of data URIs on one page
LOSSLESS = 9 * 2**20  # below this the sounds stay lossless
LARGEST_FILE, LARGEST_PICTURE = 32 * 2**20, 20e6  # bytes, pixels
CLIPS = 2


@dataclass
class Sound:
    """A player: `stem` names the source where there are several."""

    stem: str
    uri: str
    note: str = ""


@dataclass
class Take:
    """What one run (or "input", "target") has for a clip."""

    row: Row | None
    title: str
    sounds: list[Sound] = field(default_factory=list)
    words: list[tuple[str, bool]] = field(default_factory=list)
    has_text: bool = False
    picture: str = ""


@dataclass
class Heard:
    """One test clip through every run."""

    name: str
    given: list[Take]
    takes: list[Take]


@dataclass
class Embedder:
    """Turns files into data URIs until the page's budget is spent; `left_out` counts what no longer fitted."""

    lossless: bool = True
    spent: int = 0
    left_out: int = 0
    broken: int = 0

    def sound(self, folder: Path, place: Any) -> str:
        """A data URI of a sound file inside `folder`, or "" (not there, no sound, or no room)."""
        return self._embed(folder, place, _encode_sound, self.lossless)

    def picture(self, folder: Path, place: Any) -> str:
        """A data URI of a picture inside `folder`, or ""."""
        return self._embed(folder, place, _encode_picture, None)

    def _embed(self, folder: Path, place: Any, encode: Any, option: Any) -> str:
        path = inside(folder, place)
        if path is None:
            self.broken += bool(place)
            return ""
        if self.spent > BUDGET:
            self.left_out += 1
            return ""
        try:
            kind, data = encode(path, option)
        except Exception:
            self.broken += 1
            return ""
        uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        self.spent += len(uri)
        return uri


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


def listen(rows: Sequence[Row], embedder: Embedder) -> list[Heard]:
    """The first clips that runs share, through every run that has them.  Clips are the same when name and inputs are."""
    manifests = [(row, manifest(row.run.folder)) for row in rows if row.run.folder]
    shared: dict[tuple[str, str], list[tuple[Row, dict[str, Any]]]] = {}
    for row, clips in manifests:
        for clip in clips:
            shared.setdefault((clip["name"], _digest(row.run.folder, clip)), []).append((row, clip))
    most = sorted(shared.items(), key=lambda entry: -len(entry[1]))[:CLIPS]
    return [_heard(name, entries, embedder) for (name, _), entries in most]


def manifest(folder: Path | None) -> list[dict[str, Any]]:
    """The clips of a run's examples.json, each with sound keys; an unreadable one is empty."""
    path = inside(folder, MANIFEST) if folder else None
    try:
        clips = json.loads(path.read_text(encoding="utf-8"))["clips"] if path else []
        return [_clip(clip) for clip in clips if isinstance(clip, dict)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def audio_bytes(rows: Sequence[Row]) -> int:
    """Bytes of all 16-bit sounds that `rows` would put on the page, to choose the encoding by."""
    total = 0
    for row in rows:
        for clip in manifest(row.run.folder)[:CLIPS]:
            paths = (inside(row.run.folder, entry.get("file")) for entry in clip["files"] if entry.get("role") == "output")
            total += sum(path.stat().st_size for path in paths if path)
    return total


def _clip(raw: dict[str, Any]) -> dict[str, Any]:
    lists = {key: [entry for entry in raw.get(key) or [] if isinstance(entry, dict)] for key in ("files", "texts")}
    return {"name": clean(raw.get("name", ""), 80), "spectrogram": raw.get("spectrogram"), **lists}


def _digest(folder: Path, clip: dict[str, Any]) -> str:
    """Of the clip's inputs: the same name with other sound is another clip."""
    digest = hashlib.sha256()
    for entry in clip["files"]:
        path = inside(folder, entry.get("file")) if entry.get("role") == "input" else None
        digest.update(path.read_bytes() if path else b"")
    return digest.hexdigest()


def _heard(name: str, entries: list[tuple[Row, dict[str, Any]]], embedder: Embedder) -> Heard:
    first, clip = entries[0]
    given = [_take(None, role, first.run.folder, clip, role, embedder) for role in ("input", "target")]
    takes = []
    for row, own in entries:
        take = _take(row, row.name, row.run.folder, own, "output", embedder)
        takes.append(take)
        if take.sounds:
            take.picture = embedder.picture(row.run.folder, own["spectrogram"])
    if given and not any(take.sounds for take in takes):  # the picture shows the input only: once is enough
        given[0].picture = embedder.picture(first.run.folder, clip["spectrogram"])
    return Heard(name, [take for take in given if take.sounds or take.has_text], takes)


def _take(row: Row | None, title: str, folder: Path, clip: dict[str, Any], role: str, embedder: Embedder) -> Take:
    take = Take(row, title)
    for entry in clip["files"]:
        if entry.get("role") == role and (uri := embedder.sound(folder, entry.get("file"))):
            take.sounds.append(Sound(clean(entry.get("stem") or "", 40), uri, _note(entry)))
    texts = [str(entry.get("text", "")) for entry in clip["texts"] if entry.get("role") == role]
    if texts:
        target = " ".join(str(entry.get("text", "")) for entry in clip["texts"] if entry.get("role") == "target")
        take.has_text, said = True, " ".join(clean(text, 600) for text in texts)
        take.words = word_marks(clean(target, 600) if role == "output" else said, said)
    return take


def _note(entry: dict[str, Any]) -> str:
    gain = entry.get("gain_db")
    words = [f"played {gain:+.1f} dB"] if isinstance(gain, int | float) else []
    return "; ".join(words + ([clean(entry["note"], 80)] if entry.get("note") else []))


def _encode_sound(path: Path, lossless: bool) -> tuple[str, bytes]:
    import soundfile

    with soundfile.SoundFile(path) as file:
        rate, x = file.samplerate, file.read(int(LONGEST * file.samplerate), dtype="float32", always_2d=True)
    if not len(x):
        raise ValueError("no samples")
    out = io.BytesIO()
    if lossless:
        soundfile.write(out, x, rate, format="FLAC", subtype="PCM_16")
        return "audio/flac", out.getvalue()
    soundfile.write(out, x, rate, format="OGG", subtype="VORBIS")
    return "audio/ogg", out.getvalue()


def _encode_picture(path: Path, _: None) -> tuple[str, bytes]:
    from PIL import Image

    with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
        if image.width * image.height > LARGEST_PICTURE:
            raise ValueError("too many pixels")
        out = io.BytesIO()
        image.convert("RGBA").save(out, "WEBP", quality=80, method=2)
    return "image/webp", out.getvalue()
