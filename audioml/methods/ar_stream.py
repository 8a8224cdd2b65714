"""The stream of columns that method `ar` runs over: laid out, windowed, scored and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from audioml.kinds import Batch, Codes, Seq, Tokens
from audioml.lazy import LazyModule

if TYPE_CHECKING:
    from audioml.methods.ar import Ar
    from audioml.system import Context, System

torch = LazyModule("torch")
F = LazyModule("torch.nn.functional")
patterns = LazyModule("audioml.nn.patterns")
sampling = LazyModule("audioml.nn.sampling")


class Laid(NamedTuple):
    """`columns` [B, K, S] of symbols; where they hold any (`real`) and any but the end symbol (`counted`); `frames` [B]."""

    columns: Any
    real: Any
    counted: Any
    frames: Any


def special(system: System) -> int:
    """The symbol of empty places: the first that is never emitted."""
    return system.plan.flow.emit.size  # type: ignore[union-attr]


def device_of(system: System) -> Any:
    """Where the weights are."""
    return next(system.head.parameters()).device


def codes_of(seq: Seq, system: System) -> tuple[Any, Any]:
    """Tokens [B, L] or codes [B, K, N] -> [B, K, N] and the valid steps, on the network's device."""
    device = device_of(system)
    x = seq.x[:, None] if seq.x.dim() == 2 else seq.x
    return x.long().to(device), seq.n.to(device)


def joined(first: Any, p: Any, second: Any, n: Any) -> Any:
    """The first p valid steps of `first` [B, K, P], then `second` [B, K, N]: [B, K, P + N]."""
    index = torch.arange(first.shape[2] + second.shape[2], device=first.device)
    both = torch.cat([first, second], 2)
    late = first.shape[2] - p[:, None]
    source = torch.where(index < p[:, None], index, (index + late).clamp(max=len(index) - 1))
    return both.gather(2, source[:, None].expand(-1, both.shape[1], -1))


def lay_out(method: Ar, system: System, batch: Batch) -> Laid:
    """The true output, after its prefix and before its end symbol, in the method's pattern."""
    plan = system.plan
    codes, n = codes_of(system.encode(plan.output.port, batch)[0], system)
    if method.ends(plan.output):
        codes = F.pad(codes, (0, 1)).scatter(2, n[:, None, None].expand(-1, codes.shape[1], 1), special(system) - 1)
        n = n + 1
    if plan.flow.prefix:
        prefix, p = codes_of(system.encode(plan.flow.prefix, batch)[0], system)
        codes, n = joined(prefix, p, codes, n), n + p
    columns, real = patterns.build(codes, n, method.pattern, special(system))
    counted = real & (columns != special(system) - 1) if method.ends(plan.output) else real
    return Laid(columns, real, counted, n)


def entered(method: Ar, system: System, columns: Any, start: Any) -> Any:
    """Columns as the network takes them, the first of which is number `start` (a number, or one per item [B])."""
    period = method.cycle(system.plan.output)
    if period:
        at = torch.as_tensor(start, device=columns.device).view(-1, 1) + torch.arange(columns.shape[2], device=columns.device)
        columns = torch.cat([columns, (at % period)[:, None].expand(len(columns), -1, -1)], 1)
    return columns[:, 0] if isinstance(system.plan.flow.x, Tokens) else columns


def logits_of(emission: Any) -> Any:
    """[B, V, N] or [B, K, V, N] -> [B, V, K, N]."""
    return emission[:, :, None] if emission.dim() == 3 else emission.transpose(1, 2)


