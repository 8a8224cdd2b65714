"""What each representation of sound loses: real clips there and back, measured, seen and heard.

No model that speaks a representation can be better than this.  `python scripts/matrix.py --roundtrip` prints the table and writes
outputs/roundtrip/{index.html,table.json}.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from audioml.records import write_text
from audioml.roundtrip.clips import PER_SET, RATE, SECONDS, find_clips
from audioml.roundtrip.measure import markdown, table, trips
from audioml.roundtrip.page import page


def run(given: Sequence[str], out: Path, only: Sequence[str] = (), wanted: int = PER_SET) -> str:
    """Measure, write the page and table.json into `out`, and return the table as text."""
    began = time.monotonic()
    clips, training, where = find_clips(given, wanted)
    found = trips(clips, training, only)
    rows = table(found, clips)
    text = markdown(rows)
    facts = f"{len(clips)} clips of at most {SECONDS:g} s at {RATE // 1000} kHz from {where}; {time.monotonic() - began:.0f} s"
    write_text(out / "table.json", json.dumps({"schema": 1, "clips": [c.name for c in clips], "rows": rows}, indent=1) + "\n")
    write_text(out / "index.html", page(found, rows, clips[-1], facts))
    return f"{text}\n\n{facts}\n{out / 'index.html'}"
