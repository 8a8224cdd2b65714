"""Measure the probes of finished runs again, and write their records anew: ``python scripts/probe.py RUN…``.

For runs that are older than a probe or its definition.  The weights, the data and the training's curves are read from the run; its
metrics stay as they are.  The record then says when, where and by which code it was probed (provenance: probed).  ``--seconds``
gives the probes another budget: what was too much work for the usual one is then measured.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.errors import RequestError
from audioml.probes import QUICK, measure_all, measures
from audioml.records import Record


def probed(folder: Path, seconds: float) -> Record:
    """The record of the run in `folder`, measured anew by every probe.  RequestError for a run that is not done."""
    from audioml.predict import load
    from audioml.probes._trial import trial_of
    from audioml.provenance import provenance
    from audioml.runfolder import finished, request_of

    record, request = Record.read(folder / "record.json"), request_of(folder)
    if record.status != "done":
        raise RequestError(f"{folder} is not done but {record.status}; python train.py resume={folder} goes on with it")
    run = finished(folder)
    if not run.plan.method.learnt:
        raise RequestError(f"{folder} holds no trained system: method '{run.plan.method.name}' learns nothing")
    system = load(run)
    prepared = request.prepare()
    trial = trial_of(request, prepared, list(prepared.clips("test")), folder, record.provenance)
    record.values |= measure_all(system, trial, seconds)
    here = {key: value for key, value in provenance().items() if key in ("created", "git", "host", "cpu", "versions")}
    record.provenance |= {"measures": measures(), "probed": here}
    return record


def main(arguments: list[str]) -> None:
    """One line per run, and its record."""
    parser = argparse.ArgumentParser(prog="probe.py", description="Measure the probes of finished runs again.")
    parser.add_argument("runs", nargs="+", type=Path, help="runs' folders: outputs/runs/…")
    parser.add_argument("--seconds", type=float, default=QUICK, help=f"for the probes of one run, about ({QUICK:g})")
    args = parser.parse_args(arguments)
    for folder in args.runs:
        record = probed(folder, args.seconds)
        record.write(folder / "record.json")
        known = sum(value.value is not None for value in record.values.values())
        print(f"{folder.name}  {known} of {len(record.values)} values measured", flush=True)


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
