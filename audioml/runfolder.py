"""A run's folder: its name, config.yaml, and how a run is found again.  Light; what is read from a folder is not trusted."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from audioml import shelf
from audioml.build import Request, resolve
from audioml.draft import AXES, Draft
from audioml.errors import AudiomlError, RequestError
from audioml.kinds import Curve, Label, Notes, Phones, Stems, Tags, Text, Times, Wave, World, written
from audioml.plan import Plan
from audioml.provenance import signature
from audioml.records import Record, cannot_write, write_text

KINDS: dict[str, type] = {k.__name__: k for k in (Wave, Stems, Text, Label, Tags, Curve, Times, Notes, Phones)}
SHARED_FOLDER = "AUDIOML_RUN_FOLDER"  # the processes of one ddp run agree on the folder through the environment


def run_signature(request: Request) -> str:
    """Ten hex digits: equal for equal choices.  A setting that is off, as its file has it, is not signed: what a part learns to do
    later leaves the runs that do without it what they were."""
    return _signed(request, request.axes())


def run_family(request: Request) -> str:
    """Ten hex digits: equal for runs that differ in the seed alone."""
    return _signed(request, {axis: value for axis, value in request.axes().items() if axis != "seed"})


def _signed(request: Request, axes: Mapping[str, Any]) -> str:
    settings = {}
    for group in (*AXES, "data", "preset", "trainer"):
        usual = shelf.load(group, request.names[group])
        settings[group] = {k: v for k, v in request.settings[group].items() if v or v != usual.get(k, ...)}
    return signature(axes, {**settings, "learning_rate": request.learning_rate, "ports": dict(request.ports)})


def make_folder(request: Request, sign: str) -> Path:
    """outputs/runs/<date>_<time>_<task>_<model>_<signature>/, new; or the one another process of this run made."""
    if os.environ.get(SHARED_FOLDER):
        return Path(os.environ[SHARED_FOLDER])
    stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H%M%S")
    word = re.sub(r"[^\w-]+", "-", request.name).strip("-")[:40] + "_" if request.name else ""
    base = f"{stamp}_{word}{request.names['task']}_{request.names['model']}_{sign}"
    for attempt in range(1000):
        folder = Path(request.outputs) / "runs" / (base + (f"_{attempt}" if attempt else ""))
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise cannot_write(folder, error) from None
    raise RequestError(f"{request.outputs}/runs already has a thousand runs of this second")


@contextmanager
def held(folder: Path, main_process: bool = True) -> Iterator[None]:
    """The folder belongs to this process while it runs, to nobody once it ends, however it does.  RequestError if it is taken."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".held", timeout=0) if main_process else nullcontext()
    try:
        lock.__enter__()
    except Timeout:
        raise RequestError(f"another process is at the run in {folder}") from None
    except OSError as error:
        raise cannot_write(folder, error) from None
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def unfinished(sign: str, outputs: Path) -> Path | None:
    """The newest run of that signature that was killed or interrupted after a checkpoint, and that nobody is at."""
    from filelock import FileLock, Timeout

    for folder in sorted((outputs / "runs").glob(f"*_{sign}*"), reverse=True):
        if not (folder / "checkpoints" / "last.ckpt").is_file() or not (folder / "config.yaml").is_file():
            continue
        try:
            ended = Record.read(folder / "record.json").status if (folder / "record.json").exists() else "interrupted"
            with FileLock(folder / ".held", timeout=0):
                if ended == "interrupted" and read_config(folder)["signature"] == sign:
                    return folder
        except (AudiomlError, Timeout, OSError):
            continue
    return None


def resolved(request: Request) -> dict[str, Any]:
    """Every name and setting as resolved."""
    settings = {g: dict(k) for g, k in request.settings.items()}
    settings["model"]["learning_rate"] = request.learning_rate
    return {"names": dict(request.names), "chosen": list(request.chosen), "settings": settings, "ports": dict(request.ports)}


