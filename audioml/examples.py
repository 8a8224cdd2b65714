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
from typing import TYPE_CHECKING, Any

from audioml.corpus import Clip
from audioml.errors import RunError
from audioml.kinds import Notes, Stems, Wave, World
from audioml.records import write_bytes, write_text
from audioml.symbols import csv_of, in_words, midi_of

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "examples.json"
LONGEST = 12.0  # seconds kept of a clip: enough to judge by ear, small enough for a page with many runs
FLOOR_DB, WINDOW, HOP = -80.0, 512, 128


@dataclass
class _Sink:
    """What is gathered for one clip: files and texts for the manifest, panels for the picture."""

    folder: Path
    stem: str
    files: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    panels: dict[tuple[str, str], tuple[Any, int]] = field(default_factory=dict)


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
        picture = _draw(sink)
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


def spectrogram(x: np.ndarray, window: int = WINDOW, hop: int = HOP) -> np.ndarray:
    """Levels [window // 2 + 1, N] of a signal [T] in dB: 0 dB is a sine at full scale, nothing is below -80 dB."""
    import numpy as np

    x = np.pad(x, (0, max(0, window - len(x))))
    frames = np.lib.stride_tricks.sliding_window_view(x, window)[::hop]
    shape = np.hanning(window).astype(np.float32)
    level = np.abs(np.fft.rfft(frames * shape, axis=-1)) * (2 / shape.sum())
    return np.maximum(20 * np.log10(np.maximum(level.T, 1e-9)), FLOOR_DB)


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
    write_bytes(sink.folder / entry["file"], data.getvalue())
    sink.files.append(entry)
    sink.panels[(stem, role)] = (x.mean(0), rate)


def _draw(sink: _Sink) -> str | None:
    """One picture of a clip: a row per stem, a column each for input, output and target.  Returns its place, or None."""
    roles = [role for role in ("input", "output", "target") if any(key[1] == role for key in sink.panels)]
    if not roles:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    stems = list(dict.fromkeys(stem for stem, role in sink.panels if role == roles[-1]))
    width, height = 5.75, (1.5 if len(stems) == 1 else 1.1) * len(stems) + 0.35
    figure = Figure(figsize=(width, height), dpi=130)
    FigureCanvasAgg(figure)
    # one axis in inches for all panels, and its labels as plain text: axes with ticks take several times as long as the pictures
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_axis_off()
    axis.set(xlim=(0, width), ylim=(0, height), autoscale_on=False)
    seconds = max(max(len(x), WINDOW) / rate for x, rate in sink.panels.values())
    khz = max(rate for _, rate in sink.panels.values()) / 2000
    wide, high = (width - 0.52) / len(roles), (height - 0.36) / len(stems)
    for row, stem in enumerate(stems):
        for column, role in enumerate(roles):
            panel = sink.panels.get((stem, role)) or (sink.panels.get(("", role)) if row == 0 else None)
            if panel is not None:
                title = f"{role} · {stem}" if stem and (stem, role) in sink.panels else role
                box = (0.42 + column * wide, height - (row + 1) * high, wide - 0.08, high - 0.24)
                _panel(axis, panel, title, box, (seconds, khz), first=column == 0, last=row == len(stems) - 1)
    data = io.BytesIO()
    # at the usual level compressing takes longer than drawing
    figure.savefig(data, format="png", transparent=True, pil_kwargs={"compress_level": 2})
    place = f"audio/{sink.stem}.png"
    write_bytes(sink.folder / place, data.getvalue())
    return place


def _panel(
    axis: Any,
    panel: tuple[Any, int],
    title: str,
    place: tuple[float, float, float, float],
    full: tuple[float, float],
    *,
    first: bool,
    last: bool,
) -> None:
    """One spectrogram at `place` (left, bottom, width, height), whose scales reach to `full` (s, kHz)."""
    (signal, rate), (left, bottom, wide, high), (seconds, khz) = panel, place, full
    hop = max(HOP, len(signal) // 600)  # more columns than pixels only cost time
    right, top = left + wide * max(len(signal), WINDOW) / rate / seconds, bottom + high * rate / 2000 / khz
    picture = spectrogram(signal, hop=hop)
    axis.imshow(picture, origin="lower", aspect="auto", extent=(left, right, bottom, top), vmin=FLOOR_DB, vmax=0, cmap="magma")
    grey = {"color": "#808080"}  # reads on white and on black
    axis.text(left + wide / 2, bottom + high + 0.05, title, fontsize=8, ha="center", va="bottom", **grey)
    for tick in _ticks(seconds) if last else ():
        axis.text(left + wide * tick / seconds, bottom - 0.04, f"{tick:g}", fontsize=7.5, ha="center", va="top", **grey)
    if last:
        axis.text(left + wide / 2, bottom - 0.2, "s", fontsize=8, ha="center", va="center", **grey)
    if first:
        for tick in _ticks(khz):
            axis.text(left - 0.04, bottom + high * tick / khz, f"{tick:g}", fontsize=7.5, ha="right", va="center", **grey)
        axis.text(left - 0.34, bottom + high / 2, "kHz", fontsize=8, rotation=90, ha="center", va="center", **grey)


def _ticks(end: float) -> list[float]:
    """About four round numbers from 0 on, none so near the end that its label would run into the next panel."""
    step = next(s for e in range(-3, 9) for s in (10.0**e, 2 * 10.0**e, 5 * 10.0**e) if end / s <= 4.5)
    return [k * step for k in range(5) if k * step <= 0.93 * end]


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
