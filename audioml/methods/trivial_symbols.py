"""Predictors of symbols and numbers that learn nothing but counts; see audioml/methods/trivial.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audioml.kinds import Batch, Seq
from audioml.lazy import LazyModule

if TYPE_CHECKING:
    from audioml.plan import Plan

torch = LazyModule("torch")
np = LazyModule("numpy")
voices = LazyModule("audioml.metrics._voices")

TEMPO = 120.0  # beats per minute that a metronome guesses
BAR = 4  # beats in its bar
LIKELIHOOD = "_nll"  # beside an output: Seq(nats [B], symbols [B]) of the true one


def _seconds(plan: Plan, inputs: Batch) -> Any:
    """Seconds of each item's audio input [B]."""
    port, side = next((p, s) for p, s in plan.inputs.items() if s.world.family == "audio")
    return inputs[port].n.cpu().double() / side.world.rate  # type: ignore[union-attr]


def _count(inputs: Batch) -> int:
    return len(next(iter(inputs.values())).x)


def metronome(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """Beats at 120 per minute from the first sample on, each fourth a downbeat; every other kind of event on each beat."""
    names = plan.output.world.names or ()  # type: ignore[union-attr]
    rows = []
    for seconds in _seconds(plan, inputs).tolist():
        beats = torch.arange(0, seconds, 60 / TEMPO, dtype=torch.float64)
        events = [(t, k) for k, name in enumerate(names) for t in (beats[::BAR] if name == "downbeat" else beats).tolist()]
        rows.append(torch.tensor(sorted(events), dtype=torch.float32).reshape(-1, 2).T)
    return {plan.output.port: _padded(rows)}


def no_notes(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """Silence."""
    count = _count(inputs)
    return {plan.output.port: Seq(torch.zeros(count, 5, 0), torch.zeros(count, dtype=torch.long))}


def constant_pitch(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """The training data's median pitch throughout, or nothing voiced: whichever was right more often there."""
    output = plan.output
    n = (_seconds(plan, inputs) * output.world.rate).ceil().long()  # type: ignore[union-attr]
    height = len(output.world.values or ("",))  # type: ignore[union-attr]
    known = statistics.get(output.port, {})
    pitch = known.get("median", 0.0) if known.get("near", 1.0) >= 1 - known.get("voiced", 1.0) else 0.0
    return {output.port: Seq(torch.full((len(n), height, int(n.max())), float(pitch)), n)}


def tag_prior(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """How often each tag occurs in the training data, for every clip alike."""
    prior = torch.tensor(statistics[plan.output.port]["prior"], dtype=torch.float32)
    return {plan.output.port: Seq(prior.expand(_count(inputs), -1), torch.full((_count(inputs),), len(prior)))}


def common_text(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """The most frequent text of the training data."""
    text = str(statistics.get(plan.output.port, {}).get("common", ""))
    return {plan.output.port: Seq([text] * _count(inputs), torch.full((_count(inputs),), len(text)))}


def voice_bigram(plan: Plan, inputs: Batch, targets: Batch, statistics: Mapping[str, Any]) -> Batch:
    """A score judged note by note from the note before in its voice and the place in the beat (../shared/SYSTEMS.md §0), the
    prompt counted; it continues with the prompt's last chord, held as long as was asked for.

    Looks at the targets for their likelihood and their length alone.  Scores without a grid: silence, and no likelihood.
    """
    port, world = plan.output.port, plan.output.world
    counts = statistics.get(port, {}).get("bigram")
    if counts is None:
        return no_notes(plan, inputs, targets, statistics)
    prompts = next((inputs[p] for p, s in plan.inputs.items() if s.world.family == world.family), None)
    rows, nats = [], []
    for b in range(len(targets[port].x)):
        score = _grid(targets[port], b, world)
        prompt = _grid(prompts, b, world) if prompts is not None else score[:, :0]
        nats.append(voices.bigram_nats(counts, np.concatenate([prompt, score], 1), world))
        held = np.repeat(prompt[:, -1:], score.shape[1], 1)
        rows.append(torch.from_numpy(voices.from_grid(held, world, False)) if held.size else torch.zeros(5, 0))
    known = torch.tensor(nats, dtype=torch.float64)
    return {port: _padded(rows), LIKELIHOOD: Seq(known[:, 0], known[:, 1])}


def _grid(seq: Seq, item: int, world: Any) -> Any:
    return voices.to_grid(seq.x[item, :, : int(seq.n[item])].cpu().numpy(), world, hold=False)


def _padded(rows: list[Any]) -> Seq:
    """Tensors [R, M_i] -> Seq([B, R, M], n)."""
    n = torch.tensor([row.shape[1] for row in rows])
    return Seq(torch.nn.utils.rnn.pad_sequence([row.T for row in rows], batch_first=True).transpose(1, 2).contiguous(), n)


SYMBOLS = (metronome, no_notes, constant_pitch, tag_prior, common_text, voice_bigram)
