"""What a run begins from instead of random weights: ``init=FOLDER`` of a published checkpoint (audioml/published/).

Whether it fits is asked before torch is imported, of names and settings alone, so that a misfit is one sentence with the settings
that would do.  The run is signed with the fingerprint of what lies in the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioml import published, shelf
from audioml.errors import RequestError

if TYPE_CHECKING:
    from audioml.system import System

ABSENT = object()


@dataclass(frozen=True)
class Init:
    """`family`: what is read of the folder; `fingerprint`: of all that lies in it."""

    folder: str
    family: str
    fingerprint: str

    def plain(self) -> dict[str, str]:
        """For config.yaml."""
        return asdict(self)


def init_of(said: Any, names: Mapping[str, str], settings: Mapping[str, Mapping[str, Any]]) -> Init | None:
    """`said`: a folder, or what config.yaml of a run that has begun holds; None for none.

    Raises RequestError where the folder is no published checkpoint, or `names` and `settings` are not those that it fits.
    """
    if said is None:
        return None
    if isinstance(said, Mapping):
        return _noted(said)
    found = published.opened(Path(str(said)))
    kind, config, _ = _part(found, names["model"])
    _check_fit(found, kind, config, names, settings)
    return Init(str(said), kind, found.fingerprint)


def _noted(said: Mapping[str, Any]) -> Init:
    if set(said) != {"folder", "family", "fingerprint"} or not all(isinstance(v, str) for v in said.values()):
        raise RequestError("init in a run's config.yaml should hold folder, family and fingerprint, as words")
    if said["family"] not in published.available():
        raise RequestError(f"init in a run's config.yaml names the family '{said['family']}', which does not exist")
    return Init(**said)


def _part(found: published.Published, model: str) -> tuple[str, Mapping[str, Any], str]:
    """The family that `model` begins from, its config, and how its tensors begin.  RequestError where there is none."""
    if found.kind not in published.available():
        raise RequestError(
            f"init={found.folder} holds a checkpoint of model_type '{found.kind[:60]}', and there are maps for "
            f"{', '.join(published.available())} alone"
        )
    parts = {found.kind: ("", "")} | dict(published.family(found.kind).holds)
    able = begins(model)
    for kind, (key, prefix) in parts.items():
        if kind in able:
            config = found.config.get(key) if key else found.config
            if not isinstance(config, Mapping):
                raise RequestError(f"init={found.folder} cannot be read: its config.json holds no '{key}'")
            return kind, config, prefix
    others = [name for name in shelf.parts("model") if set(begins(name)) & set(parts)]
    raise RequestError(
        f"init={found.folder} holds weights of {found.kind}, from which model={model} does not begin; "
        f"{' and '.join(f'model={name}' for name in others)} can"
    )


def begins(model: str) -> tuple[str, ...]:
    """The families that a model begins from, as its class says."""
    return shelf.declaration(shelf.load("model", model)["_target_"]).facts.get("published", ())


def _check_fit(
    found: published.Published,
    kind: str,
    config: Mapping[str, Any],
    names: Mapping[str, str],
    settings: Mapping[str, Mapping[str, Any]],
) -> None:
    made = published.family(kind)
    for key, can in made.only.items():
        if config.get(key, can[0]) not in can:
            said = " or ".join(map(shown, can))
            raise RequestError(f"init={found.folder} has {key}={shown(config[key])}, and a run can begin from {said} alone")
    try:
        asked = made.asks(config)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, IndexError, AttributeError, OverflowError) as error:
        raise RequestError(f"init={found.folder} cannot be read: its config.json lacks what {kind} needs ({error})") from None
    have = {key: _setting(key, names, settings) for key in asked}
    wrong = [key for key, want in asked.items() if have[key] is not ABSENT and not _fits(want, have[key])]
    if wrong:
        here, there = (" ".join(f"{k}={shown(v[k])}" for k in wrong) for v in (have, asked))
        raise RequestError(f"init={found.folder} does not fit {here}; it fits {there}")


def _setting(key: str, names: Mapping[str, str], settings: Mapping[str, Mapping[str, Any]]) -> Any:
    axis, dot, name = key.partition(".")
    return settings.get(axis, {}).get(name, ABSENT) if dot else names[axis]


def _fits(want: Any, have: Any) -> bool:
    return want.fits(have) if isinstance(want, published.AtLeast | published.AtMost) else want == have


def shown(value: Any) -> str:
    """As it is written in an argument, not too long: it may come from outside."""
    return shelf.spelt(value.value if isinstance(value, published.AtLeast | published.AtMost) else value)[:120]


def begin(system: System, init: Init) -> dict[str, Any]:
    """Fills the system with the checkpoint's weights; what came of it, for the record.

    Raises RequestError where the folder has changed since the run was made, where its tensors do not fit, or where a file holds
    more than tensors.
    """
    from audioml.published._fill import load

    found = published.opened(Path(init.folder))
    if found.fingerprint != init.fingerprint:
        raise RequestError(f"init={init.folder} holds other weights than when this run was begun")
    kind, config, prefix = _part(found, system.plan.model.name)
    made = published.family(kind)
    try:
        report = load(system, found.files, prefix, made.rules(config), made.spare)
    except ValueError as error:
        raise RequestError(f"init={init.folder} does not fit: {error}") from None
    return {**init.plain(), **report}
