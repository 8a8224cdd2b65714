"""The talk's systems with what our recipes reached: ``python scripts/gallery.py [FOLDER ...] [--out DIR]``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.gallery import main

if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:]), "the page was not written"))
