"""Makes the embedded data: ``python scripts/prepare.py [--cache DIR] [--scale full|smoke]``.  Instant when it is there."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.data.making.store import ensure


def main() -> None:
    """Make the sets and print where they lie."""
    parser = argparse.ArgumentParser(description="Make audioml's embedded data (once).")
    parser.add_argument("--cache", help="the folder; default $AUDIOML_CACHE, else ~/.cache/audioml")
    parser.add_argument("--scale", default="full", help="full (default) or smoke (a few clips of each set)")
    asked = parser.parse_args()
    print(ensure(asked.cache, asked.scale))


if __name__ == "__main__":
    sys.exit(guarded(main, "the embedded data was not made, and nothing was left behind"))
