"""Silence before and after what a recording is about, found in the tape's energy index and left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from audioml.data.rows import Rows
from audioml.data.tape import SEGMENT, Tape


def trimmed(tape: Tape, rows: Rows, below: float) -> Rows:
    """`rows` from the first to the last stretch (256 samples) within `below` dB of the recording's loudest, and one more on
    either side.  Every row has one recording."""
    (files,) = rows.files.values()
    begin, length = np.zeros(len(files), np.int64), rows.length.copy()
    for row, file in enumerate(files[:, 0]):
        edges = np.arange(0, tape.length[file] + SEGMENT, SEGMENT)
        energy = tape.energy(np.full(len(edges) - 1, file), edges[:-1], edges[1:])
        loud = np.flatnonzero(energy > energy.max() * 10 ** (-below / 10))
        if len(loud):
            begin[row] = max(0, edges[loud[0]] - SEGMENT)
            length[row] = min(tape.length[file], edges[loud[-1] + 1] + SEGMENT) - begin[row]
    return replace(rows, begin=begin, length=length)
