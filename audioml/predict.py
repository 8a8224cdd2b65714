"""A trained run put to use: audio, text or notes in; audio, labels, text or symbols out."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from audioml.errors import RequestError, RunError
from audioml.kinds import Label, Seq, Stems, Text, Wave, World
from audioml.records import write_bytes
from audioml.runfolder import Finished, finished


def main(arguments: list[str]) -> None:
    """``RUN INPUT… --out DIR``; raises RequestError for what cannot be read, after the others were done."""
    parser = argparse.ArgumentParser(prog="predict.py", description="Put a trained run to use.")
    parser.add_argument("run", type=Path, help="a run's folder: outputs/runs/…")
    parser.add_argument(
        "inputs", nargs="*", help="audio files, or texts; for several inputs PORT=FILE,PORT=FILE; none for generators"
    )
    parser.add_argument("--out", type=Path, default=Path("outputs/predictions"), help="where results go (outputs/predictions)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of sound that no input determines (3)")
    parser.add_argument("--count", type=int, default=1, help="how many to generate where there is no input (1)")
    args = parser.parse_args(arguments)
    run = finished(args.run)
    if not run.plan.method.learnt:
        raise RequestError(f"{args.run} holds no trained system: method '{run.plan.method.name}' learns nothing")
    ports = list(run.plan.inputs)
    if ports and not args.inputs:
        raise RequestError(f"{args.run} takes {', '.join(ports)}: name at least one input")
    if args.inputs and not ports:
        raise RequestError(f"{args.run} generates without input; --count says how many and --seconds how long")
    asked = [assigned(given, run.plan.inputs) for given in args.inputs] or [{} for _ in range(args.count)]
    system = load(run)
    bad, taken = [], set()
    for number, given in enumerate(asked):
        try:
            print(one(system, given, args.out, taken, args.seconds, number))
        except RunError as error:
            bad.append(str(error))
    if bad:
        raise RequestError("; ".join(bad))


def assigned(given: str, inputs: Any) -> dict[str, str]:
    """One argument -> port to file or text.  RequestError for a missing port or file."""
    if len(inputs) == 1:
        found = {next(iter(inputs)): given}
    else:
        pairs = [part.partition("=") for part in given.split(",")]
        found = {port: value for port, _, value in pairs}
        if set(found) != set(inputs):
            raise RequestError(f"'{given}' should name each of the inputs once: {','.join(f'{p}=FILE' for p in inputs)}")
    for port, value in found.items():
        if not isinstance(inputs[port].world, Text) and not Path(value).is_file():
            raise RequestError(f"there is no file {value}")
    return found


def load(run: Finished) -> Any:
    """The system with its weights, in eval mode.  Raises RunError for foreign or unsafe checkpoints."""
    from audioml.checkpoints import load_weights
    from audioml.run import ready
    from audioml.system import System

    ready(run.plan, None, 0, fit=False)
    system = System(run.plan)
    if run.plan.method.trains:
        load_weights(system, run.weights, run.signature)
    return system.eval()


def one(system: Any, given: dict[str, str], out: Path, taken: set[str], seconds: float, seed: int) -> str:
    """One request through the system; the line that tells what came of it."""
    import torch

    plan = system.plan
    batch = {port: read(plan.inputs[port].world, value) for port, value in given.items()}
    rate = getattr(plan.output.world, "rate", None) or 16000
    torch.manual_seed(seed)
    with torch.no_grad():
        made = system(batch, Seq(None, torch.tensor([round(seconds * rate)])))
    first = next(iter(given.values()), f"sample{seed}")
    from audioml.examples import unique

    stem = unique(Path(first).stem if Path(first).is_file() else "_".join(first.split())[:40] or "empty", taken)
    found = {plan.output.port: plan.output.world, **plan.method.beside(plan)}
    told = [write(world, made[port].x[0], int(made[port].n[0]), out, stem, port) for port, world in found.items()]
    return f"{first}: {'; '.join(told)}"


def read(world: World, value: str) -> Seq:
    """A file or a text as a batch of one.  RunError for a file that cannot be used."""
    import torch

    if isinstance(world, Text):
        strange = sorted(set(value) - set(world.alphabet or value))
        if strange:
            raise RunError(
                f"'{value}' holds {' '.join(map(repr, strange))}, which the run has never seen; it knows {world.alphabet}"
            )
        return Seq([value], torch.tensor([len(value)]))
    if not isinstance(world, Wave):
        raise RunError(f"predict.py reads audio and text, and this input is {type(world).__name__}")
    from audioml.data.audio import BadAudioError, decode

    try:
        samples, scale = decode(Path(value), world.rate, world.channels)
    except BadAudioError as error:
        raise RunError(f"{value} cannot be used: {error}") from None
    x = torch.from_numpy(samples.T * scale).float()[None]
    return Seq(x, torch.tensor([x.shape[-1]]))


def write(world: World, x: Any, n: int, out: Path, stem: str, port: str) -> str:
    """What came out, written where it is a file; returns its places, or the words themselves."""
    from audioml.kinds import Notes
    from audioml.symbols import csv_of, in_words, midi_of

    if isinstance(world, Wave | Stems):
        names = world.names if isinstance(world, Stems) else (port,)
        waves: Sequence[Any] = x if isinstance(world, Stems) else [x]
        return ", ".join(
            str(write_wav(out / f"{stem}.{k}.wav", w[..., :n], world.rate)) for k, w in zip(names or (), waves, strict=True)
        )
    item = (
        x
        if isinstance(x, str)
        else int(x)
        if isinstance(world, Label)
        else x[..., :n].cpu().numpy()
        if x.dim() > 1
        else x.cpu().numpy()
    )
    files: dict[str, Callable[[], bytes]] = {}
    table = csv_of(world, item)
    if table is not None:
        files["csv"] = table.encode
    if isinstance(world, Notes):
        files["mid"] = lambda: midi_of(item)
    if isinstance(world, Text):
        files["txt"] = (in_words(world, item) + "\n").encode
    for kind, content in files.items():
        write_bytes(out / f"{stem}.{port}.{kind}", content())
    return in_words(world, item)


def write_wav(path: Path, wave: Any, rate: int) -> Path:
    """[C, T] as 16-bit WAV; louder than full scale is scaled down, not clipped."""
    import io

    import soundfile

    wave = wave / max(1.0, float(wave.abs().max()))
    buffer = io.BytesIO()
    soundfile.write(buffer, wave.T.numpy(), rate, format="WAV", subtype="PCM_16")
    write_bytes(path, buffer.getvalue())
    return path
