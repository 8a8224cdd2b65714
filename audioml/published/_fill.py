"""Tensors of a published checkpoint into a system, by the rules of its family.  Nothing is unpickled but plain tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audioml.errors import RequestError
from audioml.published._families import Rule

WHOLE = ("network.", "embed.", "head.")  # of these every tensor must be given; what a run adds of its own may begin anew
NAMES = ((".weight_g", ".parametrizations.weight.original0"), (".weight_v", ".parametrizations.weight.original1"))  # torch's older


class Tensors:
    """Names and tensors of a checkpoint's files, those that begin with `prefix`, without it; safetensors are read one by one."""

    def __init__(self, files: tuple[Path, ...], prefix: str, opened: ExitStack) -> None:
        self._get: dict[str, Callable[[], Tensor]] = {}
        for file in files:
            for name, get in (_safe(file, opened) if file.suffix == ".safetensors" else _plain(file)).items():
                if name.startswith(prefix):
                    self._get[_named(name.removeprefix(prefix))] = get
        self.names = set(self._get)

    def __getitem__(self, name: str) -> Tensor:
        return self._get[name]()

    def every(self, pattern: str) -> list[str]:
        """The names that a pattern with one `*` for a number stands for, by that number; the name itself where it has none."""
        if "*" not in pattern:
            return [pattern]
        shape = re.compile(re.escape(pattern).replace(r"\*", r"(\d+)"))
        return sorted((n for n in self.names if shape.fullmatch(n)), key=lambda n: int(shape.fullmatch(n)[1]))  # type: ignore[index]


def _named(name: str) -> str:
    for old, new in NAMES:
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _safe(file: Path, opened: ExitStack) -> dict[str, Callable[[], Tensor]]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise RequestError(f"init={file.parent} needs safetensors: pip install 'audioml[weights]'") from None
    try:
        inside = opened.enter_context(safe_open(file, framework="pt"))
        return {name: _getter(inside, name) for name in inside.keys()}  # noqa: SIM118  it is no mapping
    except (SafetensorError, OSError) as error:
        raise RequestError(f"init={file.parent} cannot be read: {file.name} holds no tensors ({str(error)[:120]})") from None


def _getter(inside: Any, name: str) -> Callable[[], Tensor]:
    return lambda: inside.get_tensor(name)


def _plain(file: Path) -> dict[str, Callable[[], Tensor]]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
            raise TypeError("it is no mapping of names to tensors")
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise RequestError(f"init={file.parent} is refused: {file.name} holds more than plain tensors ({why[:160]})") from None
    return {name: (lambda x=x: x) for name, x in state.items()}


@torch.no_grad()
def fill(system: nn.Module, tensors: Tensors, rules: tuple[Rule, ...], spare: str) -> dict[str, Any]:
    """Copies; returns how many `tensors` were read, and which modules of the system were `left` as they were.

    Raises ValueError with what does not fit; then the system is partly filled and of no use.
    """
    used: set[str] = set()
    left: set[str] = set()
    for name, own in system.state_dict().items():
        found = _made(name, own, tensors, rules, used)
        if found is not None:
            own.copy_(found)
        elif name.startswith(WHOLE):
            raise ValueError(f"it has nothing for {name} {_said(own)}")
        else:
            left.add(name.split(".")[0])
    lost = sorted(name for name in tensors.names - used if not re.fullmatch(spare, name))
    if lost:
        raise ValueError(f"{len(lost)} of its tensors have no place, such as {lost[0]} {_said(tensors[lost[0]])}")
    return {"tensors": len(used), "left": sorted(left)}


def _made(name: str, own: Tensor, tensors: Tensors, rules: tuple[Rule, ...], used: set[str]) -> Tensor | None:
    """What the first rule for that name makes of theirs, in the shape of `own`; None where no rule speaks of it."""
    for one in rules:
        match = re.fullmatch(one.ours, name)
        if match is None:
            continue
        wanted = [n for pattern in one.theirs for n in tensors.every(pattern.format(*match.groups()))]
        if not wanted or any(n not in tensors.names for n in wanted):
            if one.fill is not None:
                return torch.full_like(own, one.fill)
            return None
        used.update(wanted)
        parts = [tensors[n] for n in wanted]
        found = _joined(parts)
        if found is None or _bare(found) != _bare(own):
            theirs = " + ".join(f"{n} {_said(p)}" for n, p in zip(wanted, parts, strict=True))
            raise ValueError(f"{name} is {_said(own)} here, and {theirs} there")
        if not bool(found.isfinite().all()):
            raise ValueError(f"{wanted[0]} holds numbers that are not finite")
        return found.reshape(own.shape)
    return None


def _joined(parts: list[Tensor]) -> Tensor | None:
    """Their rows one after the other, where they have such."""
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts) if all(p.dim() and p.shape[1:] == parts[0].shape[1:] for p in parts) else None


def _bare(x: Tensor) -> list[int]:
    """The shape without axes of one: a convolution of one tap is a linear layer."""
    return [size for size in x.shape if size != 1]


def _said(x: Tensor) -> str:
    return f"[{', '.join(map(str, x.shape))}]"


def load(system: nn.Module, files: tuple[Path, ...], prefix: str, rules: tuple[Rule, ...], spare: str) -> Mapping[str, Any]:
    """`fill` from files."""
    with ExitStack() as opened:
        return fill(system, Tensors(files, prefix, opened), rules, spare)
