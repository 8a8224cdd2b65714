"""``scripts/dashboard.py``: serve the comparison of all runs while they go on, or write it as a folder."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from audioml.dashboard.votes import FILE
from audioml.errors import RequestError

RUNS, PORT = Path("outputs/runs"), 8765


def main(argv: Sequence[str]) -> None:
    """RequestError for a missing folder, RunError for a port that is taken or a folder that cannot be written."""
    asked = _parser().parse_args(argv)
    command = shlex.join(["python", "scripts/dashboard.py", *argv])
    folders = asked.runs or ([] if asked.records else [RUNS])
    if folders == [RUNS]:
        RUNS.mkdir(parents=True, exist_ok=True)  # before the first run: the page waits for it
    for folder in [*folders, *asked.records]:
        if not folder.is_dir():
            raise RequestError(f"there is no folder {folder}; name one that holds runs, or first train: python train.py")
    votes = asked.votes or (folders or asked.records)[0].resolve().parent / FILE
    if asked.static:
        _write(folders, asked.records, asked.static, votes, command)
    else:
        _serve(folders, asked.records, votes, asked.port, command)


def _write(folders: list[Path], records: list[Path], out: Path, votes: Path, command: str) -> None:
    from audioml.dashboard.static import write_static
    from audioml.table.build import build_table
    from audioml.table.collect import find_runs

    found = find_runs(folders, records)
    index = write_static(build_table(found), out, unfinished=found.unfinished, votes=votes, command=command)
    print(f"{index} (open it in a browser)")


def _serve(folders: list[Path], records: list[Path], votes: Path, port: int, command: str) -> None:
    from audioml.dashboard.server import Server
    from audioml.dashboard.watch import Watch

    server = Server(Watch(folders, records, votes, command), port)
    shown = ", ".join(map(str, [*folders, *records]))
    print(f"{server.url} shows {shown} as it changes; votes go to {votes}; Ctrl-C ends it", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dashboard.py", description="Compare runs by eye and ear, while they run or from disk.")
    parser.add_argument("runs", nargs="*", type=Path, metavar="FOLDER", help=f"folders of runs (default {RUNS})")
    parser.add_argument("--port", type=int, default=PORT, help=f"port on this machine (default {PORT}; 0: a free one)")
    parser.add_argument("--static", type=Path, metavar="DIR", help="write the page as a folder instead of serving it")
    also = {"action": "append", "default": [], "metavar": "DIR", "help": "also published records, DIR/*.json"}
    parser.add_argument("--records", type=Path, **also)
    parser.add_argument("--votes", type=Path, metavar="FILE", help=f"where votes are kept (default {FILE} beside the first folder)")
    return parser
