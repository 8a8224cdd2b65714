"""Writing one audiofolder: FLAC files, metadata.csv and README.md; and the draws that make every file repeatable."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioml.data.making import RATE

if TYPE_CHECKING:
    import numpy as np

SEED = 20240607
Tick = Callable[[int], None]


def draw(*keys: object) -> np.random.Generator:
    """A random generator that depends on `keys` only, so that one file's draw never moves another's."""
    import numpy as np

    return np.random.default_rng([SEED, zlib.crc32("/".join(map(str, keys)).encode())])


def level(x: np.ndarray, rms_db: float, peak: float = 0.9) -> np.ndarray:
    """Scale `x` [T] to an RMS of `rms_db` dBFS, less where its peak would pass `peak`."""
    import numpy as np

    x = x - x.mean()
    gain = 10 ** (rms_db / 20) / max(float(np.sqrt(np.mean(x**2))), 1e-9)
    return x * min(gain, peak / max(float(np.abs(x).max()), 1e-9))


def to_int16(x: np.ndarray) -> np.ndarray:
    """Samples in [-1, 1] -> int16, rounded, never wrapped."""
    import numpy as np

    return np.clip(np.round(x * 32768), -32768, 32767).astype(np.int16)


def fade(x: np.ndarray, seconds: float = 0.01) -> np.ndarray:
    """Raised-cosine fade at both ends of `x` [T], so that a clip starts and ends without a click."""
    import numpy as np

    k = min(int(seconds * RATE), len(x) // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(k) + 0.5) / k)
    x = np.array(x, dtype=np.float64)
    x[:k] *= ramp
    x[len(x) - k :] *= ramp[::-1]
    return x


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A small CSV with a header row, "\\n" line ends on every system."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


class Shelf:
    """One audiofolder in the making: ``with Shelf(root / "speech", columns, readme, tick) as shelf``."""

    def __init__(self, folder: Path, columns: Sequence[str], readme: str, tick: Tick) -> None:
        self.folder, self.columns, self.readme, self.tick = folder, tuple(columns), readme, tick
        self.rows: list[dict[str, Any]] = []

    def __enter__(self) -> Shelf:
        self.folder.mkdir()
        return self

    def place(self, name: str) -> Path:
        """Where `name` (a path below the folder) is written; its own folders are made.

        The shelf itself is not made again: when somebody has cleared it away, this process was forgotten by its parent.
        """
        if not self.folder.is_dir():
            raise FileNotFoundError(f"{self.folder} was removed")
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
        """Write a CSV to `name` and return it."""
        write_csv(self.place(name), columns, rows)
        return name

    def audio(self, name: str, pcm: np.ndarray) -> str:
        """Write int16 samples [T] to `name` (a path below the folder) and return it."""
        import soundfile

        # Through memory, so that a full disk is an OSError with its errno and not libsndfile's "System error".
        encoded = io.BytesIO()
        soundfile.write(encoded, pcm, RATE, format="FLAC", subtype="PCM_16")
        self.place(name).write_bytes(encoded.getvalue())
        return name

    def row(self, **values: Any) -> None:
        """One line of metadata.csv; every column must be given."""
        assert set(values) == set(self.columns), sorted(set(values) ^ set(self.columns))
        self.rows.append(values)
        self.tick(1)

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            write_csv(self.folder / "metadata.csv", self.columns, ([r[c] for c in self.columns] for r in self.rows))
            (self.folder / "README.md").write_text(self.readme, encoding="utf-8")
