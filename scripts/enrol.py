"""Adapt a trained recogniser to one speaker: ``python scripts/enrol.py RUN --clips DIR [--only COLUMN=VALUE] [--method map|mllr]``.

DIR holds a few recordings of the speaker and a metadata.csv with their texts.  ``RUN --split test --passes 3`` adapts to the
recordings that the run is judged on without a look at their texts: three times, what it hears takes their place.  The result is a
run's folder beside RUN, which predict.py and evaluate.py take like any other.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.enrol import main

if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
