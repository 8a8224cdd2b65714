"""Every fold of a cross-validation, pooled: ``python scripts/crossval.py by=COLUMN [folds=K] [out=FILE] axis=NAME …``.

`by` is the column of the data whose values stay together (song, speaker, fold); without `folds` each of its values is a fold.
The rest is what train.py takes.  Folds that are done are skipped, so the command goes on where it stopped.  Needs no GPU.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.crossval import main

if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit(0)
    sys.exit(guarded(lambda: main(sys.argv[1:])))
