"""A trained run put to use: audio files in; audio, labels or text out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from audioml.errors import RequestError, RunError
from audioml.kinds import Label, Stems
from audioml.records import write_bytes
from audioml.runfolder import Finished, finished


def main(arguments: list[str]) -> None:
    """``RUN INPUT… --out DIR``; raises RequestError for what cannot be read, after the others were done."""
    parser = argparse.ArgumentParser(prog="predict.py", description="Put a trained run to use.")
    parser.add_argument("run", type=Path, help="a run's folder: outputs/runs/…")
    parser.add_argument("inputs", type=Path, nargs="+", help="audio files")
    parser.add_argument("--out", type=Path, default=Path("outputs/predictions"), help="where results go (outputs/predictions)")
    args = parser.parse_args(arguments)
    for path in args.inputs:
        if not path.is_file():
            raise RequestError(f"there is no file {path}")
    run = finished(args.run)
    if not run.plan.method.trains:
        raise RequestError(f"{args.run} holds no trained system: method '{run.plan.method.name}' learns nothing")
    system = load(run)
    bad, taken = [], set()
    for path in args.inputs:
        try:
            print(one(system, path, args.out, taken))
        except RunError as error:
            bad.append(str(error))
    if bad:
        raise RequestError("; ".join(bad))


def load(run: Finished) -> Any:
    """The system with its weights, in eval mode.  Raises RunError for foreign or unsafe checkpoints."""
    from audioml.lit import load_weights
    from audioml.system import System

    system = System(run.plan)
    load_weights(system, run.weights, run.signature)
    return system.eval()


def one(system: Any, path: Path, out: Path, taken: set[str]) -> str:
    """One file through the system; the line that tells what came of it."""
    import torch

    from audioml.data.audio import BadAudioError, decode
    from audioml.kinds import Seq

    plan = system.plan
    ((port, side),) = plan.inputs.items()
    world: Any = side.world
    try:
        samples, scale = decode(path, world.rate, world.channels)
    except BadAudioError as error:
        raise RunError(f"{path} cannot be used: {error}") from None
    x = torch.from_numpy(samples.T * scale).float()[None]
    with torch.no_grad():
        result, _ = system({port: Seq(x, torch.tensor([x.shape[-1]]))})[plan.output.port]
    target: Any = plan.output.world
    stem = path.stem
    while stem in taken:
        stem += "_"
    taken.add(stem)
    if isinstance(target, Label):
        return f"{path}: {target.classes[int(result[0])]}"  # type: ignore[index]
    if isinstance(result, list):
        write_bytes(out / f"{stem}.{plan.output.port}.txt", (result[0] + "\n").encode())
        return f"{path}: {result[0]}"
    names = target.names if isinstance(target, Stems) else (plan.output.port,)
    waves = result[0] if isinstance(target, Stems) else result
    made = [write_wav(out / f"{stem}.{name}.wav", wave, target.rate) for name, wave in zip(names, waves, strict=True)]
    return f"{path}: {', '.join(str(m) for m in made)}"


def write_wav(path: Path, wave: Any, rate: int) -> Path:
    """[C, T] as 16-bit WAV; louder than full scale is scaled down, not clipped."""
    import io

    import soundfile

    wave = wave / max(1.0, float(wave.abs().max()))
    buffer = io.BytesIO()
    soundfile.write(buffer, wave.T.numpy(), rate, format="WAV", subtype="PCM_16")
    write_bytes(path, buffer.getvalue())
    return path