def half(method: Ar, system: System, columns: int) -> int:
    """Columns by which windows move on: half of one; all there are where nothing is cut."""
    return columns if system.plan.flow.memory else max(1, method.window // 2)


def training_loss(method: Ar, system: System, context: Context, laid: Laid) -> Any:
    """Cross-entropy of one random window per item, each symbol seen with the word dropout's mercy."""
    size = laid.columns.shape[2] - 1
    spans = patterns.width(method.pattern, laid.columns.shape[1], laid.frames) - 1
    window = min(size, 2 * half(method, system, size))
    start = (torch.rand(len(spans), device=spans.device) * (spans - window + 1).clamp(min=1)).long()
    index = (start[:, None] + torch.arange(window + 1, device=start.device))[:, None].expand(-1, laid.columns.shape[1], -1)
    columns, real = laid.columns.gather(2, index), laid.real.gather(2, index)[..., 1:]
    x = columns[..., :-1]
    if method.word_dropout:
        x = x.masked_fill(torch.rand(len(x), 1, window, device=x.device) < method.word_dropout, special(system))
    seen = Seq(entered(method, system, x, start), (spans - start).clamp(max=window))
    logits = logits_of(system.emit({}, seen, context).x)
    target = torch.where(real, columns[..., 1:], -100)
    total = F.cross_entropy(logits, target, ignore_index=-100, reduction="sum", label_smoothing=method.smoothing)
    return total / real.sum().clamp(min=1)


def scores(method: Ar, system: System, context: Context, laid: Laid) -> Any:
    """Nats of every column after the first [B, K, S - 1], zero where it holds nothing.

    Windows as long as in training move on by half a window; of all but the first only the second half is scored.
    """
    size = laid.columns.shape[2] - 1
    step = half(method, system, size)
    spans = patterns.width(method.pattern, laid.columns.shape[1], laid.frames) - 1
    parts = []
    for start in range(0, max(1, size - step), step):
        x = laid.columns[..., start : min(size, start + 2 * step)]
        n = (spans - start).clamp(min=1, max=x.shape[-1])
        logits = logits_of(system.emit({}, Seq(entered(method, system, x, start), n), context).x)
        real = laid.real[..., start + 1 : start + 1 + x.shape[-1]]
        target = torch.where(real, laid.columns[..., start + 1 : start + 1 + x.shape[-1]], -100)
        nll = F.cross_entropy(logits, target, ignore_index=-100, reduction="none")
        parts.append(nll if start == 0 else nll[..., step:])
    return torch.cat(parts, -1)


def ctc_loss(system: System, memory: Any, batch: Batch) -> Any:
    """CTC of the text on the memory, per symbol; a memory too short for its text counts as zero."""
    output = system.plan.output
    target, _ = output.representation.encode(batch[output.port], output.world)
    head: Any = system.extra.ctc  # type: ignore[union-attr]
    logp = head(memory.x.transpose(1, 2)).log_softmax(-1).transpose(0, 1)
    blank = logp.shape[-1] - 1
    loss = F.ctc_loss(
        logp, target.x.to(logp.device), memory.n.cpu(), target.n.cpu(), blank, reduction="none", zero_infinity=True
    )
    return (loss / target.n.clamp(min=1).to(loss.device)).mean()


def lengths(method: Ar, system: System, inputs: Batch, context: Context, ask: Seq | None) -> tuple[Seq, Any]:
    """The prefix as codes [B, K, P], and the frames [B] at which each item ends at the latest, prefix and end included."""
    output = system.plan.output
    space: Any = output.space
    books = space.books if isinstance(space, Codes) else 1
    if context.prefix is not None:
        prefix, p = codes_of(context.prefix, system)
    else:
        size = len(ask.n) if ask is not None else len(next(iter(inputs.values())).n)
        p = torch.zeros(size, dtype=torch.long, device=device_of(system))
        prefix = p.new_zeros(size, books, 0)
    if method.ends(output):
        seen = int(system.extra.longest) or method.window  # type: ignore[union-attr, arg-type]
        total = (p + 1).clamp(min=int(seen * method.longest))
    else:
        assert ask is not None, f"method '{method.name}' must be asked for a number of samples"
        total = p + system.blank(ask.n)[1].to(p.device)
    return Seq(prefix, p), total


def generate(method: Ar, system: System, context: Context, prefix: Seq, total: Any, how: dict[str, Any]) -> Seq:
    """Column after column through `system.step`, all items at once; returns the symbols after the prefix.

    The network sees what `scores` would show it: when a window is full, its second half is read anew as the first of the next.
    With guidance a second state goes beside, which hears no condition and no memory.
    """
    books, frames = prefix.x.shape[1], int(total.max())
    empty, ends = special(system), method.ends(system.plan.output)
    frame = patterns.layout(method.pattern, books, frames, total.device)
    laid, fixed = patterns.build(
        F.pad(prefix.x, (0, frames - prefix.x.shape[2])), torch.minimum(prefix.n, total), method.pattern, empty
    )
    size, ended = laid.shape[2], torch.zeros_like(total, dtype=torch.bool)
    step = half(method, system, size)
    first = int(patterns.columns(method.pattern, books, frames)[0, min(int(prefix.n.min()), frames - 1)])
    heard = [context]
    if method.guidance not in (None, 1) and (context.cond is not None or context.memory is not None):
        heard.append(context.muted(torch.zeros_like(ended)))
    states, begin = [None] * len(heard), -1
    for column in range(first, size):
        start = max(0, ((column - 1) // step - 1) * step)
        fresh = start != begin
        seen = laid[..., start if fresh else column - 1 : column]
        x, begin = entered(method, system, seen, start if fresh else column - 1), start
        steps = [system.step(x, None if fresh else state, near) for state, near in zip(states, heard, strict=True)]
        emission, states = steps[0][0], [state for _, state in steps]
        if len(steps) > 1:
            emission = steps[1][0] + method.guidance * (emission - steps[1][0])  # type: ignore[operator]
        symbols = sampling.pick(logits_of(emission)[..., -1].transpose(1, 2), **how)  # [B, K]
        here = frame[:, column]
        write = (here >= 0) & (here < total[:, None]) & ~fixed[..., column]
        laid[..., column] = torch.where(write, symbols, laid[..., column])
        if ends:
            stop = write[:, 0] & (symbols[:, 0] == empty - 1)
            ended |= stop
            total = torch.where(stop, here[0] + 1, total)
            if column + 1 >= int(patterns.width(method.pattern, books, total.max())):
                break
    codes = patterns.revert(laid, method.pattern, frames)
    n = (total - prefix.n - ended.long()).clamp(min=0)
    index = (prefix.n[:, None] + torch.arange(int(n.max()), device=n.device)).clamp(max=frames - 1)
    codes = codes.gather(2, index[:, None].expand(-1, books, -1)).clamp(max=system.plan.output.space.size - 1)  # type: ignore[union-attr]
    return Seq(codes[:, 0] if isinstance(system.plan.output.space, Tokens) else codes, n)
