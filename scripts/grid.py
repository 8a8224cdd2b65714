"""docs/grid.md from records: ``python scripts/grid.py [--outputs DIR]``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.grid import main

if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:]), "grid.py reads only what is there"))
