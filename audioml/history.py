"""``metrics.csv``: the numbers of a run as it goes (step, name, value, time).  Cheap to append, forgiving to read."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from audioml.records import cannot_write

HEADER = ("step", "name", "value", "time")
LARGEST = 64 * 2**20  # bytes read of one file: some hundred runs must fit in memory


class History:
    """Appends rows in memory and writes them on `flush` (call it at epoch ends) or when `buffer` rows wait.

    An existing file is continued: a torn last line (a killed process) is cut off, and with `resume_step` so are the rows of
    later steps, which the resumed run will write again.  Writing raises RunError when the disk is full.
    """

    def __init__(self, path: Path, resume_step: int | None = None, buffer: int = 1000):
        self.path, self.buffer = Path(path), buffer
        self._rows: list[tuple[int, str, str, str]] = []
        self._begin = time.time()
        try:
            self._open(resume_step)
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def append(self, step: int, name: str, value: float) -> None:
        """One number; `value` may be nan (a curve then has a gap)."""
        self._rows.append((int(step), name, f"{float(value):.8g}", f"{time.time() - self._begin:.3f}"))
        if len(self._rows) >= self.buffer:
            self.flush()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Several numbers of one step."""
        for name, value in values.items():
            self.append(step, name, value)

    def flush(self) -> None:
        """Write what waits, in one piece.  Raises RunError."""
        rows, self._rows = self._rows, []
        if rows:
            try:
                with self.path.open("a", encoding="utf-8", newline="") as file:
                    file.write(_lines(rows))
            except OSError as error:
                raise cannot_write(self.path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def _open(self, resume_step: int | None) -> None:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(_lines([HEADER]), encoding="utf-8", newline="")
            return
        text = self.path.read_text(encoding="utf-8", errors="replace")
        whole = text[: text.rfind("\n") + 1]
        if resume_step is not None:
            kept = [row for row in _rows(whole) if _before(row, resume_step)]
            whole = _lines(kept)
        if whole != text:
            self.path.write_text(whole or _lines([HEADER]), encoding="utf-8", newline="")


def read_history(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Name -> [(step, value)] in order; lines that are torn or no numbers are passed over; a missing file is empty."""
    curves: dict[str, list[tuple[int, float]]] = {}
    try:
        with Path(path).open("rb") as file:
            text = file.read(LARGEST).decode("utf-8", errors="replace")
    except OSError:
        return curves
    whole = text[: text.rfind("\n") + 1]  # the last line of a killed run may lack its end, and still look like a number
    for row in _rows(whole):
        try:
            step, value = int(row[0]), float(row[2])
        except (ValueError, IndexError):  # the header, or a line that is not ours
            continue
        if math.isfinite(value):
            curves.setdefault(row[1], []).append((step, value))
    return curves


def _rows(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text.replace("\0", "")))
    except csv.Error:  # a field without end: what came before it is still good
        return


def _before(row: list[str], step: int) -> bool:
    return row == list(HEADER) or (len(row) == len(HEADER) and row[0].isdecimal() and int(row[0]) <= step)


def _lines(rows: list) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
