"""A few test items of a run, to hear, see and read: ``audio/*.wav`` with spectrograms, ``text/examples.csv``, a manifest."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audioml.corpus import Clip
from audioml.errors import RunError
from audioml.kinds import Notes, Stems, Wave, World
from audioml.pictures import picture_of
from audioml.records import write_bytes, write_text
from audioml.symbols import csv_of, in_words, midi_of

MANIFEST = "examples.json"
LONGEST = 12.0  # seconds kept of a clip: enough to judge by ear, small enough for a page with many runs


@dataclass
class _Sink:
    """What is gathered for one clip: files and texts for the manifest, panels for the picture."""

    folder: Path
    stem: str
    files: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    panels: dict[tuple[str, str], tuple[Any, int]] = field(default_factory=dict)

    def draw(self) -> str | None:
        """The picture, where there is sound.  Returns its place."""
        if not self.panels:
            return None
        place = f"audio/{self.stem}.png"
        write_bytes(self.folder / place, picture_of(self.panels), sure=False)
        return place


def write_examples(
    folder: Path, plan: Any, clips: Sequence[Clip], outputs: Sequence[Mapping[str, Any]], limit: int = 3
) -> dict[str, Any]:
    """Write the first `limit` clips of a run into its folder, and return the manifest (also written as examples.json).

    `plan` needs ``.inputs`` {port: Side} and ``.output`` Side.  `clips` carry inputs and target; `outputs` are, clip by clip,
    what the run made of them: {port: array [C, T] or [S, C, T] | str | int}, on the CPU.  Audio becomes
    ``audio/<clip>.<input|output|target>.<port>[.<stem>].wav`` (16 bit, first 12 s) with one picture ``audio/<clip>.png``;
    texts, labels and lists become ``text/examples.csv`` (lists one csv each, notes ``midi/*.mid`` too).  Raises RunError
    when the disk is full.
    """
    worlds = [("input", port, side.world) for port, side in plan.inputs.items()]
    target = (plan.output.port, plan.output.world)
    manifest: list[dict[str, Any]] = []
    taken: set[str] = set()
    for clip, output in list(zip(clips, outputs, strict=False))[:limit]:
        sink = _Sink(Path(folder), unique(safe_name(clip.name), taken))
        for role, port, world in worlds:
            _put(sink, role, port, world, clip.ports[port])
        _put(sink, "output", *target, output[target[0]])
        _put(sink, "target", *target, clip.ports[target[0]])
        picture = sink.draw()
        manifest.append({"name": clip.name, "files": sink.files, "texts": sink.texts, "spectrogram": picture})
    out = {"schema": 1, "clips": manifest}
    if any(clip["texts"] for clip in manifest):
        _write_texts(Path(folder) / "text" / "examples.csv", manifest)
    write_text(Path(folder) / MANIFEST, json.dumps(out, indent=1, ensure_ascii=False) + "\n")
    return out


def safe_name(name: str, longest: int = 60) -> str:
    """`name` as a file name: letters, digits, ``- _`` only, never empty, never hidden, never a path."""
    flat = unicodedata.normalize("NFKD", str(name)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "_", flat).strip("_")[:longest] or "clip"


def _put(sink: _Sink, role: str, port: str, world: World, item: Any) -> None:
    if isinstance(world, Wave):
        _put_audio(sink, role, port, "", world.rate, item)
    elif isinstance(world, Stems):
        names = world.names or tuple(f"source {index + 1}" for index in range(len(item)))
        for name, signal in zip(names, item, strict=False):
            _put_audio(sink, role, port, name, world.rate, signal)
    else:
        sink.texts.append({"port": port, "role": role, "text": in_words(world, item)})
        _put_symbols(sink, role, port, world, item)


def _put_symbols(sink: _Sink, role: str, port: str, world: World, item: Any) -> None:
    """Lists as a csv file, notes as MIDI too."""
    table = csv_of(world, item)
    if table is None:
        return
    name = f"{sink.stem}.{role}.{safe_name(port)}"
    write_text(sink.folder / "text" / f"{name}.csv", table)
    sink.texts[-1]["file"] = f"text/{name}.csv"
    if isinstance(world, Notes):
        write_bytes(sink.folder / "midi" / f"{name}.mid", midi_of(item))
        sink.texts[-1]["midi"] = f"midi/{name}.mid"


def _put_audio(sink: _Sink, role: str, port: str, stem: str, rate: int | None, signal: Any) -> None:
    import numpy as np
    import soundfile

    if not rate:
        raise RunError(f"cannot write example audio of port '{port}': its rate is not known")
    x = np.asarray(signal, dtype=np.float32)
    x = np.atleast_2d(x)[:, : math.ceil(LONGEST * rate)]
    entry: dict[str, Any] = {"port": port, "role": role, "stem": stem, "rate": rate}
    if not np.isfinite(x).all():
        x, entry["note"] = np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0), "NaN or Inf samples were set to 0"
    peak = float(np.abs(x).max(initial=0.0))
    if peak > 1:  # 16 bit would clip, and a clipped sound is not what the run made
        x, entry["gain_db"] = x / peak, round(-20 * math.log10(peak), 2)
    words = [sink.stem, role, safe_name(port), *([safe_name(stem)] if stem else [])]
    entry["file"] = f"audio/{'.'.join(words)}.wav"
    data = io.BytesIO()
    soundfile.write(data, x.T, rate, format="WAV", subtype="PCM_16")
    write_bytes(sink.folder / entry["file"], data.getvalue(), sure=False)  # a dozen a run: the record waits, they do not
    sink.files.append(entry)
    sink.panels[(stem, role)] = (x.mean(0), rate)


def _write_texts(path: Path, manifest: list[dict[str, Any]]) -> None:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["clip", "port", "reference", "hypothesis"])
    for clip in manifest:
        by_role = {text["role"]: text for text in clip["texts"]}
        if "output" in by_role:
            target = by_role.get("target", {}).get("text", "")
            writer.writerow([clip["name"], by_role["output"]["port"], target, by_role["output"]["text"]])
    write_text(path, table.getvalue())


def unique(name: str, taken: set[str]) -> str:
    """A file's name that is not yet taken, in letters of either case."""
    number, free = 2, name
    while free.lower() in taken:  # two clips may differ only in letters that a file name cannot hold
        number, free = number + 1, f"{name}_{number}"
    taken.add(free.lower())
    return free
