"""Ports that no recording holds (a degraded input, an effect's output): computed by the task, item by item, cached nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any
from zlib import crc32

from audioml.corpus import Clip, Prepared
from audioml.errors import RequestError
from audioml.kinds import World
from audioml.parts import Task


def complete(task: Task, worlds: Mapping[str, World]) -> dict[str, World]:
    """`worlds` (what the data hold) with the worlds of the derived ports they lack, in the task's order; hints last.

    A derived port of the same family has the rate, channels … of the port it comes from.  RequestError where the data
    lack that port too.
    """
    asked, found = {**task.inputs, **task.outputs}, dict(worlds)
    for port, source in task.derived.items():
        if port in found:
            continue
        if source not in found:
            raise RequestError(f"port '{port}' of task '{task.name}' is computed from '{source}', which the data do not provide")
        world, given = asked[port], found[source]
        same = {f.name: getattr(given, f.name, None) for f in fields(world)} if world.family == given.family else {}
        found[port] = replace(world, **{k: v for k, v in same.items() if getattr(world, k) is None})
    return {port: found[port] for port in (*asked, *task.hints) if port in found}


def derive(task: Task, prepared: Prepared, worlds: Mapping[str, World], held: Mapping[str, World]) -> Prepared:
    """`prepared`, with the ports of `worlds` that it does not hold itself computed by the task."""
    missing = {port: source for port, source in task.derived.items() if port not in held}
    return Derived(task, prepared, worlds, missing) if missing else prepared


class Derived(Prepared):
    """A Prepared with computed ports.  `ports` {port: the one it is computed from}.

    What is drawn for an item depends on (seed, step, row) in training and on (split, index) in evaluation, alone.
    """

    def __init__(self, task: Task, whole: Prepared, worlds: Mapping[str, World], ports: Mapping[str, str]) -> None:
        self.task, self.whole, self.worlds, self.ports = task, whole, dict(worlds), dict(ports)
        self.fingerprint, self.report, self.statistics = whole.fingerprint, whole.report, whole.statistics

    def narrow(self, share: float, seed: int) -> None:
        """As the whole."""
        self.whole.narrow(share, seed)

    def size(self, split: str) -> int:
        """As the whole."""
        return self.whole.size(split)

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """As the whole, and the derived ports."""
        import numpy as np

        from audioml.data.crop import padded

        batch = self.whole.train_batch(step, items, seconds, seed)
        for port, source in self.ports.items():
            xs, ns = batch[source]
            made = []
            for row, (x, n) in enumerate(zip(xs, ns, strict=True)):
                rng = np.random.default_rng([seed, step, row, crc32(port.encode())])
                item = x[..., : int(n)] if isinstance(x, np.ndarray) else x
                made.append(self.task.derive(port, item, self.worlds[source], rng))
            batch[port] = padded(made)
            wide = xs.shape[-1] if isinstance(xs, np.ndarray) else 0
            if isinstance(xs, np.ndarray) and batch[port][0].shape[-1] < wide and (batch[port][1] == ns).all():
                x, n = batch[port]  # keeps the width of the port it runs beside
                batch[port] = (np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, wide - x.shape[-1])]), n)
        return batch

    def clip(self, split: str, index: int) -> Clip:
        """As the whole, and the derived ports, the same in every run."""
        import numpy as np

        clip = self.whole.clip(split, index)
        ports = dict(clip.ports)
        for port, source in self.ports.items():
            rng = np.random.default_rng([20_011, crc32(split.encode()), index, crc32(port.encode())])
            ports[port] = np.asarray(self.task.derive(port, ports[source], self.worlds[source], rng), np.float32)
        return Clip(clip.name, ports)
