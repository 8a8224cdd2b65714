"""Hyper-parameter search: ``python scripts/search.py model=unet model.learning_rate=log:1e-4,1e-2 model.width=int:8,32 trials=20``.

  KEY=log:LOW,HIGH   KEY=float:LOW,HIGH   KEY=int:LOW,HIGH   KEY=choice:A,B,…      what is searched; the rest as for train.py
  trials=20  storage=outputs/search/search.db  prune=true
The objective is the lowest validation loss.  Whenever it was stopped, the same command goes on.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also from a checkout that is not installed

from audioml.cli import guarded
from audioml.search import main

if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit(0)
    sys.exit(guarded(lambda: main(sys.argv[1:]), lost="nothing is lost, the same command goes on from there"))
