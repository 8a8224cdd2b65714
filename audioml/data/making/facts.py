"""What every embedded set says of itself before it is made, so that a plan never depends on whether it has been.

SETS[set] maps each column that may feed a port to its world, None standing for a recording.  tests/data compares it with what
is made.
"""

from __future__ import annotations

from audioml.data.making import chorales, effects, lines, noises, scenes, scores, sentences, speech
from audioml.data.making.nouns import NOUNS
from audioml.data.table import SUFFIX, Table
from audioml.kinds import Curve, Label, Notes, Phones, Tags, Text, Times, World

_LETTERS = Text(sentences.alphabet())
_SPOKEN: dict[str, World | None] = {
    "file_name": None, "transcript": _LETTERS, "phonemes": Phones(speech.PHONES),
}  # fmt: skip
_BEATS = ("beat", "downbeat", "onset")
_PITCHES = [bound for voice in chorales.INSTRUMENTS.values() for _, *bounds in voice.values() for bound in bounds]
_LOW, _HIGH = min(_PITCHES), max(_PITCHES)


def _letters(words: list[str]) -> Text:
    return Text("".join(sorted(set("".join(words)))))


def _kinds(*groups: object) -> Label:
    return Label(tuple(sorted({name for group in groups for name in group})))  # type: ignore[attr-defined]


_NAMES = _letters([f"{a} {n}" for a, n in NOUNS.values()])
SETS: dict[str, dict[str, World | None]] = {
    "speech": _SPOKEN,
    "reader": _SPOKEN,
    "words": {
        "file_name": None, "category": _kinds(sentences.WORDS), "transcript": _letters(list(sentences.WORDS)),
        "caption": _letters(["a voice says ", *sentences.WORDS]),
    },
    "noise": {"file_name": None, "category": _kinds(noises.KINDS, noises.TEST_ONLY, ["babble"]), "caption": _NAMES},
    "effects": {"file_name": None, "category": _kinds(effects.KINDS, effects.TEST_ONLY), "caption": _NAMES},
    "sounds": {"file_name": None, "category": _kinds(effects.KINDS), "caption": Text(scenes.alphabet())},
    "scenes": {"file_name": None, "tags": Tags(scenes.TAGS), "caption": Text(scenes.alphabet())},
    "chorales": {
        "file_name": None, **{f"{stem}{SUFFIX}": None for stem in chorales.STEMS},
        "notes": Notes(_LOW, _HIGH, len(chorales.STEMS), None), "beats": Times(_BEATS),
    },
    "lines": {
        "file_name": None, "notes": Notes(_LOW, _HIGH, 1, None), "f0": Curve(("f0",), 100), "instrument": _kinds(lines.PLAYERS),
    },
    "styles": {"file_name": None, f"style{SUFFIX}": None, f"styled{SUFFIX}": None},
    "patterns": {"file_name": None, "beats": Times(_BEATS), "onsets": Times(_BEATS)},
    "scores": {"notes": Notes(scores.LOW, scores.HIGH, scores.VOICES, scores.STEP)},
}  # fmt: skip


def outline(name: str) -> Table:
    """A table with one row that has the columns of set `name`, to bind ports to before the set is made."""
    from pathlib import Path

    sides = (Times, Notes, Phones, Curve)
    columns = SETS[name]
    row = {c: "x.flac" if w is None else "x.csv" if isinstance(w, sides) else "x" for c, w in columns.items()}
    return Table(f"the embedded set '{name}'", (row,), tuple(columns), Path(name))
