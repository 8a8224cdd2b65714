"""The laws that every legal combination keeps: two training steps, finite numbers, a gradient everywhere, shapes and rates as
planned, and, where it claims to stream, steps equal to the whole.  `scripts/matrix.py --check` asks them of all."""

from __future__ import annotations

import random
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from audioml.corpus import Clip, Prepared
from audioml.errors import Misfit
from audioml.kinds import Batch, Seq, Stems, Wave, World
from audioml.plan import Plan
from audioml.readers import example_of
from audioml.run import ready
from audioml.statistics import gather
from audioml.system import System

SECONDS = 0.4
TOLERANCE = 1e-4  # of the peak, float32


class LawError(AssertionError):
    """A combination broke a law; the message says which."""


class Examples(Prepared):
    """Noise, short texts and a few notes on every port: enough to fit code books and lexicons on."""

    def __init__(self, worlds: Mapping[str, World]) -> None:
        self.worlds, self.fingerprint, self.report = dict(worlds), "examples", {}
        batch = self.batch(4, 0)
        self.statistics = {p: gather(w, values_of(batch[p])) for p, w in self.worlds.items() if not isinstance(w, Wave | Stems)}

    def batch(self, items: int, seed: int) -> Batch:
        """The same items for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        return {p: example_of(w, SECONDS, items, torch.zeros(1), generator) for p, w in self.worlds.items()}

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict[str, tuple[Any, Any]]:
        """As `batch`, in arrays."""
        made = self.batch(items, step + 1)
        return {p: (s.x.numpy() if isinstance(s.x, torch.Tensor) else s.x, s.n.numpy()) for p, s in made.items()}

    def size(self, split: str) -> int:
        """Four of each."""
        return 4

    def clip(self, split: str, index: int) -> Clip:
        """One item."""
        values = {p: values_of(s)[0] for p, s in self.batch(1, index).items()}
        return Clip(f"{split}{index}", values)


def values_of(seq: Seq) -> list[Any]:
    """A batch as single items: arrays, texts, whole numbers."""
    if isinstance(seq.x, list):
        return list(seq.x)
    return [int(x) if x.dim() == 0 else x.numpy() for x in seq.x]


def built(plan: Plan, seed: int = 0) -> tuple[System, Examples]:
    """A system of that plan with random weights, and examples to feed it."""
    torch.manual_seed(seed)
    examples = Examples(plan.worlds())
    ready(plan, examples, seed, fit=True)
    system = System(plan)
    system.statistics = examples.statistics
    return system, examples


def check(plan: Plan) -> None:
    """Raises LawError, or whatever the parts raise."""
    system, examples = built(plan)
    batch = examples.batch(2, 1)
    if plan.method.trains:
        trains(system, batch)
    draws(system, batch)
    streams(system)


def trains(system: System, batch: Batch) -> None:
    """Two steps of every turn: finite losses, a finite gradient in every parameter that the turn trains."""
    method = system.plan.method
    system.train()
    if not method.gradient:
        return estimates(system, batch)
    touched: set[int] = set()
    wanted: dict[int, str] = {}
    for step in range(2):
        for turn in method.turns:
            parameters = method.parameters(system, turn)
            wanted |= {id(p): n for n, p in system.named_parameters() if any(p is q for q in parameters)}
            losses = getattr(method, turn)(system, batch)
            total = sum(method.losses[name] * value for name, value in losses.items())
            if not torch.isfinite(torch.as_tensor(total)):
                raise LawError(f"the loss of turn '{turn}' is not finite: { {k: float(v.detach()) for k, v in losses.items()} }")
            gradients = torch.autograd.grad(total, parameters, allow_unused=True)
            for p, g in zip(parameters, gradients, strict=True):
                if g is not None:
                    if not g.isfinite().all():
                        raise LawError(f"the gradient of {wanted[id(p)]} is not finite")
                    touched.add(id(p))
                    with torch.no_grad():
                        p -= 1e-3 * g / (g.norm() + 1e-6)
        method.after_step(system, step + 1)
    lost = sorted(name for key, name in wanted.items() if key not in touched)
    if lost:
        raise LawError(f"no gradient ever reached {', '.join(lost[:6])}{' …' if len(lost) > 6 else ''}")


def estimates(system: System, batch: Batch) -> None:
    """Without gradients: after a re-estimation the parameters are others, and they and the loss are finite."""
    method, before = system.plan.method, [p.clone() for p in system.parameters()]
    (turn,) = method.turns
    for step in range(1, 1 + getattr(method, "every", 1)):
        losses = getattr(method, turn)(system, batch)
        if not all(torch.isfinite(value) for value in losses.values()):
            raise LawError(f"what turn '{turn}' says is not finite: {losses}")
        method.after_step(system, step)
    losses = method.loss(system, batch)
    if not all(p.isfinite().all() for p in (*system.parameters(), *losses.values())):
        raise LawError("parameters or losses are not finite after re-estimation")
    if all(torch.equal(a, b) for a, b in zip(before, system.parameters(), strict=True)):
        raise LawError("re-estimation changed nothing")


def draws(system: System, batch: Batch) -> None:
    """In use: the output has its world's shape, and as much of it as was asked for."""
    plan = system.plan
    target, world = batch[plan.output.port], plan.output.world
    inputs = {p: batch[p] for p in plan.inputs} if plan.method.trains else batch
    system.eval()
    with torch.no_grad():
        out = system(inputs, Seq(None, target.n))[plan.output.port]
    if len(out.x) != len(target.n):
        raise LawError(f"{len(target.n)} items in, {len(out.x)} out")
    if isinstance(out.x, list):
        return
    if not out.x.isfinite().all():
        raise LawError("the output is not finite")
    fixed = target.x.dim() - (0 if target.x.dim() == 1 or not hasattr(out.n, "shape") else 1)
    if out.x.dim() != target.x.dim() or out.x.shape[1:fixed] != target.x.shape[1:fixed]:
        raise LawError(f"the output has shape {list(out.x.shape)}, its world {list(target.x.shape)}")
    if isinstance(world, Wave | Stems) and plan.reference is not None and out.x.shape != target.x.shape:
        raise LawError(f"the output is {out.x.shape[-1]} samples long, the input {target.x.shape[-1]}")


