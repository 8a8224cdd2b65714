"""python scripts/codec_curve.py RUN [RUN …]: the rate-distortion chart of trained codecs beside k-means mel frames and Opus.

Every system codes the first run's test clips.  The codecs are measured at each number of levels they have, or with --kbps at
those rates alone; the k-means books are learnt from the same training data (representation `rvq`, any number of its levels; one
coder per --frames); Opus runs through soundfile, and its rate counts packets only, without the Ogg container.  Rates of codes
are plain indices, without an entropy coder.  Needs no GPU.

Writes OUT/codec_curve.csv, OUT/codec_curve.png and OUT/compared.txt, which it also prints: each codec point against each k-means
coder at the nearest rate that is at least its own, the mean difference over the clips with its 95 % interval, metric by metric.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import numpy as np  # noqa: E402

from audioml import shelf  # noqa: E402
from audioml.cli import guarded  # noqa: E402
from audioml.corpus import Clip, Prepared  # noqa: E402
from audioml.errors import RequestError  # noqa: E402
from audioml.kinds import Seq  # noqa: E402
from audioml.metrics import Scores, evaluate, paired  # noqa: E402
from audioml.parts import Task  # noqa: E402

SHOWN = {
    "fidelity/mel_distance": "mel distance (dB), lower is better",
    "fidelity/spectral_distance": "log-spectral distance (dB), lower is better",
    "fidelity/pesq_wb": "PESQ (wide band), higher is better",
    "fidelity/stoi": "STOI, higher is better",
}
OPUS = (1.0, 0.99, 0.98, 0.96, 0.92, 0.88)  # compression levels of libsndfile: 6 to 36 kbit/s asked for


@dataclass
class Point:
    """One system at one rate."""

    system: str
    kbps: float
    scores: Scores


def waves_of(clips: Sequence[Clip], port: str) -> list[np.ndarray]:
    """[C, T] of every clip."""
    return [np.asarray(c.ports[port], np.float32) for c in clips]


def seq_of(wave: np.ndarray) -> Seq:
    """[C, T] -> a batch of one."""
    import torch

    return Seq(torch.from_numpy(wave)[None], torch.tensor([wave.shape[-1]]))


def chosen(levels: int, one: float, rates: Sequence[float] | None) -> list[int]:
    """Which numbers of levels of `one` kbit/s each are measured: all, or those nearest to the `rates` that there are."""
    if rates is None:
        return list(range(1, levels + 1))
    return sorted({k for k in (round(r / one) for r in rates) if 1 <= k <= levels})


def label_of(folder: Path) -> str:
    """What the chart calls a run: its name=, or its folder."""
    from audioml.runfolder import request_of

    return request_of(folder).name or folder.name


def codec_points(
    folder: Path, waves: Sequence[np.ndarray], rates: Sequence[float] | None = None
) -> Iterator[tuple[str, float, list[np.ndarray]]]:
    """(name, kbit/s, decoded waves) at every number of levels, or at `rates` alone."""
    import torch

    from audioml.coder import load_coder

    coder = load_coder(str(folder))
    method: Any = coder.method
    if not hasattr(method, "codes"):
        raise RequestError(f"{folder} is no codec: its method '{method.name}' makes no codes")
    books, pace, name = coder.system.extra, float(method.pace(coder.system)), label_of(folder)
    codes = [coder.encode(torch.from_numpy(w)[None]) for w in waves]
    for levels in chosen(books.levels, math.log2(books.size) * pace / 1000, rates):
        out = [coder.decode(c[:, :levels], w.shape[-1])[0].numpy() for c, w in zip(codes, waves, strict=True)]
        yield f"codec {name}", levels * math.log2(books.size) * pace / 1000, out


def kmeans_points(
    prepared: Prepared,
    waves: Sequence[np.ndarray],
    world: Any,
    port: str,
    most: float,
    settings: dict[str, Any],
    rates: Sequence[float] | None = None,
) -> Iterator[tuple[str, float, list[np.ndarray]]]:
    """The classical coder: residual k-means over log-mel frames, rendered by Griffin-Lim, up to `most` kbit/s."""
    pace = float(shelf.make("representation", "rvq", settings, "full").space(world).rate)
    levels = max(1, math.floor(1000 * most / (math.log2(settings["size"]) * pace) + 1e-9))
    rep = shelf.make("representation", "rvq", {**settings, "books": levels}, "full")
    rep.fit(prepared, port, world, 0)
    coded = [rep.encode(seq_of(w), world) for w in waves]
    for k in chosen(levels, math.log2(settings["size"]) * pace / 1000, rates):
        out = [rep.decode(Seq(c.x[:, :k], c.n), side, world).x[0].numpy() for c, side in coded]
        yield f"k-means mel + Griffin-Lim, {rep.window}/{rep.hop}", k * math.log2(settings["size"]) * pace / 1000, out


def opus_points(waves: Sequence[np.ndarray], rate: int) -> Iterator[tuple[str, float, list[np.ndarray]]]:
    """Opus at several rates; nothing where libsndfile lacks it."""
    import soundfile

    if "OPUS" not in soundfile.available_subtypes("OGG"):
        print("opus is left out: this libsndfile has none", file=sys.stderr)
        return
    for level in OPUS:
        out, bits, seconds = [], 0, 0.0
        for wave in waves:
            file = io.BytesIO()
            with soundfile.SoundFile(file, "w", rate, wave.shape[0], format="OGG", subtype="OPUS", compression_level=level) as sink:
                sink.write(wave.T)
            bits, seconds = bits + 8 * payload(file.getvalue()), seconds + wave.shape[-1] / rate
            file.seek(0)
            back = soundfile.read(file, dtype="float32", always_2d=True)[0].T
            out.append(np.pad(back, [(0, 0), (0, max(0, wave.shape[-1] - back.shape[-1]))])[:, : wave.shape[-1]])
        yield "Opus", bits / seconds / 1000, out


def payload(ogg: bytes) -> int:
    """Bytes of the audio packets of an Ogg Opus file (RFC 3533 §6, RFC 7845 §3): all packets but the two headers."""
    at, sizes, open_packet = 0, [], 0
    while at + 27 <= len(ogg) and ogg[at : at + 4] == b"OggS":
        table = ogg[at + 27 : at + 27 + ogg[at + 26]]
        for size in table:
            open_packet += size
            if size < 255:
                sizes.append(open_packet)
                open_packet = 0
        at += 27 + len(table) + sum(table)
    return sum(sizes[2:])


def measured(
    named: Iterator[tuple[str, float, list[np.ndarray]]], task: Task, clips: Sequence[Clip], port: str, worlds: Any
) -> Iterator[Point]:
    """Scores of every point, printed as they come."""
    for name, kbps, waves in named:
        scores = evaluate(task, clips, [{port: w} for w in waves], worlds=worlds)
        found = ", ".join(f"{k.partition('/')[2]} {v.value:.3g}" for k, v in scores.values.items() if isinstance(v.value, float))
        print(f"{name}: {kbps:.2f} kbit/s, {found}", flush=True)
        yield Point(name, kbps, scores)


def compared(points: Sequence[Point]) -> list[str]:
    """Each codec point against each k-means coder at the nearest rate that is at least its own, in every metric of the chart."""
    lines = []
    for point in (p for p in points if p.system.startswith("codec")):
        for name in dict.fromkeys(p.system for p in points if p.system.startswith("k-means")):
            classical = sorted((p for p in points if p.system == name), key=lambda p: p.kbps)
            rival = next((p for p in classical if p.kbps >= point.kbps - 1e-9), classical[-1])
            said = [f"{point.system} at {point.kbps:.2f} kbit/s against {name} at {rival.kbps:.2f}:"]
            for metric in (m for m in SHOWN if m in point.scores.items and m in rival.scores.items):
                got = paired(point.scores.items[metric], rival.scores.items[metric])
                span = "no interval" if got.ci is None else f"[{got.ci[0]:.3f}, {got.ci[1]:.3f}]"
                said.append(f"{metric.partition('/')[2]} {got.difference:+.3f} {span}")
            lines.append(" ".join(said))
    return lines


def write(points: Sequence[Point], out: Path) -> None:
    """The table and the chart."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    out.mkdir(parents=True, exist_ok=True)
    with (out / "codec_curve.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["system", "kbps", "metric", "unit", "value", "low", "high", "n"])
        for p in points:
            for name, v in p.scores.values.items():
                ci = v.ci or ("", "")
                writer.writerow([p.system, f"{p.kbps:.4f}", name, v.unit, "" if v.value is None else v.value, *ci, v.n])
    shown = {k: t for k, t in SHOWN.items() if any(p.scores.values.get(k) and p.scores.values[k].value is not None for p in points)}
    figure, axes = pyplot.subplots(1, len(shown), figsize=(4.6 * len(shown), 4), squeeze=False)
    for axis, (metric, title) in zip(axes[0], shown.items(), strict=True):
        for system in dict.fromkeys(p.system for p in points):
            rows = sorted((p.kbps, p.scores.values[metric]) for p in points if p.system == system)
            rows = [(k, v) for k, v in rows if v.value is not None]
            low = [v.value - (v.ci or (v.value, v.value))[0] for _, v in rows]
            high = [(v.ci or (v.value, v.value))[1] - v.value for _, v in rows]
            axis.errorbar([k for k, _ in rows], [v.value for _, v in rows], [low, high], marker="o", capsize=2, label=system)
        axis.set(xscale="log", xlabel="kbit/s", title=title)
        axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out / "codec_curve.png", dpi=120)