def write_config(folder: Path, request: Request, sign: str) -> None:
    """config.yaml: every name and setting resolved, and the worlds, so that the run can be repeated, resumed and used."""
    worlds = {p: written(w) for p, w in request.plan.worlds().items()}
    config = {
        "audioml": 1,
        "signature": sign,
        **resolved(request),
        "seed": request.seed,
        "share": request.share,
        "budget": request.budget,
        "recipe": request.recipe,
        "init": request.init.plain() if request.init else None,
        "name": request.name,
        "outputs": request.outputs,
        "row": request.row,
        "worlds": worlds,
    }
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    write_text(folder / "config.yaml", yaml.dump(config, Dumper=dumper, sort_keys=False, allow_unicode=True))


def read_config(folder: Path) -> dict[str, Any]:
    """config.yaml of a run's folder.  Raises RequestError, one sentence, for anything else."""
    path = Path(folder) / "config.yaml"
    if not path.is_file():
        raise RequestError(f"{folder} is not a run's folder: it has no config.yaml")
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        raise RequestError(f"{path} cannot be read as YAML") from None
    wanted = {"names": dict, "settings": dict, "worlds": dict, "seed": int, "ports": dict, "outputs": str, "signature": str}
    for key, kind in wanted.items():
        if not isinstance(config, dict) or not isinstance(config.get(key), kind):
            raise RequestError(f"{path} is not the config of a run: '{key}' is missing or of the wrong kind")
    for group in shelf.GROUPS:
        if not isinstance(config["names"].get(group), str):
            raise RequestError(f"{path} is not the config of a run: names.{group} is missing")
        shelf.require(group, config["names"][group])
        if not isinstance(config["settings"].get(group, {}), dict):
            raise RequestError(f"{path} is not the config of a run: settings.{group} is of the wrong kind")
        config["settings"].get(group, {}).pop("_target_", None)  # names choose parts, a file from outside never does
    return config


def request_of(folder: Path, other: Mapping[str, Mapping[str, Any]] | None = None) -> Request:
    """The request that a folder's run was made from, with `other` settings of its groups."""
    config = read_config(folder)
    top = ("ports", "seed", "share", "budget", "recipe", "init", "name", "outputs", "row")
    cfg = {**_with(config["settings"], other), **{k: config.get(k) for k in top}}
    return resolve(cfg, config["names"])


@dataclass(frozen=True)
class Finished:
    """A run to use: its plan and where its weights lie."""

    plan: Plan
    weights: Path
    signature: str


def _with(settings: Mapping[str, Any], other: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Any]:
    return {**settings, **{group: {**settings.get(group, {}), **keys} for group, keys in (other or {}).items()}}


def finished(folder: Path, other: Mapping[str, Mapping[str, Any]] | None = None) -> Finished:
    """Plan and weights of a run, without its data: the worlds are in config.yaml.  `other` settings of its groups."""
    config = read_config(folder)
    settings, names, preset = _with(config["settings"], other), config["names"], config["names"]["preset"]
    task = shelf.make("task", names["task"], settings.get("task", {}), preset)
    worlds = {str(p): _world(w, Path(folder)) for p, w in config["worlds"].items()}
    ports = {str(p): str(r) for p, r in config["ports"].items()}
    draft = Draft(task, worlds, settings, ports, preset)
    made = draft.plan({a: names[a] for a in AXES})
    best, last = (Path(folder) / "checkpoints" / f"{n}.ckpt" for n in ("best", "last"))
    return Finished(made, best if best.exists() and made.method.keeps == "best" else last, config["signature"])


def trained(folder: Path) -> Finished:
    """A finished run that has weights of its own.  RequestError for the floor, a ceiling, an ensemble."""
    run = finished(folder)
    if not run.plan.method.trains:
        raise RequestError(f"{folder} holds no trained system: method '{run.plan.method.name}' learns nothing")
    return run


def _world(raw: Any, folder: Path) -> World:
    try:
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "kind"}
        return KINDS[raw["kind"]](**values)
    except (TypeError, KeyError, AttributeError):
        raise RequestError(f"{folder}/config.yaml is not the config of a run: a port's world cannot be read") from None
