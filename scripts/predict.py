"""Put a trained run to use: ``python scripts/predict.py RUN INPUT… --out DIR`` (audio files in; audio, label or text out)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.predict import main

if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
