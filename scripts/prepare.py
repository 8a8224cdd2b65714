"""Makes the embedded data: ``python scripts/prepare.py [--cache DIR] [--scale full|smoke]``.  Instant when it is there."""

from __future__ import annotations

import argparse
import sys

from audioml.data.making.store import ensure
from audioml.errors import AudiomlError


def main() -> int:
    """Make the sets and print where they lie; the exit code."""
    parser = argparse.ArgumentParser(description="Make audioml's embedded data (once).")
    parser.add_argument("--cache", help="the folder; default $AUDIOML_CACHE, else ~/.cache/audioml")
    parser.add_argument("--scale", default="full", help="full (default) or smoke (a few clips of each set)")
    asked = parser.parse_args()
    try:
        print(ensure(asked.cache, asked.scale))
    except AudiomlError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: the embedded data was not made, and nothing was left behind", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
