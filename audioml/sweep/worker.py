"""A worker of launcher=workers: imports once, then a job per line of standard input, an answer per line of standard output."""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import sys
import threading
import time
from importlib import import_module

OURS = ("run", "lit", "system", "datamodule", "evaluate", "examples", "metrics", "history", "data.folder", "data.mix", "losses")
SHELVES = ("probes", "metrics")  # every run is probed by all, and all metrics together import in a few ms
LATER = ("scipy.signal", "PIL.ImageDraw", "PIL.ImageFont", "filelock", "soundfile")  # what is imported when it is first asked for
HEAVY = ("hydra", *(f"audioml.{name}" for name in OURS), *LATER)  # what a run imports


def main(parent: int) -> None:
    """Until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    threading.Thread(target=leave_with, args=(parent,), daemon=True).start()
    imports_all()
    from audioml.sweep.jobs import Job, work

    imports = time.process_time()
    for line in sys.stdin:
        raw = json.loads(line)
        ended = work(Job(**{**raw, "arguments": tuple(raw["arguments"])}))
        told = {"status": ended.status, "said": ended.said, "seconds": ended.seconds, "cpu_s": ended.cpu_s}
        print(json.dumps({**told, "imports_cpu_s": imports}), file=answers, flush=True)


def imports_all() -> None:
    """What a run imports, and what a process finds out once, but for the run's own model, task and data."""
    gc.disable()  # a quarter of the imports' time goes into looking through objects that all stay
    for name in HEAVY:
        import_module(name)
    for shelf in SHELVES:
        for module in pkgutil.iter_modules(import_module(f"audioml.{shelf}").__path__):
            import_module(f"audioml.{shelf}.{module.name}")
    from PIL import Image

    from audioml.provenance import provenance
    from audioml.sweep import jobs  # noqa: F401
    from audioml.sweep.composer import composed

    composed(())
    provenance()
    Image.preinit()  # the usual kinds of files
    gc.freeze()  # nor are they looked through again between jobs
    gc.enable()


def leave_with(parent: int) -> None:
    """End this process when the one that started it is gone, even by SIGKILL: a run without a sweep would only stand in the way."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except KeyboardInterrupt:
        os._exit(130)
