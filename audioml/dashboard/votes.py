"""What listeners said, blind: ``votes.json``.  The page counts them into a column; here they are checked and kept."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audioml.errors import RequestError, RunError
from audioml.records import write_text

FILE, SCHEMA = "votes.json", 1
MOST, LARGEST, LONGEST = 100_000, 16 * 2**20, 120  # votes, bytes, letters of a text
KINDS: dict[str, dict[str, tuple[str, ...]]] = {  # what a vote of each kind says, and the answers it may give
    "abx": {"answer": ("right", "wrong")},
    "prefer": {"answer": ("a", "b", "tie")},
}
TEXTS = ("a", "b", "clip", "section")
_LOCK = threading.Lock()


def check_vote(raw: Any) -> dict[str, Any]:
    """A vote with exactly the keys of its kind: ``{"kind", "a", "b", "clip", "section", "answer"}``; `a`, `b` are run ids.

    Raises RequestError, one sentence.
    """
    if not isinstance(raw, Mapping) or raw.get("kind") not in KINDS:
        raise RequestError(f"a vote is an object whose 'kind' is one of {', '.join(KINDS)}")
    out: dict[str, Any] = {"kind": raw["kind"]}
    for name in TEXTS:
        text = raw.get(name)
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
            raise RequestError(f"a vote's '{name}' is a text of 1 to {LONGEST} letters")
        out[name] = text
    for name, answers in KINDS[raw["kind"]].items():
        if raw.get(name) not in answers:
            raise RequestError(f"the '{name}' of a vote of kind '{raw['kind']}' is one of {', '.join(answers)}")
        out[name] = raw[name]
    return out


def read_votes(path: Path) -> list[dict[str, Any]]:
    """The votes in a file; none where it is missing.  Raises RunError when it is no file of votes, lest it be written over."""
    if not path.exists():
        return []
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("too large")
        whole = json.loads(path.read_text("utf-8"))
        return [{**check_vote(vote), "time": str(vote.get("time", ""))[:30]} for vote in whole["votes"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, RequestError):
        raise RunError(f"{path} is no file of votes; move it away, then vote again") from None


def add_vote(path: Path, raw: Any) -> list[dict[str, Any]]:
    """Check a vote and keep it; all votes.  Raises RequestError (no vote) or RunError (cannot be kept)."""
    vote = check_vote(raw) | {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    with _LOCK:
        votes = [*read_votes(path), vote]
        if len(votes) > MOST:
            raise RunError(f"{path} holds {MOST} votes, and is full")
        write_text(path, json.dumps({"schema": SCHEMA, "votes": votes}, indent=1, ensure_ascii=False) + "\n")
    return votes
