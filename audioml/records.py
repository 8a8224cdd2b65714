"""What a run leaves behind: Value, Record, and how they are read and written.  No torch, no numpy."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from audioml.errors import RunError

SCHEMA = 1
STATUSES = ("done", "failed", "interrupted")
LARGEST = 16 * 2**20  # bytes; a record of 100 000 test items is a tenth of this, so a larger file is not a record


@dataclass(frozen=True)
class Value:
    """A measured number, or the reason why there is none.

    `better` is "high", "low" or "" (a description, not a merit); `ci` a 95 % interval; `n` the number of items.
    """

    value: float | str | None
    unit: str = ""
    better: str = ""
    n: int | None = None
    ci: tuple[float, float] | None = None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The shape of DESIGN's record.json: ``reason`` only where nothing was measured."""
        out: dict[str, Any] = {"value": self.value, "unit": self.unit, "better": self.better, "n": self.n}
        out["ci"] = list(self.ci) if self.ci else None
        if self.reason:
            out["reason"] = self.reason
        return out

    @classmethod
    def from_dict(cls, raw: Any) -> Value:
        """The inverse of `as_dict`, for text from an unknown hand.  Raises RunError saying what is wrong."""
        if not isinstance(raw, Mapping) or "value" not in raw:
            raise RunError("a value is not an object with the key 'value'")
        got, ci, n = raw["value"], raw.get("ci"), raw.get("n")
        reason = _text(raw.get("reason", ""), "reason")
        if not isinstance(got, str | int | float | None):
            raise RunError("a value is neither a number nor a text nor null")
        if isinstance(got, bool):
            got = "yes" if got else "no"
        if isinstance(got, int | float):
            got, reason = (got, reason) if _finite(got) else (None, reason or "not finite")
        if ci is not None and not (isinstance(ci, Sequence) and len(ci) == 2 and all(_finite(edge) for edge in ci)):
            ci = None
        n = n if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**53 else None
        better = raw.get("better", "")
        if better not in ("high", "low", ""):
            raise RunError(f"'better' is {better!r:.40}, not one of 'high', 'low', ''")
        pair = (float(ci[0]), float(ci[1])) if ci is not None else None
        return cls(got, _text(raw.get("unit", ""), "unit"), better, n, pair, reason)


def not_measured(reason: str, unit: str = "", better: str = "") -> Value:
    """A value that says why it is absent."""
    return Value(None, unit, better, reason=reason)


Values = dict[str, Value]
Items = dict[str, list[float | None]]


