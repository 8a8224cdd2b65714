"""Prints every legal combination of task, representation, model and method; `--all` also the illegal ones with their reason.

python scripts/matrix.py [--task NAME] [--all] [--count]
python scripts/matrix.py --check [--jobs N] [--limit N]       the laws of audioml/laws.py, asked of every legal combination
python scripts/matrix.py --roundtrip [--clips FILE_OR_FOLDER …] [--only REPRESENTATION …]    what each representation of sound loses
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.build import matrix
from audioml.cli import guarded
from audioml.draft import AXES
from audioml.errors import Misfit

PAGE = Path(__file__).resolve().parent.parent / "outputs" / "roundtrip"


def main() -> int:
    """Walk the grid."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", help="only this task")
    parser.add_argument("--all", action="store_true", help="also print what does not fit, and why")
    parser.add_argument("--count", action="store_true", help="print the totals only")
    parser.add_argument("--check", action="store_true", help="two training steps, a draw, shapes, gradients, streaming of each")
    parser.add_argument("--jobs", type=int, default=2, help="processes for --check (2)")
    parser.add_argument("--limit", type=int, help="check only so many, drawn at random")
    parser.add_argument("--roundtrip", action="store_true", help="real clips there and back through every representation of sound")
    parser.add_argument("--clips", nargs="+", default=[], metavar="PLACE", help="files or folders ($AUDIOML_DATA, or embedded)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these representations")
    parser.add_argument("--out", type=Path, default=PAGE, help="folder of the page")
    args = parser.parse_args()
    if args.roundtrip:
        return roundtrip(args)
    if args.check:
        return check(args)
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
    return 0


def check(args: argparse.Namespace) -> int:
    """Ask the laws; the exit code is 1 where one was broken."""
    from audioml.laws import check_all

    legal = [(" ".join(pick.values()), plan) for pick, plan in matrix() if not isinstance(plan, Misfit)]
    chosen = [(name, plan) for name, plan in legal if not args.task or plan.task.name == args.task]
    broken = check_all(chosen, jobs=args.jobs, limit=args.limit)
    print(f"{len(legal)} combinations are legal; {len(broken)} broke a law" + (":" if broken else ""))
    for name, why in broken:
        print(f"  {name}: {why}")
    return 1 if broken else 0


def roundtrip(args: argparse.Namespace) -> int:
    """Print the table and write the page; the exit code."""
    from audioml.roundtrip import run

    print(run(args.clips, args.out, args.only))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main, "nothing was written"))
