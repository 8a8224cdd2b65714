"""docs/grid.md from records: ``python scripts/grid.py [--outputs DIR] [--publish]``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.grid import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
