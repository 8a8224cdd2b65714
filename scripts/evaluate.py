"""Judge finished runs on a split they were not judged on: ``python scripts/evaluate.py RUN… --split valid``.

A run's own record holds the test split.  Here the same metrics, intervals and trivial baseline are computed for all items of
``valid`` (or ``test``) and written to RUN/SPLIT.json, so that settings can be chosen without a look at the test split.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.predict import load
from audioml.records import write_text
from audioml.runfolder import finished, request_of


def judged(folder: Path, split: str) -> dict[str, Any]:
    """Values of the run in `folder` on all items of `split`, beside the trivial baseline's."""
    import torch

    from audioml.evaluate import system_outputs, trivial_scores
    from audioml.metrics import evaluate

    request, run = request_of(folder), finished(folder)
    task, prepared, system = run.plan.task, request.corpus.prepare(request.plan.task), load(run)
    clips = [prepared.clip(split, i) for i in range(prepared.size(split))]
    torch.manual_seed(request.seed)
    scores = evaluate(task, clips, system_outputs(system, clips), worlds=run.plan.worlds())
    floor = trivial_scores(task.baseline, run.plan, clips, prepared)
    return {
        "run": folder.name,
        "split": split,
        "items": len(clips),
        "primary": task.primary,
        "values": {name: value.as_dict() for name, value in scores.values.items()},
        "baselines": {name: value.as_dict() for name, value in floor.values.items()},
    }


def main(arguments: list[str]) -> None:
    """One line per run, and RUN/SPLIT.json."""
    parser = argparse.ArgumentParser(prog="evaluate.py", description="Judge finished runs on a whole split.")
    parser.add_argument("runs", nargs="+", type=Path, help="runs' folders: outputs/runs/…")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    args = parser.parse_args(arguments)
    for folder in args.runs:
        found = judged(folder, args.split)
        write_text(folder / f"{args.split}.json", json.dumps(found, indent=1) + "\n")
        value, floor = (found[group].get(found["primary"], {}) for group in ("values", "baselines"))
        low, high = value.get("ci") or (float("nan"), float("nan"))
        print(f"{folder.name}  {args.split}  {found['primary']} {value['value']:.4f} [{low:.4f}, {high:.4f}]  "
              f"baseline {floor.get('value')}  n={found['items']}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
