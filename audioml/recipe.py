"""Recipes: historical systems as named choices.  ``python train.py recipe=musicgen [setting=VALUE …] [STAGE.setting=VALUE …]``.

conf/recipe/NAME.yaml holds ``year``, ``system`` and ``stages: {NAME: {key: value, …}}``: the arguments of each stage as on the
command line, in order.  ``{NAME}`` in a value stands for the folder of an earlier stage's run.  What the user says comes after:
for every stage, or for one (``lm.model.width=128``).  ``stage=lm`` runs that stage alone, ``stages.codec=FOLDER`` takes a finished
run in a stage's place.  A stage that is done is not run again, one that was interrupted goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from audioml import shelf
from audioml.errors import RequestError, did_you_mean
from audioml.records import Record
from audioml.runfolder import run_signature

KEYS = ("year", "system", "stages")


@dataclass(frozen=True)
class Recipe:
    """`stages` name -> arguments, in order; `year` and `system` as the talk names them."""

    name: str
    year: int
    system: str
    stages: Mapping[str, tuple[str, ...]]


@cache
def recipe(name: str) -> Recipe:
    """The recipe of that name.  Raises RequestError for a name or a file that is none."""
    shelf.require("recipe", name)
    keys = shelf.load("recipe", name)
    if set(keys) != set(KEYS) or not isinstance(keys["stages"], dict) or not keys["stages"]:
        raise RequestError(f"conf/recipe/{name}.yaml should hold {', '.join(KEYS)} and nothing else")
    stages = {stage: tuple(f"{k}={shelf.spelt(v)}" for k, v in said.items()) for stage, said in keys["stages"].items()}
    return Recipe(name, int(keys["year"]), str(keys["system"]), stages)


@dataclass(frozen=True)
class Stage:
    """One run of a recipe: its arguments, in which ``{NAME}`` still stands for the folders of the stages before it."""

    name: str
    arguments: tuple[str, ...]


def stages(arguments: Sequence[str]) -> tuple[list[Stage], dict[str, Path]]:
    """The stages that ``recipe=NAME …`` asks for, and the folders given in the place of others.  Raises RequestError."""
    given = dict(_pairs(arguments))
    made = recipe(given.pop("recipe"))
    only, folders, common, own = given.pop("stage", None), {}, [], {name: [] for name in made.stages}
    if only is not None and only not in made.stages:
        near = did_you_mean(only, made.stages)
        raise RequestError(f"stage={only} is not a stage of recipe={made.name}{near or ';'} stages: {', '.join(made.stages)}")
    for key, value in given.items():
        head, _, rest = key.partition(".")
        if head == "stages":
            if rest not in made.stages:
                raise RequestError(f"stages.{rest} is not a stage of recipe={made.name}; stages: {', '.join(made.stages)}")
            folders[rest] = Path(value)
        elif head in made.stages and rest:
            own[head].append(f"{rest}={value}")
        elif len(made.stages) > 1 and head in ("task", "model", "method", "representation", "ports"):
            ways = ", ".join(f"{name}.{key}" for name in made.stages)
            raise RequestError(f"recipe={made.name} has several stages: say for which one, {ways}")
        else:
            common.append(f"{key}={value}")
    asked = [name for name in made.stages if name not in folders and only in (None, name)]
    return [Stage(name, merged(made.stages[name], common, own[name])) for name in asked], folders


def merged(*lists: Sequence[str]) -> tuple[str, ...]:
    """Arguments, of which a later one replaces an earlier one of the same key."""
    return tuple(f"{k}={v}" for k, v in dict(pair for each in lists for pair in _pairs(each)).items())


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        key, sign, value = argument.lstrip("+").partition("=")
        if argument.startswith("-m") or argument == "--multirun" or not sign:
            raise RequestError(f"'{argument}' does not go with recipe=; scripts/sweep.py runs several")
        yield key, value


def placed(stage: Stage, made: str, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """The stage's arguments with folders in the place of ``{NAME}``.  RequestError where such a stage has not been run."""
    out = []
    for argument in stage.arguments:
        for name in recipe(made).stages:
            if f"{{{name}}}" in argument:
                if name not in folders:
                    raise RequestError(
                        f"stage {stage.name} of recipe={made} begins with what stage {name} has learnt: "
                        f"run that first, or name its folder: stages.{name}=outputs/runs/FOLDER"
                    )
                argument = argument.replace(f"{{{name}}}", f"'{folders[name]}'")
        out.append(argument)
    return tuple(out)


def expanded(job: Sequence[str]) -> tuple[Sequence[str], str | None]:
    """Arguments whose ``recipe=NAME`` is replaced by what it stands for, where that is one run; and the name."""
    name = next((a.partition("=")[2] for a in job if a.startswith("recipe=")), None)
    if name is None:
        return job, None
    asked, folders = stages(job)
    if len(asked) != 1:
        raise RequestError(f"recipe={name} is {len(asked)} runs in a row: python train.py recipe={name}, or stage=NAME")
    return placed(asked[0], name, folders), name


def run(arguments: Sequence[str]) -> None:
    """Every stage that is asked for, in order; what is done is passed over, what was begun goes on."""
    from audioml.sweep import Job, compose, done
    from audioml.sweep import run as run_job

    asked, folders = stages(arguments)
    name = dict(_pairs(arguments))["recipe"]
    every = stages([a for a in arguments if not a.startswith("stage=")])[0]
    for stage in asked:
        for other in every[: [s.name for s in every].index(stage.name)]:  # what another command has done before
            if "{" in " ".join(stage.arguments) and other.name not in folders:
                request = compose(placed(other, name, folders))
                known = done(run_signature(request), Path(request.outputs))
                if known is not None:
                    folders[other.name] = _folder(request.outputs, known)
        request = replace(compose(placed(stage, name, folders)), recipe=name)
        place = list(recipe(name).stages).index(stage.name) + 1
        print(f"[{name}: {stage.name}, {place} of {len(recipe(name).stages)}] {request.sentence()}", flush=True)
        ended = run_job(Job(stage.arguments, wait=True), request)
        print(f"    {ended.said}", flush=True)
        assert ended.record is not None
        folders[stage.name] = _folder(request.outputs, ended.record)


def _folder(outputs: str, record: Record) -> Path:
    return Path(outputs) / "runs" / str(record.provenance["folder"])
