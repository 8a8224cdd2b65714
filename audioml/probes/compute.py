"""Compute: what a system costs, independent of the machine.

compute/parameters            weights, shared ones once
compute/parameters_trainable  those that training changes
compute/macs_per_second       multiply-accumulates per second of audio: those of one clip of 3 s, divided by 3.  Matrix
                              products, convolutions, attention and FFTs (a real FFT of n points as 1.25 n log2 n);
                              element-wise work is not counted.  From encoding to rendering, as used.  Where no sound
                              is heard, those of making 1 s (or of what comes when 1 s is asked for), per second made.
                              Attention over a whole clip grows with its length: the number holds for 3 s.
compute/peak_memory_mb        weights and buffers, and the most bytes of tensors alive at once in one such forward, batch 1,
                              in 10^6 bytes; counted tensor by tensor, so scratch inside an operator is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audioml.probes._base import UnmeasurableError, asked, ear_of, hushed, nothing
from audioml.records import Value

if TYPE_CHECKING:
    from audioml.probes._base import Trial
    from audioml.system import System

AFTER: tuple[str, ...] = ()
SHARE = 0.04
VALUES = {
    "compute/parameters": ("", "low"),
    "compute/parameters_trainable": ("", ""),
    "compute/macs_per_second": ("MAC/s", "low"),
    "compute/peak_memory_mb": ("MB", "low"),
}
SECONDS, MADE = 3, 1


def measure(
    system: System, data: Trial | None = None, *, found: Mapping[str, Value] | None = None, seconds: float = 5.0
) -> dict[str, Value]:
    """Counts; `data`, `found` and `seconds` are not needed."""
    import torch

    from audioml.probes._counting import LiveBytes, count_macs

    weights = list(system.parameters())
    out = nothing(VALUES, "")
    out["compute/parameters"] = Value(sum(p.numel() for p in weights), *VALUES["compute/parameters"])
    trainable = sum(p.numel() for p in weights if p.requires_grad)
    out["compute/parameters_trainable"] = Value(trainable, *VALUES["compute/parameters_trainable"])
    try:
        given = _given(system)
    except UnmeasurableError as why:
        rest = {k: v for k, v in VALUES.items() if k not in ("compute/parameters", "compute/parameters_trainable")}
        return out | nothing(rest, str(why))
    with hushed(system):
        macs = count_macs(lambda: system(*given))
        with torch.no_grad(), LiveBytes() as live:
            made = system(*given)
    seconds = SECONDS
    if len(given) > 1:
        port, rate = system.plan.output.port, system.plan.output.world.rate
        seconds = max(1, int(made[port].n[0])) / rate
    out["compute/macs_per_second"] = Value(macs / seconds, *VALUES["compute/macs_per_second"])
    resident = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in (*weights, *system.buffers())}
    memory = (sum(resident.values()) + live.peak) / 1e6
    out["compute/peak_memory_mb"] = Value(memory, *VALUES["compute/peak_memory_mb"])
    return out


def _given(system: System) -> tuple[Any, ...]:
    """What the system is called with: noise where it hears sound, else what it makes sound of."""
    try:
        ear = ear_of(system)
    except UnmeasurableError as why:
        try:
            return asked(system, MADE)
        except UnmeasurableError:
            raise why from None
    return (ear.batch(ear.noise(SECONDS * ear.rate).to(next((p.device for p in system.parameters()), "cpu"))),)