def streams(system: System) -> None:
    """Where it claims to stream, blocks of odd and changing sizes give what the clip gives."""
    plan = system.plan
    try:
        stream = system.eval().stream(1)
    except Misfit:
        return
    (port,) = plan.inputs
    inputs = system.example(0.3, 1, torch.Generator().manual_seed(3))
    x, parts, at = inputs[port].x, [], 0
    with torch.no_grad():
        whole = system(inputs)[plan.output.port].x if stream.audio else system.emit(inputs).x
        for block in blocks():
            parts.append(stream.push({port: x[..., at : at + block]})[plan.output.port])
            at += block
            if at >= x.shape[-1]:
                break
        parts.append(stream.flush()[plan.output.port])
    got = torch.cat(parts, -1)[..., stream.delay if stream.audio else 0 :]
    length = min(got.shape[-1], whole.shape[-1])
    if length < whole.shape[-1]:
        raise LawError(f"the stream gave {got.shape[-1]} columns of {whole.shape[-1]}")
    error = float((got[..., :length] - whole[..., :length]).abs().max() / whole.abs().max().clamp(min=1e-6))
    if error > max(TOLERANCE, plan.output.representation.drift):
        raise LawError(f"the stream differs from the whole by {error:.2g} of the peak")


def blocks() -> Iterator[int]:
    """Sizes of the blocks: odd ones, tiny ones, larger than a window."""
    while True:
        yield from (1, 97, 400, 1023, 13, 256)


def seen(plan: Plan) -> tuple[Any, ...]:
    """What the network and the method see: combinations that agree in this are one for the laws."""
    flow = plan.flow
    kinds = tuple(type(s.world).__name__ for s in plan.inputs.values())
    return (
        plan.model.name, plan.method.name, plan.stream, flow.emit, kinds, type(plan.output.world).__name__,
        plan.output.representation.name, tuple(s.representation.name for s in plan.inputs.values()),
        flow.joined, flow.memory, flow.cond, flow.prefix, flow.stretch, flow.source,
    )  # fmt: skip


def check_all(plans: Sequence[tuple[str, Plan]], *, jobs: int, limit: int | None = None, seed: int = 0) -> list[tuple[str, str]]:
    """The laws asked of each, once per thing that the network sees, in `jobs` processes; (name, what broke) of the failed."""
    from multiprocessing import get_context

    from tqdm import tqdm

    distinct: dict[tuple[Any, ...], tuple[str, Plan]] = {}
    for name, plan in plans:
        distinct.setdefault(seen(plan), (name, plan))
    work = list(distinct.values())
    random.Random(seed).shuffle(work)
    work = work[:limit]
    with get_context("spawn").Pool(jobs, initializer=torch.set_num_threads, initargs=(1,), maxtasksperchild=400) as pool:
        results = pool.imap_unordered(_one, work, chunksize=4)
        found = [r for r in tqdm(results, total=len(work), desc="laws", mininterval=2) if r is not None]
    return sorted(found)


def _one(job: tuple[str, Plan]) -> tuple[str, str] | None:
    """Name and reason, or None where every law held."""
    name, plan = job
    try:
        check(plan)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        said = (str(error).splitlines() or [""])[0][:200]
        return name, f"{type(error).__name__}: {said} ({Path(place.filename).name}:{place.lineno})"
    return None
