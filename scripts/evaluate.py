"""Judge finished runs on a split they were not judged on: ``python scripts/evaluate.py RUN… --split valid``.

A run's own record holds the test split.  Here the same metrics, intervals and trivial baseline are computed for all items of
``valid`` (or ``test``) and written to RUN/SPLIT.json, so that settings can be chosen without a look at the test split.
``--set data.KEY=VALUE`` or ``--set method.KEY=VALUE`` judges with other settings, such as other rows or another way to search
(to RUN/SPLIT_set.json).  ``--likelihood`` leaves out whatever needs outputs to be drawn, which takes most of the time where
symbols are; the baseline of codes is then how often each occurs in its book (nats per code: times the books, per frame).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.errors import RequestError
from audioml.parts import Task
from audioml.predict import load
from audioml.records import write_text
from audioml.runfolder import finished, request_of

Settings = Mapping[str, Mapping[str, Any]]


def settings(items: list[str]) -> dict[str, dict[str, Any]]:
    """``group.key=value`` of data or method, values as in YAML.  RequestError for anything else."""
    out: dict[str, dict[str, Any]] = {}
    for item in items:
        name, _, value = item.partition("=")
        group, _, key = name.partition(".")
        if group not in ("data", "method") or not key or not value:
            raise RequestError(f"--set {item} should be data.KEY=VALUE or method.KEY=VALUE")
        try:
            out.setdefault(group, {})[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise RequestError(f"--set {item}: the value cannot be read as YAML") from None
    return out


def likelihoods(system: Any, clips: list[Any]) -> list[dict[str, Any]]:
    """What the likelihood metric looks at, clip by clip, in place of outputs.  RequestError where the method states none."""
    from audioml.evaluate import LIKELIHOOD, outputs_of
    from audioml.kinds import Batch, Seq

    plan = system.plan

    def predict(batch: Batch) -> Batch:
        nats = plan.method.likelihood(system, batch)
        if nats is None:
            raise RequestError(f"method '{plan.method.name}' states no likelihood: leave out --likelihood")
        return {plan.output.port: batch[plan.output.port], LIKELIHOOD: Seq(*nats)}

    return outputs_of(predict, plan, clips)


def unigram(system: Any, known: list[Any], clips: list[Any]) -> list[dict[str, Any]] | None:
    """The same of one who knows how often each code of each book occurs in the clips `known` (each once more than counted), and
    nothing else; None where the output is no codes."""
    import torch

    from audioml.evaluate import LIKELIHOOD, outputs_of
    from audioml.kinds import Batch, Codes, Seq

    plan = system.plan
    if not isinstance(plan.output.space, Codes) or plan.output.world.family != "audio":
        return None
    counts = torch.ones(plan.output.space.books, plan.output.space.size, dtype=torch.float64)

    def coded(batch: Batch) -> tuple[Any, Any]:
        codes = system.encode(plan.output.port, batch)[0]
        return codes.x.cpu(), (torch.arange(codes.x.shape[-1]) < codes.n.cpu()[:, None])[:, None].expand(codes.x.shape)

    def count(batch: Batch) -> Batch:
        codes, real = coded(batch)
        for book, one in enumerate(counts):
            one += torch.bincount(codes[:, book][real[:, book]], minlength=len(one))
        return {plan.output.port: batch[plan.output.port]}

    def predict(batch: Batch) -> Batch:
        codes, real = coded(batch)
        nats = -(counts / counts.sum(1, keepdim=True)).log()[torch.arange(len(counts))[:, None], codes]
        pair = Seq((nats * real).sum((1, 2)), real.sum((1, 2)))
        return {plan.output.port: batch[plan.output.port], LIKELIHOOD: pair}

    outputs_of(count, plan, known)
    return outputs_of(predict, plan, clips)


def judged(folder: Path, split: str, likelihood: bool, other: Settings) -> dict[str, Any]:
    """Values of the run in `folder` on all items of `split`, beside the trivial baseline's; of the `likelihood` alone if asked.
    `other` settings of its data and its method hold while it is judged."""
    import torch

    from audioml.evaluate import system_outputs, trivial_scores
    from audioml.metrics import evaluate

    request, run = request_of(folder, other), finished(folder, other)
    task, prepared, system = run.plan.task, request.corpus.prepare(request.plan.task), load(run)
    clips = list(prepared.clips(split))
    torch.manual_seed(request.seed)
    judge, outputs, counted = task, system_outputs, None
    if likelihood:
        change = {"metrics": ("likelihood",), "primary": "likelihood/nats_per_symbol"}
        judge = Task(**{**{f.name: getattr(task, f.name) for f in fields(Task)}, **change})
        outputs, counted = likelihoods, unigram(system, list(prepared.clips("train")), clips)
    scores = evaluate(judge, clips, outputs(system, clips), worlds=run.plan.worlds())
    if counted is None:
        floor = trivial_scores(task.baseline, run.plan, clips, prepared)
    else:
        floor = evaluate(judge, clips, counted, worlds=run.plan.worlds())
    return {
        "run": folder.name,
        "split": split,
        "items": len(clips),
        **({"set": {g: dict(keys) for g, keys in other.items()}} if other else {}),
        "primary": judge.primary,
        "values": {name: value.as_dict() for name, value in scores.values.items()},
        "baselines": {name: value.as_dict() for name, value in floor.values.items()},
    }


def main(arguments: list[str]) -> None:
    """One line per run, and RUN/SPLIT.json."""
    parser = argparse.ArgumentParser(prog="evaluate.py", description="Judge finished runs on a whole split.")
    parser.add_argument("runs", nargs="+", type=Path, help="runs' folders: outputs/runs/…")
    parser.add_argument("--likelihood", action="store_true", help="only the likelihood of the true outputs: nothing is drawn")
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.KEY=VALUE", help="of data or method; may repeat")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    args = parser.parse_args(arguments)
    other = settings(args.set)
    for folder in args.runs:
        found = judged(folder, args.split, args.likelihood, other)
        write_text(folder / f"{args.split}{'_set' if other else ''}.json", json.dumps(found, indent=1) + "\n")
        value, floor = (found[group].get(found["primary"], {"value": None}) for group in ("values", "baselines"))
        low, high = value.get("ci") or (float("nan"), float("nan"))
        shown, usual = (f"{v['value']:.4f}" if isinstance(v["value"], float) else "–" for v in (value, floor))
        judged_as = f"{found['primary']} {shown} [{low:.4f}, {high:.4f}]  baseline {usual}  n={found['items']}"
        print(f"{folder.name}  {args.split}  {judged_as}")


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
