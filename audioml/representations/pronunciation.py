"""How English words are pronounced, in ARPAbet: a small table, a reader of files in CMUdict's form, and rules for other words.

The table holds the digits and the commands of the embedded data.  The rules (longest spelling first) are rough: they give every
word some pronunciation, which is what a recogniser that trains on it needs, not what a dictionary would print.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from audioml.errors import RequestError

VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANTS = (
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
SILENCE = "SIL"
PHONES = (*VOWELS, *CONSONANTS, SILENCE)
INDEX = {phone: i for i, phone in enumerate(PHONES)}
LONGEST = 64  # phones of one word in a file
MOST = 500_000  # lines of a file

TABLE = """
zero Z IH R OW|one W AH N|two T UW|three TH R IY|four F AO R|five F AY V|six S IH K S|seven S EH V AH N|eight EY T|nine N AY N
oh OW|yes Y EH S|no N OW|up AH P|down D AW N|left L EH F T|right R AY T|on AA N|off AO F|stop S T AA P|go G OW
"""
NUMERALS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPELLINGS = {
    "tion": "SH AH N", "sion": "ZH AH N", "ough": "AO", "augh": "AO", "eigh": "EY", "igh": "AY", "tch": "CH", "dge": "JH",
    "sch": "S K", "air": "EH R", "ear": "IH R", "eer": "IH R", "our": "AO R", "oor": "AO R", "oar": "AO R", "ure": "Y UH R",
    "ire": "AY R", "are": "EH R", "ore": "AO R", "sh": "SH", "ch": "CH", "th": "TH", "ph": "F", "wh": "W", "ck": "K", "ng": "NG",
    "qu": "K W", "kn": "N", "wr": "R", "gh": "G", "ee": "IY", "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW", "oa": "OW",
    "oi": "OY", "oy": "OY", "ai": "EY", "ay": "EY", "au": "AO", "aw": "AO", "ew": "UW", "ue": "UW", "ui": "UW", "ie": "IY",
    "ei": "EY", "ey": "IY", "ar": "AA R", "er": "ER", "ir": "ER", "ur": "ER", "or": "AO R", "bb": "B", "cc": "K", "dd": "D",
    "ff": "F", "gg": "G", "ll": "L", "mm": "M", "nn": "N", "pp": "P", "rr": "R", "ss": "S", "tt": "T", "zz": "Z", "ce": "S EH",
    "ci": "S IH", "cy": "S IY", "ge": "JH EH", "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH",
    "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T",
    "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
LONG = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW"}
_PIECE = re.compile("|".join(sorted(SPELLINGS, key=lambda s: -len(s))))
_SILENT_E = re.compile(r"([aeiou])([bcdfgklmnpstvz])e$")


def known() -> dict[str, tuple[str, ...]]:
    """The table: word -> phones."""
    rows = [entry.split() for line in TABLE.split("\n") for entry in line.split("|") if entry.strip()]
    return {word: tuple(phones) for word, *phones in rows}


def spelt(word: str) -> tuple[str, ...]:
    """Phones by the rules; a word without any letter they know is one neutral vowel."""
    flat = unicodedata.normalize("NFKD", word.lower())
    flat = re.sub(r"[^a-z]", "", re.sub(r"\d", lambda digit: NUMERALS[int(digit[0])], flat))
    out: list[str] = []
    silent = _SILENT_E.search(flat)
    tail: list[str] = []
    if silent and len(flat) > 2:
        soft = {"c": "S", "g": "JH"}.get(silent[2], SPELLINGS[silent[2]])
        flat, tail = flat[: silent.start()], [LONG[silent[1]], soft]
    for piece in _PIECE.findall(flat):
        out += SPELLINGS[piece].split()
    return (*out, *tail) or ("AH",)


def read(file: str) -> dict[str, tuple[str, ...]]:
    """A file of lines ``word P1 P2 …`` (stress marks, comments after ;;; and further variants word(2) are left out).

    Raises RequestError for what is no such file.
    """
    try:
        lines = Path(file).read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise RequestError(f"representation.dictionary={file} cannot be read: {error.strerror}") from None
    found: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines[:MOST], 1):
        word, *phones = line.partition(";;;")[0].lower().split() or [""]
        spoken = tuple(re.sub(r"\d", "", phone).upper() for phone in phones)
        if not word or word.endswith(")"):
            continue
        strange = [phone for phone in spoken if phone not in INDEX or phone == SILENCE]
        if strange or not 1 <= len(spoken) <= LONGEST:
            why = f"'{strange[0][:20]}' is no phone" if strange else f"it has {len(spoken)} phones"
            raise RequestError(
                f"line {number} of {file} is no pronunciation: {why}; a line is a word and phones of {' '.join(PHONES[:-1])}"
            )
        found.setdefault(word, spoken)
    return found
