"""python scripts/beat_peers.py RUN [RUN …]: trained beat trackers beside librosa's and beside our own tracker untrained.

Each run (a fold of scripts/crossval.py, say) judges its own test clips; the other trackers get the same clips, and all are judged
by the task's metric (mir_eval, 70 ms).  Clips are pooled over the runs, for each data set of a folder of folders, with 95 %
intervals over clips; differences are paired.  The untrained tracker is the decoder of representation `activations` on librosa's
onset strength, scaled in two ways that look at the clip alone: by its maximum, and by five times its mean.  Needs no GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import numpy as np  # noqa: E402

from audioml import shelf  # noqa: E402
from audioml.cli import guarded  # noqa: E402
from audioml.corpus import Clip  # noqa: E402
from audioml.errors import RequestError  # noqa: E402
from audioml.metrics import evaluate, interval, paired  # noqa: E402

HOP = 256  # samples, of the onset strength
Tracker = Callable[[np.ndarray, int], np.ndarray]  # wave [T], samples/s -> beats [K] in s


def librosa_beats(wave: np.ndarray, rate: int) -> np.ndarray:
    """librosa's dynamic programming tracker (Ellis 2007) as it comes."""
    import librosa

    return np.asarray(librosa.beat.beat_track(y=wave, sr=rate, units="time")[1], np.float64)


def untrained(scale: Callable[[np.ndarray], float], search: Mapping[str, Any]) -> Tracker:
    """Our tracker on librosa's onset strength divided by `scale` of it, at most 1."""

    def track(wave: np.ndarray, rate: int) -> np.ndarray:
        import librosa

        from audioml.representations import pulse

        strength = librosa.onset.onset_strength(y=wave, sr=rate, hop_length=HOP)
        return pulse.beats(np.clip(strength / max(scale(strength), 1e-9), 0, 1), rate / HOP, **search)

    return track


def trackers(search: Mapping[str, Any]) -> dict[str, Tracker]:
    """The trackers that learn nothing."""
    return {
        "librosa": librosa_beats,
        "untrained, by maximum": untrained(lambda x: float(x.max(initial=0.0)), search),
        "untrained, by mean": untrained(lambda x: 5 * float(x.mean()), search),
    }


def clips_of(run: Path) -> tuple[Any, list[Clip], list[dict[str, Any]]]:
    """A run's request, its test clips, and what its trained system says of them.  RequestError for another task's run."""
    from audioml.evaluate import system_outputs
    from audioml.predict import load
    from audioml.runfolder import finished, request_of

    request = request_of(run)
    if request.names["task"] != "beat_tracking":
        raise RequestError(f"{run} is a run of task={request.names['task']}; this compares runs of task=beat_tracking")
    prepared = request.corpus.prepare(request.plan.task)
    clips = list(prepared.clips("test"))
    return request, clips, system_outputs(load(finished(run)), clips, "cpu")


def events(beats: np.ndarray, kind: int) -> np.ndarray:
    """Times [K] -> events [2, K] of one kind."""
    return np.stack([beats, np.full(len(beats), kind)]).astype(np.float32)


def judged(run: Path) -> tuple[list[str], dict[str, dict[str, list[float | None]]]]:
    """Clip names, and tracker -> quantity -> number per clip."""
    request, clips, own = clips_of(run)
    plan = request.plan
    (audio,) = plan.inputs
    port, kind = plan.output.port, (plan.output.world.names or ()).index("beat")
    rate = plan.inputs[audio].world.rate
    rep = shelf.settings("representation", "activations", {}, "full")[0]
    search = {k: rep[k] for k in ("fps", "slowest", "fastest", "tightness")} | {"threshold": rep["doubt"]}
    outputs = {"trained": own}
    for name, tracker in trackers(search).items():
        waves = [np.asarray(c.ports[audio], np.float32).mean(0) for c in clips]
        outputs[name] = [{port: events(tracker(wave, rate), kind)} for wave in waves]
    worlds = plan.worlds()
    scores = {name: evaluate(plan.task, clips, found, worlds=worlds).items for name, found in outputs.items()}
    return [c.name for c in clips], {n: {k: s[k] for k in s if k.startswith("quality/beat_")} for n, s in scores.items()}


def report(names: Sequence[str], scores: Mapping[str, Mapping[str, Sequence[float | None]]]) -> list[dict[str, Any]]:
    """A row per data set, tracker and quantity: the mean with its interval, and the paired difference to librosa."""
    rows = []
    for group in dict.fromkeys(n.partition("/")[0] for n in names):
        places = [i for i, n in enumerate(names) if n.partition("/")[0] == group]
        for tracker, found in scores.items():
            for key, numbers in found.items():
                mine = [numbers[i] for i in places]
                kept = np.asarray([x for x in mine if x is not None], np.float64)
                gap = paired(mine, [scores["librosa"][key][i] for i in places])
                ci = interval(np.stack([kept, np.ones_like(kept)], 1))
                row = {"set": group, "tracker": tracker, "quantity": key, "value": float(kept.mean()), "ci": ci, "n": len(kept)}
                rows.append({**row, "over_librosa": gap.difference, "over_librosa_ci": gap.ci})
    return rows


def main(arguments: Sequence[str]) -> None:
    """Raises RequestError for runs of another task."""
    parser = argparse.ArgumentParser(prog="beat_peers.py", description="Trained beat trackers beside librosa's, clip by clip.")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs of task=beat_tracking")
    parser.add_argument("--out", type=Path, default=Path("outputs/beat_peers.json"), help="where the numbers go")
    args = parser.parse_args(arguments)
    names: list[str] = []
    scores: dict[str, dict[str, list[float | None]]] = {}
    for run in args.runs:
        own, found = judged(run)
        names += own
        for tracker, quantities in found.items():
            for key, numbers in quantities.items():
                scores.setdefault(tracker, {}).setdefault(key, []).extend(numbers)
        print(f"{run.name}: {len(own)} clips", flush=True)
    rows = report(names, scores)
    for row in rows:
        span = "" if row["ci"] is None else f" [{row['ci'][0]:.3f}, {row['ci'][1]:.3f}]"
        gap = (
            ""
            if row["over_librosa_ci"] is None or row["tracker"] == "librosa"
            else (
                f"   over librosa {row['over_librosa']:+.3f} [{row['over_librosa_ci'][0]:+.3f}, {row['over_librosa_ci'][1]:+.3f}]"
            )
        )
        print(f"{row['set']:16} {row['tracker']:22} {row['quantity']:18} {row['value']:.3f}{span} (n={row['n']}){gap}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({"rows": rows, "names": names, "items": scores}, indent=1) + "\n", "utf-8")
    print(f"written: {args.out}")


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:]), "nothing was written"))
