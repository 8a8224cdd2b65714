"""python scripts/drum_peers.py FOLDER RECORD: separated drums beside librosa's median filters (HPSS, Fitzgerald 2010).

FOLDER holds the multitracks that RECORD (of scripts/crossval.py, `out=`) was measured on, with a metadata.csv that has the columns
file_name and drums_file_name.  Both are judged by SI-SDR improvement over the mixture on whole songs, with 95 % intervals over
songs; the difference is paired.  Needs no GPU.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import numpy as np  # noqa: E402

from audioml.errors import AudiomlError, RequestError  # noqa: E402
from audioml.metrics import interval, paired  # noqa: E402
from audioml.records import Record  # noqa: E402

OWN = "fidelity/si_sdr_improvement_drums"
WINDOW, HOP = 1024, 256  # samples


def percussive(wave: np.ndarray) -> np.ndarray:
    """The percussive part of a wave [T]."""
    import librosa

    hits = librosa.decompose.hpss(librosa.stft(wave, n_fft=WINDOW, hop_length=HOP))[1]
    return librosa.istft(hits, hop_length=HOP, length=len(wave))


def improvement(target: np.ndarray, estimate: np.ndarray, mixture: np.ndarray) -> float:
    """SI-SDR improvement in dB, all [T]."""
    from fast_bss_eval import si_sdr

    both = np.stack([estimate, mixture]).astype(np.float64)[:, None]
    after, before = si_sdr(np.stack([target, target]).astype(np.float64)[:, None], both)[:, 0]
    return float(after - before)


def measured(folder: Path) -> dict[str, float]:
    """Improvement of every song of a folder, by its recording's name without its ending.  RequestError where columns lack."""
    import soundfile

    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"file_name", "drums_file_name"} <= set(rows[0]):
        raise RequestError(f"{folder}/metadata.csv should have the columns file_name and drums_file_name")
    gain = {}
    for row in rows:
        mix, drums = (soundfile.read(folder / row[c])[0] for c in ("file_name", "drums_file_name"))
        gain[str(PurePosixPath(row["file_name"]).with_suffix(""))] = improvement(drums, percussive(mix), mix)
    return gain


def main(arguments: Sequence[str]) -> None:
    """Raises RequestError for a record without drums."""
    parser = argparse.ArgumentParser(prog="drum_peers.py", description="Separated drums beside librosa's HPSS.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("record", type=Path)
    args = parser.parse_args(arguments)
    record = Record.read(args.record)
    names = record.provenance.get("test_items", [])
    own = record.items.get(OWN, [])
    if not own or len(own) != len(names):
        raise RequestError(f"{args.record} has no {OWN} per named song; crossval.py out=FILE writes such a record")
    gain = measured(args.folder)
    rival: list[float | None] = [gain.get(name) for name in names]
    for system, numbers in (("trained", own), ("HPSS", rival)):
        kept = np.asarray([x for x in numbers if x is not None], np.float64)
        low, high = interval(np.stack([kept, np.ones_like(kept)], 1)) or (np.nan, np.nan)
        print(f"{system:8} {kept.mean():.2f} dB [{low:.2f}, {high:.2f}] (n={len(kept)})")
    gap = paired(own, rival)
    print(f"trained over HPSS {gap.difference:+.2f} dB {'' if gap.ci is None else f'[{gap.ci[0]:+.2f}, {gap.ci[1]:+.2f}]'}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except AudiomlError as error:
        print(f"drum_peers: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
