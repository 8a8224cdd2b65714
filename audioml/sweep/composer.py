"""A request from arguments, as on the command line but without one: the only place beside the front door that asks Hydra."""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from audioml import shelf
from audioml.build import Request, resolve
from audioml.cli import prepare
from audioml.errors import RequestError
from audioml.recipe import expanded


def compose(job: Sequence[str]) -> Request:
    """``["task=enhancement", "model.width=8"]`` -> the request; ``recipe=NAME`` of one stage too.  Raises RequestError, Misfit."""
    job, recipe = expanded(job)
    plain = composed([prepare(argument) for argument in job])
    return replace(resolve(plain, plain["hydra"]["runtime"]["choices"]), recipe=recipe)


def composed(prepared: Sequence[str]) -> dict[str, Any]:
    """Every setting, and Hydra's own, a copy.  Hydra composes once what most cells of a sweep share, which takes it 80 ms; names of
    parts and single settings are laid over that.  Raises RequestError."""
    said, rest, over, choices = defaultdict(list), [], {}, {}
    for argument in prepared:
        said[re.split(r"[./@=]", argument.lstrip("+~"))[0]].append(argument)
    conf = str(shelf.conf_dir().resolve())
    base = _composed(conf, ())
    for head, arguments in said.items():
        try:
            over[head], choice = _laid_over(head, arguments, base)
            choices |= choice
        except _NotPlainError:
            rest += arguments
    plain = copy.deepcopy(_composed(conf, tuple(rest))) | over
    plain["hydra"]["runtime"]["choices"] |= choices
    return plain


class _NotPlainError(Exception):
    """Hydra must be asked."""


def _laid_over(head: str, arguments: Sequence[str], base: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    """What stands under `head` when this is said of it, and the part chosen for it.  Raises _NotPlainError for anything but a name
    of a part and single values of settings."""
    names = [a for a in arguments if head in shelf.GROUPS and a.startswith(f"{head}=")]
    choice = dict(name.split("=") for name in names[:1])
    if head not in base or head == "hydra" or len(names) > 1 or not set(choice.values()) <= set(shelf.names(head)):
        raise _NotPlainError
    whole = {head: shelf.load(head, choice[head]) if choice else copy.deepcopy(base[head])}
    for argument in arguments:
        if argument in names:
            continue
        place, (*above, last) = whole, _path(argument)
        for name in above:
            place = place.get(name)
            if not isinstance(place, dict):
                raise _NotPlainError
        if isinstance(place.get(last), dict | list):
            raise _NotPlainError
        place[last] = _value(argument)
    return whole[head], choice


def _path(argument: str) -> list[str]:
    """The names in an argument's key.  Raises _NotPlainError for what adds, takes away or is packed elsewhere."""
    key = argument.partition("=")[0].removeprefix("++")
    if not re.fullmatch(r"\w[\w-]*(\.\w[\w-]*)*", key):
        raise _NotPlainError
    return key.split(".")


def _value(argument: str) -> Any:
    """As Hydra reads it.  Raises _NotPlainError where it is more than one plain value, or none."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(argument)
        value = None if override.is_sweep_override() else override.value()
    except HydraException:
        raise _NotPlainError from None
    if override.is_sweep_override() or not isinstance(value, int | float | str | None) or "${" in str(value):
        raise _NotPlainError
    return value


@lru_cache(maxsize=64)
def _composed(conf: str, prepared: tuple[str, ...]) -> dict[str, Any]:
    """Every setting, and Hydra's own, from the files in `conf`, which a process reads once.  Raises RequestError."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(conf, version_base="1.3"):
            cfg = hydra_compose("config", overrides=list(prepared), return_hydra_config=True)
            plain: Any = OmegaConf.to_container(cfg, resolve=False)
    except (HydraException, OmegaConfBaseException) as error:
        raise RequestError(" ".join(str(error).split())[:300]) from None
    return plain
