"""Prints every legal combination of task, representation, model and method; `--all` also the illegal ones with their reason.

python scripts/matrix.py [--task NAME] [--all] [--count]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.build import matrix
from audioml.draft import AXES
from audioml.errors import Misfit


def main() -> None:
    """Walk the grid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", help="only this task")
    parser.add_argument("--all", action="store_true", help="also print what does not fit, and why")
    parser.add_argument("--count", action="store_true", help="print the totals only")
    args = parser.parse_args()
    legal = total = 0
    for pick, outcome in matrix():
        if args.task and pick["task"] != args.task:
            continue
        total += 1
        fits = not isinstance(outcome, Misfit)
        legal += fits
        if not args.count and (fits or args.all):
            print(" ".join(f"{a}={pick[a]}" for a in AXES) + ("" if fits else f"   ✗ {outcome}"))
    print(f"{legal} of {total} combinations are legal")


if __name__ == "__main__":
    main()