def frames_of(text: str) -> tuple[int, int]:
    """"1024/256" -> (window, hop).  Raises RequestError for anything else."""
    window, _, hop = text.partition("/")
    if not (window.isdigit() and hop.isdigit()):
        raise RequestError(f"--frames {text} should be WINDOW/HOP in samples, as 1024/256")
    return int(window), int(hop)


def main(arguments: Sequence[str]) -> None:
    """Raises RequestError for runs that are no codecs."""
    from audioml.runfolder import request_of

    parser = argparse.ArgumentParser(prog="codec_curve.py", description="The rate-distortion chart of trained codecs.")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs of method=vq on one set of data")
    parser.add_argument("--out", type=Path, default=Path("outputs/codec_curve"), help="where table and chart go")
    parser.add_argument("--items", type=int, default=None, help="at most so many test clips")
    parser.add_argument("--size", type=int, default=256, help="codes in a k-means book (256)")
    parser.add_argument("--vectors", type=int, default=40000, help="mel frames that k-means learns from (40000)")
    parser.add_argument("--kbps", type=float, nargs="+", help="only the rates nearest to these (all that the codecs have)")
    parser.add_argument("--frames", nargs="+", default=["1024/256"], help="WINDOW/HOP of each k-means coder, samples (1024/256)")
    args = parser.parse_args(arguments)
    frames = [frames_of(text) for text in args.frames]
    request = request_of(args.runs[0])
    plan, task = request.plan, request.plan.task
    prepared = request.corpus.prepare(task)
    count = min(prepared.size("test"), args.items or prepared.size("test"))
    clips = [prepared.clip("test", i) for i in range(count)]
    port, worlds = plan.output.port, plan.worlds()
    waves, world = waves_of(clips, port), plan.output.world
    points: list[Point] = []
    for folder in args.runs:
        points += measured(codec_points(folder, waves, args.kbps), task, clips, port, worlds)
    most = max(p.kbps for p in points)
    for window, hop in frames:
        settings = {"size": args.size, "vectors": args.vectors, "window": window, "hop": hop}
        points += measured(kmeans_points(prepared, waves, world, port, most, settings, args.kbps), task, clips, port, worlds)
    points += measured(opus_points(waves, world.rate), task, clips, port, worlds)  # type: ignore[union-attr]
    write(points, args.out)
    lines = "\n".join(compared(points))
    (args.out / "compared.txt").write_text(lines + "\n", encoding="utf-8")
    print(lines)


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:]), "nothing was written"))
