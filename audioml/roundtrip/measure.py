"""There and back through every representation of sound, and the table of what was lost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audioml import shelf
from audioml.errors import AudiomlError
from audioml.kinds import Codes, Frames, Grid, Seq, Wave
from audioml.parts import Representation
from audioml.roundtrip.clips import RATE, Clip, Training


@dataclass
class Trip:
    """One representation's way there and back: `values` metric -> per-clip numbers; or `reason` why there is no way back."""

    name: str
    shape: str
    reason: str = ""
    note: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    coded: Any = None
    back: Any = None


def audio_representations(only: Sequence[str] = ()) -> list[tuple[str, dict[str, Any]]]:
    """(name, settings) of everything that carries a Wave; a class may list the settings worth showing as `shows`."""
    out = []
    for name in only or shelf.parts("representation"):
        made = shelf.make("representation", name)
        if Wave in made.carries:
            out += [(name, dict(user)) for user in made.shows]
    return out


def trips(clips: Sequence[Clip], training: Sequence[Clip], only: Sequence[str] = (), shown: int = -1) -> list[Trip]:
    """Every representation's trip; the clip at `shown` keeps its picture and its sound."""
    return [trip(name, user, clips, training, shown) for name, user in audio_representations(only)]


def trip(name: str, user: Mapping[str, Any], clips: Sequence[Clip], training: Sequence[Clip], shown: int) -> Trip:
    """There and back for all clips; what cannot (no run named, no way back) says why."""
    import torch

    world = Wave(1, RATE)
    title = " ".join([name, *(f"{k}={v}" for k, v in user.items())])
    try:
        rep: Representation = shelf.make("representation", name, user)
        space = rep.space(world)
    except AudiomlError as error:
        return Trip(title, "", str(error))
    if rep.fits:
        torch.manual_seed(0)
        rep.fit(Training(training), "audio", world, 0)
    out = Trip(title, shape(space), "" if rep.renders else "does not render")
    out.note = f"{rep.borrows} of the clip itself" if rep.borrows else ""
    if rep.fits and training is clips:
        out.note = "learnt from the clips it is measured on"
    backs = []
    with torch.no_grad():
        for i, clip in enumerate(clips):
            x = torch.from_numpy(clip.wave)[None, None]
            coded, side = rep.encode(Seq(x, torch.tensor([x.shape[-1]])), world)
            back = None
            if rep.renders:
                side = side if rep.borrows else (x.shape[-1], torch.tensor([x.shape[-1]]))
                back = rep.decode(coded, side, world).x[0].numpy()
                backs.append(back)
            if i == shown % len(clips):
                out.coded, out.back = (coded.x[0].numpy(), space), None if back is None else back[0]
    if backs:
        out.values = measure(clips, backs, world)
    return out


def measure(clips: Sequence[Clip], backs: Sequence[Any], world: Wave) -> dict[str, Any]:
    """Numbers per clip [n]: SI-SDR, mel distance, both in dB."""
    from audioml.metrics._base import Items
    from audioml.metrics.mel_distance import score

    items = Items([c.wave[None] for c in clips], backs, None, world)
    near = score(items)["fidelity/mel_distance"].rows.reshape(len(clips), -1)[:, 0]
    return {"si_sdr": si_sdr([c.wave for c in clips], [b[0] for b in backs]), "mel_distance": near}


def si_sdr(targets: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """As the metric of that name (Le Roux et al. 2019, eq. 4, within -60 … 100 dB), which does not take exact copies."""
    import numpy as np

    found = []
    for target, output in zip(targets, outputs, strict=True):
        t, o = target.astype(np.float64), output.astype(np.float64)
        part = t * (t @ o) / (t @ t)
        found.append(10 * np.log10((part @ part + 1e-30) / ((part - o) @ (part - o) + 1e-30)))
    return np.clip(found, -60.0, 100.0)


def shape(space: Any) -> str:
    """A space in words, with the numbers (or bits) it costs per second."""
    if isinstance(space, Codes):
        bits = space.books * math.log2(space.size) * float(space.rate or 0)
        return f"{space.books} of {space.size} at {float(space.rate or 0):g}/s, {bits / 1000:.3g} kbit/s"
    sides = [space.dim] if isinstance(space, Frames) else [space.channels, space.bins] if isinstance(space, Grid) else []
    rate = float(space.rate or 0)
    return f"{'×'.join(map(str, sides))} at {rate:g}/s, {math.prod(sides) * rate:,.0f} numbers/s"


def table(found: Sequence[Trip], clips: Sequence[Clip]) -> list[dict[str, Any]]:
    """Rows: name, shape, per metric mean and 95 % interval, mel distance per set."""
    import numpy as np

    from audioml.metrics import interval

    groups = list(dict.fromkeys(c.group for c in clips))
    rows = []
    for t in found:
        row: dict[str, Any] = {"name": t.name, "shape": t.shape, "reason": t.reason, "note": t.note, "n": 0}
        for key, values in t.values.items():
            good = values[np.isfinite(values)]
            ci = interval(np.stack([good, np.ones_like(good)], 1)) if len(good) > 1 else None
            row[key] = {"value": float(good.mean()), "ci": ci, "n": len(good)}
            row["n"] = len(good)
        if t.values:
            near = t.values["mel_distance"]
            row["sets"] = {g: float(np.nanmean(near[[i for i, c in enumerate(clips) if c.group == g]])) for g in groups}
        rows.append(row)
    return rows


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as text."""
    groups = next((list(r["sets"]) for r in rows if "sets" in r), [])
    head = ["representation", "shape", "SI-SDR (dB)", "mel distance (dB)", *(f"on {g}" for g in groups), "n"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for r in rows:
        cells = [r["name"], r["shape"]]
        if "sets" in r:
            cells += [_cell(r["si_sdr"], 1), _cell(r["mel_distance"], 2), *(f"{v:.2f}" for v in r["sets"].values()), str(r["n"])]
            cells[0] += f" ({r['note']})" if r["note"] else ""
        else:
            cells += [" ".join(r["reason"].split()), *[""] * (len(head) - 3)]
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(lines)


def _cell(value: Mapping[str, Any], digits: int) -> str:
    ci = f" [{value['ci'][0]:.{digits}f}, {value['ci'][1]:.{digits}f}]" if value["ci"] else ""
    return f"{value['value']:.{digits}f}{ci}"
