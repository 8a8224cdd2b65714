"""The mean of what several trained runs answer, and of what they answer to the input a little later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioml.errors import Misfit, RequestError, RunError
from audioml.kinds import Batch, Label, Seq, Stems, Tags, Wave, written
from audioml.parts import Flow, Method, Side
from audioml.records import Record

if TYPE_CHECKING:
    from audioml.system import System

MEANS = (Wave, Stems, Tags, Label)  # of a curve with gaps, or of notes, there is no mean


class Ensemble(Method):
    """Nothing is learnt: the finished runs in the folders `runs`, each as it is, answer the same question, and the mean of their
    answers is given (deep ensembles: Lakshminarayanan et al. 2017, section 2.4).

    The mean of waves is never further from the truth, in squared error, than the runs are on average, and the nearer the more
    they differ: runs over windows of several lengths say more than one run with several seeds.  Of a class the runs' probabilities
    are averaged.  With `shifts` of k each run hears waves k times, every time another k-th of its hop later, which takes out what
    depends on where its frames begin (cycle spinning: Coifman and Donoho 1995).
    """

    trains = False

    def __init__(self, *, runs: list[str], shifts: int) -> None:
        if shifts < 1:
            raise RequestError(f"method.shifts={shifts} should be 1 (the input as it is) or more")
        self.runs, self.shifts = tuple(runs), shifts
        self.members: Sequence[System] = ()
        self._worlds: dict[str, Mapping[str, Any]] = {}

    def flow(self, inputs: list[Side], output: Side) -> Flow:
        """Refuses outputs without a mean and runs between other worlds; RequestError for a folder that is no finished run."""
        if not self.runs:
            raise Misfit(f"method '{self.name}' averages trained runs: method.runs=[FOLDER,FOLDER] names them")
        if not isinstance(output.world, MEANS):
            raise Misfit(
                f"method '{self.name}' gives the mean of several answers, and of {type(output.world).__name__}, the output "
                f"'{output.port}', there is none; of {', '.join(kind.__name__ for kind in MEANS)} there is"
            )
        families = {s.world.family for s in inputs}
        if output.world.family == "audio" and "audio" not in families:
            heard = " and ".join(sorted(families)) or "nothing"
            raise Misfit(f"method '{self.name}' averages waves, and what is made of {heard} has any phase")
        rates = {s.world.rate for s in (*inputs, output) if s.world.family == "audio"}
        if self.shifts > 1 and ("audio" not in families or len(rates) != 1):
            raise Misfit(f"method.shifts={self.shifts} moves the waves that are heard; here there is none, or they differ in rate")
        ours = {s.port: written(s.world) for s in (*inputs, output)}
        for run in self.runs:
            theirs = self._worlds[run] = self._worlds.get(run) or worlds_of(Path(run))
            for port, world in ours.items():
                if theirs.get(port) != world:
                    raise Misfit(f"{run} has {_said(theirs.get(port))} for '{port}', and here it is {_said(world)}")
        first = inputs[0] if inputs else output
        return Flow(first.space, output.space, needs=frozenset({"members"}))

    @property
    def learnt(self) -> bool:
        """The runs have."""
        return True

    def join(self, members: Sequence[System]) -> None:
        """Takes the systems of `runs`."""
        self.members = [member.eval().requires_grad_(False) for member in members]

    def parts(self, system: System) -> Any:
        """The runs' systems.  RequestError for one that answers another question, or whose answers have no mean."""
        import torch

        for run, member in zip(self.runs, self.members, strict=True):
            plan = member.plan
            if not set(plan.inputs) <= set(system.plan.inputs):
                raise RequestError(f"{run} hears {', '.join(plan.inputs)}, and here there is {', '.join(system.plan.inputs)} alone")
            if plan.task.unordered:
                raise RequestError(f"{run} gives stems without names, in any order: their mean would mix them up")
            if isinstance(plan.output.world, Label) and not hasattr(plan.method, "beliefs"):
                raise RequestError(f"{run} names one class and no probabilities: method '{plan.method.name}' has none to average")
        return torch.nn.ModuleList(self.members)

    def spent(self) -> dict[str, Any]:
        """What the runs' training took, together."""
        told = [Record.read(Path(run) / "record.json").provenance for run in self.runs]
        sums = ("train_s", "train_cpu_s", "examples_seen")
        return {
            "members": [Path(run).name for run in self.runs],
            **{name: sum(p[name] for p in told) for name in sums if all(isinstance(p.get(name), int | float) for p in told)},
        }

    def loss(self, system: System, batch: Batch) -> dict[str, Any]:
        """Nothing to learn."""
        return {}

    def draw(self, system: System, inputs: Batch, ask: Seq | None = None) -> Batch:
        """The mean of what the runs give for the inputs; of a class, the one that they hold most probable together."""
        output, found = system.plan.output, []
        for member in system.extra:  # type: ignore[union-attr]
            heard = {port: inputs[port] for port in member.plan.inputs}
            found += [answer(member, heard, ask, k / self.shifts) for k in range(self.shifts)]
        x = sum(f.x for f in found) / len(found)  # type: ignore[union-attr]
        return {output.port: Seq(x.argmax(1) if isinstance(output.world, Label) else x, found[0].n)}


def answer(member: System, inputs: Batch, ask: Seq | None, late: float) -> Seq:
    """What a run gives when its waves begin `late` (a share of its hop) after a silence, on the clock of the input; of a class its
    probabilities [B, V]."""
    from torch.nn import functional as F

    sides, output = member.plan.sides(), member.plan.output
    by = round(late * max(side.representation.block for side in sides.values()))
    if by:
        inputs = {p: Seq(F.pad(s.x, (by, 0)), s.n + by) if sides[p].world.family == "audio" else s for p, s in inputs.items()}
    if isinstance(output.world, Label):
        beliefs = member.plan.method.beliefs(member, inputs)  # type: ignore[attr-defined]
        return Seq(beliefs, beliefs.new_ones(len(beliefs), dtype=int))
    made = member(inputs, ask)[output.port]
    return Seq(made.x[..., by:], made.n - by) if output.world.family == "audio" else made


def worlds_of(folder: Path) -> Mapping[str, Any]:
    """Port -> world as config.yaml of a finished run holds it.  RequestError for anything else."""
    import yaml

    try:
        status = Record.read(folder / "record.json").status
        worlds = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))["worlds"]
    except RunError as error:
        raise RequestError(f"{folder} is not a finished run: {error}") from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        worlds, status = None, "done"
    if status != "done":
        raise RequestError(f"{folder} is not done but {status}; python train.py resume={folder} goes on with it")
    if not isinstance(worlds, Mapping) or not worlds:
        raise RequestError(f"{folder} is not a finished run: its config.yaml cannot be read")
    return worlds


def _said(world: Any) -> str:
    """A world in short; it may come from outside."""
    if not isinstance(world, Mapping):
        return "nothing"
    rest = ", ".join(f"{k} {v}" for k, v in world.items() if k != "kind")
    return f"{world.get('kind')} ({rest})"[:160]
