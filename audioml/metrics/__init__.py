"""How outputs are judged.  The folder is the list: NAME.py is the metric `NAME` of a task (see _base.py for its shape).

`evaluate(task, clips, outputs, worlds=corpus.provides(task))` gives Scores (values for the record, numbers per item);
`paired(scores.items[name], baseline.items[name]).favours("high")` says whether one system beats another beyond doubt.
"""

from __future__ import annotations

import lazy_loader

VERSION = 1  # of the definitions: tables refuse to mix; a test reminds of it when the list of metrics changes (additions leave it)

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_registry": ["available", "metric"],
        "_evaluate": ["Scores", "evaluate"],
        "_bootstrap": ["Paired", "interval", "paired"],
    },
)