@dataclass
class Record:
    """One run, as ``record.json`` holds it.

    `axes`            task, row, representation (per port), model, method, data, recipe, preset, seed.
    `values`          measured, by "group/name"; `baselines` and `ceilings` the same names for the trivial and the ideal
                      predictor.
    `items`           per test item, in order (null = not measurable there), for paired comparison with `baseline_items`.
    `primary`         the name in `values` that ranks runs of this task.
    `provenance`      git, versions, host, device, seed, wall_s, steps, examples_seen, data_fingerprint …
    """

    signature: str
    axes: dict[str, Any]
    values: Values = field(default_factory=dict)
    baselines: Values = field(default_factory=dict)
    ceilings: Values = field(default_factory=dict)
    items: Items = field(default_factory=dict)
    baseline_items: Items = field(default_factory=dict)
    primary: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    status: str = "done"
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """DESIGN's shape, JSON-able: a number that is not finite becomes null with the reason."""
        if self.status not in STATUSES:
            raise RunError(f"a record's status is one of {', '.join(STATUSES)}, not {self.status!r}")
        tables = {name: _plain_values(getattr(self, name)) for name in ("values", "baselines", "ceilings")}
        return {
            "schema": SCHEMA,
            "signature": self.signature,
            "axes": plain(self.axes),
            "primary": self.primary,
            **tables,
            "items": plain(self.items),
            "baseline_items": plain(self.baseline_items),
            "provenance": plain(self.provenance),
            "status": self.status,
            "error": self.error or None,
        }

    @classmethod
    def from_dict(cls, raw: Any) -> Record:
        """The inverse of `as_dict`, for text from an unknown hand.  Raises RunError with one sentence."""
        if not isinstance(raw, Mapping) or "schema" not in raw:
            raise RunError("it is not an audioml record (no key 'schema')")
        if raw["schema"] != SCHEMA:
            raise RunError(f"it has schema {raw['schema']!r:.40}, this version reads schema {SCHEMA}")
        axes, provenance = raw.get("axes"), raw.get("provenance", {})
        if not isinstance(axes, Mapping) or not isinstance(axes.get("task"), str):
            raise RunError("its 'axes' do not name a task")
        if not isinstance(provenance, Mapping):
            raise RunError("its 'provenance' is not an object")
        if raw.get("status") not in STATUSES:
            raise RunError(f"its status is {raw.get('status')!r:.40}, not one of {', '.join(STATUSES)}")
        tables = {name: _read_values(raw.get(name), name) for name in ("values", "baselines", "ceilings")}
        numbers = {name: _read_items(raw.get(name), name) for name in ("items", "baseline_items")}
        return cls(
            signature=_text(raw.get("signature", ""), "signature"),
            axes=dict(axes),
            primary=_text(raw.get("primary") or "", "primary"),
            provenance=dict(provenance),
            status=raw["status"],
            error=_text(raw.get("error") or "", "error"),
            **tables,
            **numbers,
        )

    def write(self, path: Path) -> None:
        """Write `path` whole or not at all.  Raises RunError when the disk is full or the folder cannot be written."""
        write_text(path, json.dumps(self.as_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read `path`.  Raises RunError, one sentence naming the file, for anything that is not a sound record."""
        try:
            if not path.is_file():
                raise RunError("it is no file")
            if path.stat().st_size > LARGEST:
                raise RunError(f"it is larger than {LARGEST // 2**20} MiB, so it is no record")
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except RunError as error:
            raise RunError(f"cannot read the record {path}: {error}") from None
        except OSError as error:
            raise RunError(f"cannot read the record {path}: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:  # garbled JSON, bytes that are no UTF-8, nesting without end
            raise RunError(f"cannot read the record {path}: it is not valid JSON ({str(error)[:80]})") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.  Raises RunError, one sentence, when it cannot be written."""
    write_bytes(path, text.encode("utf-8", errors="replace"))


def write_bytes(path: Path, data: bytes, sure: bool = True) -> None:
    """Write a file `whole`.  Raises RunError, one sentence, when it cannot be written."""
    try:
        with whole(path, sure) as file:
            file.write(data)
    except OSError as error:
        raise cannot_write(path, error) from None


@contextmanager
def whole(path: Path, sure: bool = True) -> Iterator[IO[bytes]]:
    """A file to write into that is there whole or not at all: a neighbour of `path`, renamed over it at the end.  Raises OSError.

    Not `sure`: a power cut may leave it empty, and nobody waits for the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if sure:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes it private; a record is to be read by others
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def cannot_write(path: Path, error: OSError) -> RunError:
    """The sentence for a failed write; a full disk says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(f"cannot write {path}: the disk is full; free some space, then repeat the command")
    return RunError(f"cannot write {path}: {error.strerror or error}")


def plain(value: Any) -> Any:
    """`value` as JSON holds it: mappings with text keys, lists, finite numbers; the rest becomes text, NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, float) or hasattr(value, "__float__"):  # also a NumPy or torch number
        number = float(value)
        return number if math.isfinite(number) else None
    return str(value)


def _plain_values(values: Mapping[str, Value]) -> dict[str, Any]:
    out = {}
    for name, value in values.items():
        raw = plain(value.as_dict())
        if raw["value"] is None and not raw.get("reason"):
            raw["reason"] = "not measured" if value.value is None else f"not finite ({float(value.value)})"
        if raw["ci"] is not None and None in raw["ci"]:
            raw["ci"] = None
        out[name] = raw
    return out


def _read_values(raw: Any, where: str) -> Values:
    if not isinstance(raw or {}, Mapping):
        raise RunError(f"its '{where}' is not an object")
    return {name: Value.from_dict(value) for name, value in (raw or {}).items()}


def _read_items(raw: Any, where: str) -> Items:
    if not isinstance(raw or {}, Mapping):
        raise RunError(f"its '{where}' is not an object")
    out: Items = {}
    for name, numbers in (raw or {}).items():
        if not isinstance(numbers, list):
            raise RunError(f"its '{where}' of '{name[:60]}' is not a list")
        out[name] = [float(number) if _finite(number) else None for number in numbers]
    return out


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise RunError(f"its '{what}' is not a text")
    return value


def _finite(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(float(value))
    except OverflowError:
        return False
