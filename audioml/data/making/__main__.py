"""``python -m audioml.data.making ROOT SCALE SET…``: makes sets, tells its progress on stdout as lines of JSON.

One line per news: {"done": work since the last line, in units of WEIGHTS}, or {"error": sentence, "errno": number or null}.
When nobody reads any more (the parent died), writing fails and so this process ends by itself.
"""

from __future__ import annotations

import json
import sys
import traceback
from importlib import import_module
from pathlib import Path

from audioml.data.making import MAKERS, SCALES, WEIGHTS


def main(argv: list[str]) -> int:
    """Make the sets named in `argv`; returns the exit code."""
    root, scale, names = Path(argv[0]), SCALES[argv[1]], argv[2:]
    for name in names:
        module, function = MAKERS[name].split(":")
        make = getattr(import_module(module), function)
        make(root, scale, lambda k, weight=WEIGHTS[name]: print(json.dumps({"done": k * weight}), flush=True))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Exception as error:  # told to the parent, which owns the sentence for the user
        traceback.print_exc()
        print(json.dumps({"error": f"{type(error).__name__}: {error}", "errno": getattr(error, "errno", None)}), flush=True)
        sys.exit(1)
