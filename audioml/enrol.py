"""Speaker enrolment: a trained run, adapted to a few clips of one speaker and what he says in them, as a run of its own.

What he says is read, or (`--passes`) what the run itself hears takes its place: recognise, adapt, recognise again.  How the system
moves is its method's affair (`Method.adapt`); here clips are read and the new run's folder is written.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from audioml import shelf
from audioml.corpus import Clip
from audioml.errors import RequestError
from audioml.kinds import Batch, Seq, Text, Wave
from audioml.predict import load
from audioml.provenance import signature
from audioml.records import cannot_write, write_bytes, write_text
from audioml.runfolder import Finished, read_config, request_of, trained

BATCH = 64


def main(arguments: list[str]) -> None:
    """``RUN --clips DIR …`` or ``RUN --split test --passes 3``; prints how much likelier the clips became, and the new folder."""
    parser = argparse.ArgumentParser(prog="enrol.py", description="Adapt a trained recogniser to one speaker's few clips.")
    parser.add_argument("run", type=Path, help="a run's folder: outputs/runs/…")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--clips", type=Path, help="a folder of clips with a metadata.csv (file_name, transcript)")
    where.add_argument("--split", choices=("valid", "test"), help="the run's own clips, without their texts")
    parser.add_argument("--only", action="append", default=[], metavar="COLUMN=VALUE[,VALUE…]", help="those rows alone; may repeat")
    parser.add_argument("--method", default="map", help="map (each Gaussian by itself) or mllr (one transform of all)")
    parser.add_argument("--strength", type=float, default=10.0, help="frames that what was learnt before counts for (10)")
    parser.add_argument("--rounds", type=int, default=2, help="times the clips are aligned anew (2)")
    parser.add_argument("--passes", type=int, default=0, help="times what is heard takes the place of the texts (0: the texts)")
    args = parser.parse_args(arguments)
    if args.split and not args.passes:
        raise RequestError("--split without --passes would look at the texts that the run is judged by")
    if args.split and args.only:
        raise RequestError("--only chooses rows of --clips; --split takes all clips of the run's split")
    if not 0 <= args.passes <= 100:
        raise RequestError("--passes should be between 0 and 100")
    if args.strength < 0 or not 1 <= args.rounds <= 100:
        raise RequestError("--strength should be zero or more and --rounds between 1 and 100")
    run, config = trained(args.run), read_config(args.run)
    clips = read_clips(run, config, args.clips, args.only) if args.clips else split_of(args.run, args.split)
    system, heard = load(run).eval(), batches(run, clips)
    losses: list[float] = []
    for _ in range(max(1, args.passes)):
        if args.passes:
            heard = [recognised(system, batch) for batch in heard]
        losses += run.plan.method.adapt(system, heard, args.method, args.strength, args.rounds)
    before, after = losses[0], mean_loss(system, heard)
    facts = {
        "from": args.run.name, "method": args.method, "strength": args.strength, "rounds": args.rounds, "only": args.only,
        "where": args.split or args.clips.name,
        "clips": [clip.name for clip in clips], "loss_before": round(before, 4), "loss_after": round(after, 4),
        **({"passes": args.passes, "texts": "none: what the run heard"} if args.passes else {}),
    }  # fmt: skip
    place = write_run(args.run, run, config, system, facts)
    print(f"{len(clips)} clips, loss {before:.3f} -> {after:.3f}: {place}")


def split_of(folder: Path, split: str) -> list[Clip]:
    """All clips of a split of the run's own data, the longest last."""
    request = request_of(folder)
    return sorted(request.corpus.prepare(request.plan.task).clips(split), key=_length)


def _length(clip: Clip) -> int:
    return max(x.shape[-1] for x in clip.ports.values() if hasattr(x, "shape"))


def recognised(system: Any, batch: Batch) -> Batch:
    """The batch with what the system hears in it in place of its texts."""
    import torch

    port = system.plan.output.port
    with torch.no_grad():
        texts = system({p: seq for p, seq in batch.items() if p != port})[port].x
    return {**batch, port: Seq(texts, torch.tensor([len(text) for text in texts]))}


