"""Many runs: ``python scripts/sweep.py sweep=quick [launcher=workers] [task=A,B] [seed=0,1,2] [axis.setting=A,B]``.

Done ones are skipped; whenever it was stopped, the same command goes on.  publish=true leaves a slim copy of each record where the
definition publishes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml import shelf
from audioml.cli import guarded
from audioml.sweep.drive import main

if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        print("\n".join(f"  sweep={n:10} {shelf.describe('sweep', n)}" for n in shelf.names("sweep")))
        print("\n".join(f"  launcher={n:7} {shelf.describe('launcher', n)}" for n in shelf.names("launcher")))
        sys.exit(0)
    sys.exit(guarded(lambda: main(sys.argv[1:]), lost="nothing is lost, the same command goes on from there"))
