"""Compare runs: ``python scripts/table.py [RUNS_DIR ...] [--task X] [--records DIR] [--out DIR]``.

``--talk [FOLDER ...] [--out DIR]`` makes the talk's table from the measurements, and says where the two agree.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.table import main
from audioml.talk import main as talk

if __name__ == "__main__":
    entry = talk if "--talk" in sys.argv[1:] else main
    sys.exit(guarded(lambda: entry(sys.argv[1:]), "the table was not written"))