def read_clips(run: Finished, config: dict[str, Any], where: Path, only: Sequence[str]) -> list[Clip]:
    """The clips as the run's data would give them.  RequestError for a clip that cannot be used or a task without texts."""
    from audioml.data.audio import BadAudioError, decode
    from audioml.data.ports import bind_ports, spell

    task, worlds = run.plan.task, run.plan.worlds()
    if {type(w) for w in worlds.values()} != {Wave, Text}:
        raise RequestError(f"enrolment wants recordings and their texts, and task '{task.name}' goes between other kinds")
    wave = next(w for w in worlds.values() if isinstance(w, Wave))
    told = config["settings"].get("data", {})
    same = {k: told[k] for k in ("columns", "name_pattern", "text") if k in told}
    path = where.parent if where.name == "metadata.csv" else where
    chosen = dict(_filter(item) for item in only)
    data = shelf.make(
        "data", "folder", {**same, "path": str(path), "rate": wave.rate, "channels": wave.channels, "only": chosen}
    )
    table = data.table(task)
    binding = bind_ports(task, table, data.columns, rate=data.rate, channels=data.channels)
    found = []
    for name, row in zip(table.names(), table.rows, strict=True):
        ports: dict[str, Any] = {port: spell(row.get(column, ""), data.text) for port, column in binding.values.items()}
        for port, (column,) in binding.audio.items():
            try:
                samples, scale = decode(table.source(row[column]).open(), data.rate, data.channels)  # type: ignore[arg-type]
            except BadAudioError as error:
                raise RequestError(f"{name} cannot be used: {error}") from None
            ports[port] = samples.T.astype("float32") * scale
        found.append(Clip(name, ports))
    return found


def _filter(item: str) -> tuple[str, list[str]]:
    """COLUMN=VALUE[,VALUE…] -> column and values."""
    column, _, values = item.partition("=")
    if not column or not values:
        raise RequestError(f"--only {item} should be COLUMN=VALUE or COLUMN=VALUE,VALUE")
    return column, values.split(",")


def batches(run: Finished, clips: Sequence[Clip]) -> list[Batch]:
    """The clips in batches."""
    from audioml.datamodule import collate

    ports = {p: s.world for p, s in run.plan.sides().items()}
    return [collate(list(clips[at : at + BATCH]), ports) for at in range(0, len(clips), BATCH)]


def mean_loss(system: Any, items: Sequence[Batch]) -> float:
    """The method's loss, mean over the batches by their clips."""
    import torch

    with torch.no_grad():
        losses = [sum(float(v) for v in system.plan.method.loss(system, batch).values()) for batch in items]
    counts = [len(next(iter(batch.values())).n) for batch in items]
    return sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)


def write_run(folder: Path, run: Finished, config: dict[str, Any], system: Any, facts: dict[str, Any]) -> Path:
    """A run's folder beside the old one: its configuration, the moved weights, and enrolment.json, which says where from.

    No record.json: its test clips were not judged yet (scripts/evaluate.py does), and it is no further seed of the old run.
    """
    import torch

    sign = signature({"run": run.signature}, {"enrolment": facts})
    stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H%M%S")
    place = folder.parent / f"{stamp}_enrolled_{config['names']['task']}_{config['names']['model']}_{sign}"
    saved = torch.load(run.weights, map_location="cpu", weights_only=True)  # plain weights: load() has read them before
    saved["state_dict"] |= {f"system.{k}": v for k, v in system.state_dict().items()}
    saved["audioml"]["signature"] = sign
    buffer = io.BytesIO()
    torch.save({"state_dict": saved["state_dict"], "audioml": saved["audioml"]}, buffer)
    try:
        (place / "checkpoints").mkdir(parents=True)
    except OSError as error:
        raise cannot_write(place, error) from None
    write_text(place / "config.yaml", yaml.safe_dump({**config, "signature": sign}, sort_keys=False, allow_unicode=True))
    write_bytes(place / "checkpoints" / run.weights.name, buffer.getvalue())
    write_text(place / "enrolment.json", json.dumps(facts, indent=1) + "\n")
    return place
