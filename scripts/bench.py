"""python scripts/bench.py NAME: one benchmark as ratios, candidates alternating in one run.  Without a name: the list.

A benchmark is a file in scripts/benches/ with ``run() -> list[Row]``; the folder is the registry.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(file.stem for file in (HERE / "benches").glob("*.py") if file.stem[0] != "_")


def main(argv: list[str]) -> int:
    """Run the named benchmark, print its table; ``--json FILE`` keeps the numbers.  Exit code 1 when a target is missed."""
    if not argv or argv[0] not in names():
        print(f"usage: python scripts/bench.py NAME [--json FILE]; NAME is one of {', '.join(names())}", file=sys.stderr)
        return 2
    rows = importlib.import_module(f"benches.{argv[0]}").run()
    for row in rows:
        print(row.line())
    if "--json" in argv[1:-1]:
        Path(argv[argv.index("--json") + 1]).write_text(json.dumps([row.as_dict() for row in rows], indent=1))
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
