"""The project's errors.  Each message is one clear sentence that names the cause and the valid choices.

The exit code is part of the public contract: 2 = the request was wrong, 1 = it failed while running.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AudiomlError(Exception):
    """Anything the user should read as a sentence, not as a traceback."""

    exit_code = 1


class RequestError(AudiomlError):
    """The request was wrong: unknown option, wrong type, missing folder, missing column …"""

    exit_code = 2


class Misfit(RequestError):
    """The parts are each fine but do not fit together."""


class RunError(AudiomlError):
    """The request was right but the run failed: NaN loss, full disk, too many corrupt files …"""

    exit_code = 1


class Stopped(AudiomlError):
    """A run that who watches it has ended before its time, such as a search that prunes; it counts as interrupted."""

    exit_code = 1


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``'; did you mean X?'`` when one of `choices` is close to `word`, else an empty string."""
    near = difflib.get_close_matches(str(word), [str(c) for c in choices], n=1)
    return f"; did you mean {near[0]}?" if near else ""
