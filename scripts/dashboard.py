"""Compare runs by eye and ear: ``python scripts/dashboard.py [FOLDER ...] [--port N] [--static DIR]``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.dashboard import main

if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:]), "the page was not written"))
