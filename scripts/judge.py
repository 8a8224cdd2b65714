"""python scripts/judge.py MAKER JUDGE: how well a run trained on real speech understands what another run says.

MAKER makes audio from text (tts, text_to_audio), JUDGE makes text, or a class that is called as the text, from audio (asr;
classification with data.columns.label=COLUMN of the texts).  MAKER says the texts of JUDGE's test split, and JUDGE, which has
never heard these recordings, writes down what it hears.  The same judge on the real recordings is the ceiling, on those recordings
through the maker's representation what the maker cannot exceed; what was said against the texts of other clips, and the maker's
baseline (noise), are chance.

Prints the judge's metrics with 95 % intervals over the clips, and writes OUT/judge.json with them and with every text.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import numpy as np  # noqa: E402
import torch  # noqa: E402

from audioml.cli import guarded  # noqa: E402
from audioml.corpus import Clip  # noqa: E402
from audioml.errors import RequestError  # noqa: E402
from audioml.evaluate import Sample  # noqa: E402
from audioml.kinds import Batch, Label, Seq, Text, Wave  # noqa: E402
from audioml.methods.trivial import PREDICTORS  # noqa: E402
from audioml.metrics import Scores, evaluate  # noqa: E402
from audioml.plan import Plan  # noqa: E402

SHOWN = {
    "real": "the real recordings",
    "coded": "the real recordings through the maker's representation",
    "made": "what the maker says",
    "shuffled": "the same against the texts of other clips",
    "noise": "the maker's baseline, noise",
}


def one_port(ports: Any, kinds: tuple[type, ...]) -> str | None:
    """The name of the only port, where it is of one of `kinds`."""
    found = list(ports.items())
    return found[0][0] if len(found) == 1 and isinstance(found[0][1], kinds) else None


def check_pair(maker: Plan, judge: Plan, folders: Sequence[Path]) -> tuple[str, str, str, str]:
    """The maker's text and wave ports, the judge's wave and text ports.  RequestError for runs that do something else."""
    text = one_port({p: s.world for p, s in maker.inputs.items()}, (Text,))
    said = one_port({maker.output.port: maker.output.world}, (Wave,))
    heard = one_port({p: s.world for p, s in judge.inputs.items()}, (Wave,))
    written = one_port({judge.output.port: judge.output.world}, (Text, Label))
    if text is None or said is None:
        raise RequestError(f"{folders[0]} does not speak: task '{maker.task.name}' makes no wave from one text")
    if heard is None or written is None:
        raise RequestError(f"{folders[1]} does not listen: task '{judge.task.name}' makes no text and no class from one wave")
    for folder, plan in zip(folders, (maker, judge), strict=True):
        if not plan.method.learnt:
            raise RequestError(f"{folder} holds no trained system: method '{plan.method.name}' learns nothing")
    if maker.output.world.channels != judge.inputs[heard].world.channels:  # type: ignore[union-attr]
        raise RequestError("the maker and the judge do not have equally many channels")
    return text, said, heard, written


def wording(world: Any, value: Any) -> str:
    """A text, or the name of a class."""
    return value if isinstance(world, Text) else str(world.classes[int(value)])


def batch_of(wave: np.ndarray) -> Seq:
    """[C, T] -> a batch of one."""
    return Seq(torch.from_numpy(np.ascontiguousarray(wave, np.float32))[None], torch.tensor([wave.shape[-1]]))


def resampled(wave: Seq, old: int, new: int) -> Seq:
    """A batch of one at another sampling rate."""
    if old == new:
        return wave
    from torchaudio.functional import resample

    x = resample(wave.x[..., : int(wave.n[0])], old, new)
    return Seq(x, torch.tensor([x.shape[-1]]))


def spoken(system: Callable[..., Batch], text: str, ports: tuple[str, str], real: Seq, seed: int) -> Seq:
    """The text as the maker says it, as long as the real recording where it does not decide that itself; what samples does so alike
    in every repetition."""
    torch.manual_seed(seed)
    with torch.no_grad():
        return system({ports[0]: Seq([text], torch.tensor([len(text)]))}, Seq(None, real.n))[ports[1]]


def trivial(name: str, plan: Plan, text: str, ports: tuple[str, str], real: Seq) -> Seq:
    """What a predictor that learns nothing makes of a text, or of the recording itself."""
    inputs = {ports[0]: Seq([text], torch.tensor([len(text)]))}
    with torch.no_grad():
        return PREDICTORS[name](plan, inputs, {**inputs, ports[1]: real}, {})[ports[1]]


def listened(system: Callable[[Batch], Batch], waves: Sequence[Seq], ports: tuple[str, str], least: int) -> list[dict[str, Any]]:
    """What the judge writes down; a wave of fewer than `least` samples is followed by silence."""
    out = []
    for wave in waves:
        x = wave.x[..., : int(wave.n[0])]
        x = torch.nn.functional.pad(x, (0, max(0, least - x.shape[-1])))
        with torch.no_grad():
            (item,) = system({ports[0]: Seq(x, torch.tensor([x.shape[-1]]))})[ports[1]].x
        out.append({ports[1]: item if isinstance(item, str) else int(item)})
    return out


def dealt(count: int) -> list[int]:
    """Another clip for each clip: the next one in a fixed random order."""
    order = np.random.default_rng(0).permutation(count)
    return [int(order[(k + 1) % count]) for k in np.argsort(order)]


def judged(maker: Any, judge: Any, clips: Sequence[Clip], ports: tuple[str, str, str, str]) -> dict[str, tuple[Scores, list[str]]]:
    """Row -> (scores, what the judge wrote)."""
    text, said, heard, written = ports
    plan, worlds = maker.plan, judge.plan.worlds()
    own, theirs = plan.output.world.rate, judge.plan.inputs[heard].world.rate
    texts = [wording(worlds[written], c.ports[written]) for c in clips]
    known = plan.inputs[text].world.alphabet
    strange = sorted(set("".join(texts)) - set(known or "".join(texts)))
    if strange:
        raise RequestError(
            f"the judge's texts hold {' '.join(map(repr, strange))}, which the maker has never seen; it knows {known}"
        )
    real = [batch_of(c.ports[heard]) for c in clips]
    asked = [resampled(w, theirs, own) for w in real]  # the recordings as the maker's data would hold them
    waves = {
        "real": real,
        "coded": [trivial(plan.task.ceiling, plan, t, (text, said), w) for t, w in zip(texts, asked, strict=True)],
        "made": [spoken(maker, t, (text, said), w, k) for k, (t, w) in enumerate(zip(texts, asked, strict=True))],
        "noise": [trivial(plan.task.baseline, plan, t, (text, said), w) for t, w in zip(texts, asked, strict=True)],
    }
    least = getattr(judge.plan.inputs[heard].representation, "window", 1)
    found: dict[str, tuple[Scores, list[str]]] = {}
    for row, made in waves.items():
        rate = theirs if row == "real" else own
        outputs = listened(judge, [resampled(w, rate, theirs) for w in made], (heard, written), least)
        against = {row: clips}
        if row == "made":
            against["shuffled"] = [
                Clip(c.name, {**c.ports, written: clips[k].ports[written]}) for c, k in zip(clips, dealt(len(clips)), strict=True)
            ]
        for name, truth in against.items():
            scores = evaluate(judge.plan.task, truth, outputs, worlds=worlds)
            found[name] = scores, [wording(worlds[written], o[written]) for o in outputs]
    return found


def main(arguments: Sequence[str]) -> None:
    """Raises RequestError for runs that do not fit together."""
    from audioml.predict import load
    from audioml.records import write_text
    from audioml.runfolder import finished, request_of

    parser = argparse.ArgumentParser(prog="judge.py", description="How well one run understands what another says.")
    parser.add_argument("maker", type=Path, help="the folder of a run that speaks: text -> audio")
    parser.add_argument("judge", type=Path, help="the folder of a run that listens: audio -> text, or a class called as the text")
    parser.add_argument("--split", choices=("valid", "test"), default="test", help="of the judge's data (test)")
    parser.add_argument("--items", type=int, default=None, help="at most so many clips, evenly spread")
    parser.add_argument("--out", type=Path, default=Path("outputs/judge"), help="where judge.json goes (outputs/judge)")
    args = parser.parse_args(arguments)
    runs = [finished(args.maker), finished(args.judge)]
    ports = check_pair(runs[0].plan, runs[1].plan, (args.maker, args.judge))
    maker, judge = (load(run) for run in runs)
    prepared = request_of(args.judge).corpus.prepare(judge.plan.task)
    clips = list(Sample(prepared, {args.split: args.items or None}).clips(args.split))
    found = judged(maker, judge, clips, ports)
    for row, words in SHOWN.items():
        values = [f"{n.partition('/')[2]} {v}" for n, v in shown(found[row][0]).items()]
        print(f"{words}: {', '.join(values)}")
    report = {
        "maker": args.maker.name, "judge": args.judge.name, "split": args.split, "clips": len(clips),
        "rows": {row: {n: v.as_dict() for n, v in found[row][0].values.items()} for row in SHOWN},
        "texts": [wording(judge.plan.output.world, c.ports[ports[3]]) for c in clips],
        "heard": {row: found[row][1] for row in SHOWN},
    }  # fmt: skip
    write_text(args.out / "judge.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def shown(scores: Scores) -> dict[str, str]:
    """Each value as a person reads it, with its interval."""
    return {
        name: f"{v.value:.3f}" + (f" [{v.ci[0]:.3f}, {v.ci[1]:.3f}]" if v.ci else "") + f" (n={v.n})"
        for name, v in scores.values.items()
        if v.value is not None
    }


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:]), "nothing was written"))
