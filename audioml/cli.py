"""The front door: arguments are checked and --help is answered before Hydra, and everything else before torch."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from audioml import shelf
from audioml.errors import AudiomlError, RequestError, did_you_mean

TOP = ("ports", "seed", "share", "budget", "recipe", "init", "name", "outputs", "resume", "hydra")
SWEPT = ("-m", "--multirun")


def train() -> None:
    """``python train.py`` and ``audioml-train``.  Exit codes: 0 done, 2 the request was wrong, 1 it failed while running."""
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(help_text())
        return
    code = guarded(lambda: _train(arguments))
    sys.exit(code)


def guarded(work: Any, lost: str = "nothing is lost, resume=FOLDER goes on from the last checkpoint") -> int:
    """Run `work`; its exit code, or that of an audioml error after its sentence on stderr.  `lost` is said after Ctrl-C."""
    try:
        return work() or 0
    except AudiomlError as error:
        print(f"audioml: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"audioml: interrupted; {lost}", file=sys.stderr)
        return 1


def _train(arguments: list[str]) -> None:
    if any(a.startswith("recipe=") for a in arguments):
        from audioml import recipe

        recipe.run(arguments)
        return
    multirun = any(a in SWEPT for a in arguments)
    prepared = [prepare(a, multirun) for a in arguments]
    import hydra

    failures: list[BaseException] = []

    def job(cfg: Any) -> None:
        try:
            one(cfg, arguments)
        except (AudiomlError, KeyboardInterrupt) as error:  # kept from Hydra, which would print its own account of it
            if multirun and not isinstance(error, KeyboardInterrupt):
                print(f"audioml: {error}", file=sys.stderr)  # a failing job does not stop the others
            elif multirun:
                raise
            failures.append(error)

    sys.argv[1:] = prepared
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # our sentence, not Hydra's paraphrase of our exception
    try:
        hydra.main(version_base="1.3", config_path=str(shelf.conf_dir()), config_name="config")(job)()
    except Exception as error:
        if type(error).__module__.startswith(("hydra.", "omegaconf.")):
            raise RequestError(" ".join(str(error).split())[:300]) from None
        raise
    if failures:
        raise failures[0] if len(failures) == 1 else RequestError(f"{len(failures)} of the runs failed; each said why above")


def one(cfg: Any, arguments: list[str]) -> None:
    """One job of Hydra's: resolve, say what was chosen, run."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from audioml.build import resolve
    from audioml.run import execute
    from audioml.runfolder import request_of

    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    folder = Path(plain["resume"]) if plain["resume"] else None
    if folder is not None:
        others = [a for a in arguments if not a.startswith(("resume=", "-", "trainer", "logger"))]
        if others:
            raise RequestError(f"resume= goes on with the run's own settings, so {' '.join(others)} cannot be changed with it")
        request = request_of(folder)
    else:
        request = resolve(plain, dict(HydraConfig.get().runtime.choices))
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        print(request.sentence(), flush=True)
    record = execute(request, resume=folder)
    if int(os.environ.get("LOCAL_RANK", "0")) == 0:
        print(summary(record))


def summary(record: Any) -> str:
    """The run in one line: the task's own number beside its floor and ceiling."""

    def number(values: Any) -> str:
        value = values.get(record.primary)
        return "–" if value is None or value.value is None else f"{value.value:.3g}"

    value = record.values.get(record.primary)
    interval = f" [{value.ci[0]:.3g}, {value.ci[1]:.3g}]" if value is not None and value.ci else ""
    unit = f" {value.unit}" if value is not None and value.unit else ""
    where = record.provenance.get("folder", "")
    return (
        f"{record.primary} {number(record.values)}{unit}{interval}   baseline {number(record.baselines)}   "
        f"ceiling {number(record.ceilings)}   {where}"
    )


def prepare(argument: str, multirun: bool = False) -> str:
    """Check one argument's form and names; settings of a part are opened to Hydra, since our own binder checks them."""
    if argument.startswith("-"):
        return argument
    match = re.fullmatch(r"(\+{0,2}|~)([\w@/.-]+)(?:=(.*))?", argument, re.DOTALL)
    if match is None or (match[3] is None and match[1] != "~"):
        raise RequestError(f"'{argument}' is not of the form key=value, as in task=separation or model.width=48")
    sign, key, value = match.groups()
    head = re.split(r"[./@]", key)[0]
    known = (*shelf.GROUPS, *TOP)
    if head not in known:
        raise RequestError(f"'{head}' is no axis or setting{did_you_mean(head, known) or ';'} there are: {', '.join(known)}")
    if key in shelf.GROUPS:
        for name in (value or "").split(",") if multirun else [value or ""]:
            if re.fullmatch(r"[\w-]+", name.strip()):
                shelf.require(key, name.strip())
            elif not multirun:
                raise RequestError(f"{key}={value} is no name; choices: {', '.join(shelf.names(key))}")
    if "." in key and (head in shelf.GROUPS or head == "ports") and not sign:
        return f"++{argument}"
    return argument


def help_text() -> str:
    """Every axis with its choices, from the files alone."""
    lines = [
        "python train.py [axis=NAME …] [axis.setting=VALUE …]      one run: compose, train, measure, record",
        "python train.py -m model=unet,rnn seed=0,1,2              several runs",
        "python train.py resume=outputs/runs/FOLDER                go on where a run stopped",
        "python train.py recipe=NAME [STAGE.axis.setting=VALUE …]  a whole system, stage by stage",
        "",
        "Examples",
        "  python train.py task=separation model=unet",
        "  python train.py task=enhancement data=folder data.path=MY_FOLDER model.causal=true",
        "",
    ]
    for group in shelf.GROUPS:
        lines.append(f"{group}=")
        lines += [f"  {name:14} {shelf.describe(group, name)}" for name in shelf.names(group)]
    lines += ["recipe=", *(f"  {name:18} {shelf.describe('recipe', name)}" for name in shelf.names("recipe"))]
    lines += [
        "",
        "ports.PORT=REPRESENTATION   another representation for one port",
        "seed=0  share=1  budget=params:300000  init=FOLDER  name=WORD  outputs=outputs  resume=FOLDER",
        "Every part's settings are in conf/AXIS/NAME.yaml; scripts/matrix.py prints what fits together.",
    ]
    return "\n".join(lines)
