"""A request from arguments, as on the command line but without one: the only place beside the front door that asks Hydra."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from audioml import shelf
from audioml.build import Request, resolve
from audioml.cli import prepare
from audioml.errors import RequestError
from audioml.recipe import expanded

LAID_OVER = ("seed", "outputs")  # what nothing in conf/ depends on: cells that differ in these alone are composed once


def compose(job: Sequence[str]) -> Request:
    """``["task=enhancement", "model.width=8"]`` -> the request; ``recipe=NAME`` of one stage too.  Raises RequestError, Misfit."""
    job, recipe = expanded(job)
    rest, over = [], {}
    for argument in map(prepare, job):
        if late := _laid_over(argument):
            over |= late
        else:
            rest.append(argument)
    plain = copy.deepcopy(_composed(str(shelf.conf_dir().resolve()), tuple(rest))) | over
    return replace(resolve(plain, plain["hydra"]["runtime"]["choices"]), recipe=recipe)


def _laid_over(argument: str) -> dict[str, Any]:
    """The key and value of such an argument, as Hydra reads it; nothing where it is another, or more than one plain value."""
    if argument.partition("=")[0] not in LAID_OVER:
        return {}
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(argument)
        value = None if override.is_sweep_override() else override.value()
    except HydraException:
        return {}
    return {override.key_or_group: value} if isinstance(value, int | str) else {}


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
