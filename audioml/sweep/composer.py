"""A request from arguments, as on the command line but without one: the only place beside the front door that asks Hydra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from audioml import shelf
from audioml.build import Request, resolve
from audioml.cli import prepare
from audioml.errors import RequestError
from audioml.recipe import expanded


def compose(job: Sequence[str]) -> Request:
    """``["task=enhancement", "model.width=8"]`` -> the request; ``recipe=NAME`` of one stage too.  Raises RequestError, Misfit."""
    job, recipe = expanded(job)
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
    return replace(resolve(plain, plain["hydra"]["runtime"]["choices"]), recipe=recipe)
