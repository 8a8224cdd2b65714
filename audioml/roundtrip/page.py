"""The page of round trips: one picture per representation of the same clip, and what comes back, to hear.  Self-contained."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from audioml.kinds import Codes, Frames
from audioml.roundtrip.clips import RATE, Clip
from audioml.roundtrip.measure import Trip

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">
<title>Round trips</title><style>
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif }
body { margin: 1.5rem auto; max-width: 76rem; padding: 0 1rem }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr)); gap: 1.2rem }
article { border: 1px solid #8884; border-radius: .5rem; padding: .8rem; min-width: 0 }
h1 { font-size: 1.4rem } h2 { font-size: 1.05rem; margin: 0 } p { margin: .25rem 0 } h2, p { overflow-wrap: anywhere }
img { width: 100%; height: auto } audio { width: 100%; height: 2.2rem } .small { color: GrayText; font-size: .85rem }
</style></head><body>
<h1>What each representation keeps of the same clip</h1>
<p>{{ clip.name }}. {{ facts }}. Measured there and back over all clips: SI-SDR (higher is closer, sample by sample) and mel
distance (lower is closer to the ear), 95 % intervals in brackets.</p>
<main>
<article><h2>the clip itself</h2><img alt="waveform of {{ clip.name }}" src="{{ wave }}">
<audio controls src="{{ original }}"></audio></article>
{% for card in cards %}
<article><h2>{{ card.trip.name }}</h2>
<p class="small">{{ card.trip.shape }}</p>
{% if card.picture %}<img alt="{{ card.trip.name }} of {{ clip.name }}" src="{{ card.picture }}">{% endif %}
{% if card.audio %}<audio controls preload="none" src="{{ card.audio }}"></audio>{% endif %}
<p class="small">{{ card.said }}</p></article>
{% endfor %}
</main></body></html>
"""


def page(found: Sequence[Trip], rows: Sequence[Mapping[str, Any]], clip: Clip, facts: str) -> str:
    """The HTML text."""
    from jinja2 import Environment, StrictUndefined

    cards = []
    for t, row in zip(found, rows, strict=True):
        picture = draw(*t.coded) if t.coded else ""
        cards.append({"trip": t, "picture": picture, "audio": "" if t.back is None else sound(t.back), "said": said(row)})
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE).render(
        cards=cards, clip=clip, facts=facts, wave=draw(clip.wave[None], Frames(1, None)), original=sound(clip.wave)
    )


def said(row: Mapping[str, Any]) -> str:
    """The row's numbers as a sentence, or why there are none."""
    if "si_sdr" not in row:
        return str(row["reason"]).partition("\n")[0]
    parts = []
    for key, title in (("si_sdr", "SI-SDR"), ("mel_distance", "mel distance")):
        value = row[key]
        ci = f" [{value['ci'][0]:.1f}, {value['ci'][1]:.1f}]" if value["ci"] else ""
        parts.append(f"{title} {value['value']:.1f} dB{ci}")
    return ", ".join(parts) + f", n = {row['n']}" + (f"; {row['note']}" if row["note"] else "")


def draw(x: Any, space: Any) -> str:
    """Encoded clip [D, N], [C, F, N] or [K, N] -> a PNG data URI: lines where there are few rows, an image where there are many."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    x = np.asarray(x, np.float32).reshape(-1, np.shape(x)[-1])
    figure = Figure(figsize=(4.6, 1.9), dpi=110)
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0.1, 0.16, 0.88, 0.8))
    rate = float(getattr(space, "rate", None) or RATE)
    if len(x) <= 4:
        step = max(1, x.shape[-1] // 4000)
        for row in x:
            axis.plot(np.arange(len(row))[::step] / rate, row[::step], linewidth=0.5 if len(row) > 2000 else 1)
        axis.margins(x=0)
    else:
        low, high = np.percentile(x, (2, 99.8))
        signed = low < 0 < high and not isinstance(space, Codes) and abs(np.median(x)) < 0.05 * (high - low)
        edge = max(-low, high)
        limits = (-edge, edge) if signed else (low, max(high, low + 1e-6))
        axis.imshow(
            x, origin="lower", aspect="auto", extent=(0, x.shape[-1] / rate, 0, len(x)), interpolation="nearest",
            cmap="RdBu_r" if signed else "magma", vmin=limits[0], vmax=limits[1],
        )  # fmt: skip
    axis.tick_params(labelsize=7, colors="#808080", length=2)
    for spine in axis.spines.values():
        spine.set_visible(False)
    data = io.BytesIO()
    figure.savefig(data, format="png", transparent=True)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def sound(wave: Any) -> str:
    """[T] -> a data URI of 16-bit FLAC; louder than full scale is turned down."""
    import numpy as np
    import soundfile

    data = io.BytesIO()
    wave = np.nan_to_num(wave) / max(1.0, float(np.abs(wave).max(initial=0.0)))
    soundfile.write(data, wave, RATE, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(data.getvalue()).decode()
