"""Sweeps: the product of the axes in conf/sweep/NAME.yaml, one run after the other in one process, skipping what is done.

A run is done when a record of the same signature says so, in the outputs or in the folder of published records that
the sweep itself names (``published: grid``: its page is made from both); a failed or interrupted one is run again.
A run that fails or does not fit is told and does not stop the others.
Several processes may work on one sweep: each takes what no other is at.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audioml import shelf
from audioml.build import Request, resolve
from audioml.cli import prepare, summary
from audioml.errors import AudiomlError, Misfit, RequestError, did_you_mean
from audioml.records import Record
from audioml.runfolder import run_signature

PUBLISHED = Path("docs/results/records")


def main(arguments: list[str]) -> None:
    """``sweep=NAME [axis=A,B …] [axis.setting=VALUE …]``: the sweep's axes, of which the arguments replace or add to some."""
    given = dict(a.partition("=")[::2] for a in arguments)
    axes, published = define(given.pop("sweep", ""))
    for key, value in given.items():
        prepare(f"{key}={value}", multirun=True)
        axes[key] = value.split(",") if key in (*shelf.GROUPS, "seed") else [value]
    jobs = [[f"{k}={v}" for k, v in zip(axes, values, strict=True)] for values in itertools.product(*axes.values())]
    failed, begin = 0, time.time()
    for count, job in enumerate(jobs, 1):
        left = f", about {(time.time() - begin) / (count - 1) * (len(jobs) - count + 1) / 60:.0f} min left" if count > 1 else ""
        print(f"[{count}/{len(jobs)}{left}] {' '.join(job)}", flush=True)
        try:
            print(f"    {run(job, published)}", flush=True)
        except Misfit as misfit:
            print(f"    does not fit: {str(misfit).splitlines()[0]}", flush=True)
        except AudiomlError as error:
            failed += 1
            print(f"    failed: {error}", flush=True)
    if failed:
        raise AudiomlError(f"{failed} of {len(jobs)} runs failed; each said why above")


def define(name: str) -> tuple[dict[str, list[str]], Path | None]:
    """The axes of conf/sweep/NAME.yaml, and the folder of published records that count for it."""
    if name not in shelf.names("sweep"):
        near = did_you_mean(name, shelf.names("sweep"))
        raise RequestError(f"sweep={name} does not exist{near or ';'} sweeps: {', '.join(shelf.names('sweep'))}")
    definition = shelf.load("sweep", name)
    published = definition.pop("published", None)
    return {k: [str(v) for v in values] for k, values in definition.items()}, PUBLISHED / published if published else None


def run(job: list[str], published: Path | None = None) -> str:
    """Compose, resolve, and run unless it is done; a line that says what came of it."""
    from filelock import FileLock, Timeout

    from audioml.run import execute

    request = compose(job)
    sign, outputs = run_signature(request), Path(request.outputs)
    (outputs / "runs").mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(outputs / "runs" / f".{sign}.lock", timeout=0):
            known = done(sign, outputs, published)
            return f"done before: {summary(known)}" if known is not None else summary(execute(request))
    except Timeout:
        return "another process is at it"


def compose(job: list[str]) -> Request:
    """A request from arguments as on the command line, without a command line."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(shelf.conf_dir().resolve()), version_base="1.3"):
            cfg = hydra_compose("config", overrides=[prepare(a) for a in job], return_hydra_config=True)
            plain: Any = OmegaConf.to_container(cfg, resolve=False)
    except (HydraException, OmegaConfBaseException) as error:
        raise RequestError(" ".join(str(error).split())[:300]) from None
    return resolve(plain, plain["hydra"]["runtime"]["choices"])


def done(sign: str, outputs: Path, published: Path | None = None) -> Record | None:
    """A finished record of that signature, in the outputs or among the published ones."""
    for path in candidates(sign, outputs, published):
        try:
            record = Record.read(path)
        except AudiomlError:
            continue
        if record.signature == sign and record.status == "done":
            return record
    return None


def candidates(sign: str, outputs: Path, published: Path | None = None) -> Iterator[Path]:
    """Where a record of that signature may lie."""
    yield from sorted((outputs / "runs").glob(f"*{sign}*/record.json"), reverse=True)
    yield from sorted(published.rglob(f"*{sign}*.json")) if published is not None else ()
