"""What a run's folder still holds to hear, see and read, copied beside the page.  A run's files are of unknown origin: only files
inside its folder are read, sounds are decoded and encoded anew, and every name on the page is ours."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audioml.dashboard.clips import CLIPS, inside, manifest
from audioml.dashboard.static import put
from audioml.examples import safe_name
from audioml.gallery.rolls import Roll, read_notes, rolls
from audioml.records import cannot_write
from audioml.table.cells import clean
from audioml.table.words import word_marks

ROLES = {"input": "input", "output": "output", "target": "target (truth)"}
STARTS = {"png": b"\x89PNG\r\n\x1a\n", "mid": b"MThd"}
OURS = re.compile(r"[0-9a-f]{20}\.(flac|png|mid)")


@dataclass(frozen=True)
class Sound:
    """One player: `file` as the page names it, "" where the run's file cannot be played and `note` says so."""

    title: str
    file: str
    note: str = ""


@dataclass(frozen=True)
class Said:
    """One text: its words, each with whether the truth has it too; a score also as a piano roll, and as MIDI to `save` as."""

    title: str
    words: tuple[tuple[str, bool], ...]
    midi: str = ""
    save: str = ""
    roll: Roll | None = None


@dataclass
class Clip:
    """A test item of a run."""

    name: str
    picture: str = ""
    panels: str = ""
    sounds: list[Sound] = field(default_factory=list)
    texts: list[Said] = field(default_factory=list)


class Store:
    """The page's folder media/: files named after their content."""

    def __init__(self, out: Path) -> None:
        self.folder, self.names = out / "media", set[str]()

    def keep(self, data: bytes, suffix: str) -> str:
        """Write `data` unless it is there; its name as the page writes it.  Raises RunError when the disk is full."""
        name = f"{hashlib.sha256(data).hexdigest()[:20]}.{suffix}"
        self.names.add(name)
        path = self.folder / name
        if not path.is_file() or path.stat().st_size != len(data):
            put(path, data)
        return f"media/{name}"

    def tidy(self) -> None:
        """Remove what an earlier page left."""
        try:
            for path in self.folder.glob("*"):
                if OURS.fullmatch(path.name) and path.name not in self.names:
                    path.unlink()
        except OSError as error:
            raise cannot_write(self.folder, error) from None


def clips(folder: Path | None, store: Store) -> list[Clip]:
    """The first clips of a run's folder that have anything to show; none where the folder is gone."""
    if folder is None:
        return []
    found = [_clip(folder, raw, store) for raw in manifest(folder)[:CLIPS]]
    return [clip for clip in found if clip.picture or clip.sounds or clip.texts]


def _clip(folder: Path, raw: dict[str, Any], store: Store) -> Clip:
    clip = Clip(raw["name"] or "unnamed", _copied(folder, raw.get("spectrogram"), "png", store))
    for role, title in ROLES.items():
        for entry in (entry for entry in raw["files"] if entry.get("role") == role):
            sound = _sound(folder, entry, title, store)
            clip.sounds += [sound] if sound else []
    texts = [(entry, title) for role, title in ROLES.items() for entry in raw["texts"] if entry.get("role") == role]
    drawn = rolls([read_notes(inside(folder, entry.get("file"))) for entry, _ in texts])
    said = [_said(folder, raw, entry, title, store) for entry, title in texts]
    clip.texts = [replace(text, roll=roll) for text, roll in zip(said, drawn, strict=True)]
    here = [title for role, title in ROLES.items() if any(entry.get("role") == role for entry in raw["files"])]
    clip.panels = ", ".join(here)
    return clip


def _sound(folder: Path, entry: dict[str, Any], role: str, store: Store) -> Sound | None:
    """None where the file is gone."""
    from audioml.dashboard.sound import decoded, flac

    path = inside(folder, entry.get("file"))
    if path is None:
        return None
    title = " · ".join(filter(None, (role, clean(entry.get("stem") or "", 40))))
    try:
        file = store.keep(flac(*decoded(path)), "flac")
    except (OSError, ValueError, RuntimeError) as error:  # soundfile's own errors are RuntimeErrors
        return Sound(title, "", f"the file cannot be played ({clean(type(error).__name__, 40)})")
    gain = entry.get("gain_db")
    lowered = isinstance(gain, int | float) and not isinstance(gain, bool) and -120 < gain < 0
    notes = [clean(entry.get("note") or "", 80), f"lowered by {-gain:.1f} dB to fit 16 bits" if lowered else ""]
    return Sound(title, file, "; ".join(filter(None, notes)))


def _said(folder: Path, raw: dict[str, Any], entry: dict[str, Any], role: str, store: Store) -> Said:
    text = clean(entry.get("text", ""), 600)
    port = entry.get("port")
    truths = (other for other in raw["texts"] if other.get("role") == "target" and other.get("port") == port)
    truth = [clean(other.get("text", ""), 600) for other in truths]
    reference = truth[0] if truth and entry.get("role") == "output" else text
    midi = _copied(folder, entry.get("midi"), "mid", store)
    save = f"{safe_name(raw['name'])}.{safe_name(str(entry.get('role')))}.mid" if midi else ""
    return Said(role, tuple(word_marks(reference, text)), midi, save)


def _copied(folder: Path, place: Any, kind: str, store: Store) -> str:
    """A picture or a score beside the page, if it is one; else an empty string."""
    path = inside(folder, place)
    try:
        data = path.read_bytes() if path else b""
    except OSError:
        return ""
    return store.keep(data, kind) if data.startswith(STARTS[kind]) else ""
