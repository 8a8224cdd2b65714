"""Synthetic speech: sentences with phoneme times, and single words, by espeak-ng's own library through ctypes.

espeak-ng is GPLv3.  Its library is loaded only here, in a process that makes data and ends; nothing of it is part of audioml,
and the package that carries it (espeakng-loader) is only in the extra ``audioml[embedded]``.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from audioml.data.making import RATE, SPLITS, Scale
from audioml.data.making.sentences import WORDS, sentences
from audioml.data.making.writing import Shelf, Tick, draw, fade, level, to_int16

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Voice:
    """One speaker: an espeak-ng voice (language + variant), base pitch 0…99 and rate in words a minute."""

    name: str
    espeak: str
    pitch: int
    rate: int


# No variant (the speaker's timbre) occurs in two splits; accents do.  Whole names, so that metadata reads well.
VOICES = {
    "train": (
        Voice("ann-us", "en-us+f1", 50, 165),
        Voice("ben-gb", "en+m1", 45, 155),
        Voice("cleo-us", "en-us+f2", 42, 150),
        Voice("dean-gb", "en-gb-x-rp+m3", 38, 160),
        Voice("mary-scotland", "en-gb-scotland+f3", 40, 170),
        Voice("tom-us", "en-us+m4", 55, 175),
        Voice("perry-caribbean", "en-029+m2", 50, 160),
        Voice("andy-us", "en-us-nyc+Andy", 50, 165),
        Voice("steph-gb", "en+steph", 35, 160),
        Voice("alex-gb", "en-gb-x-gbcwmd+Alex", 50, 150),
        Voice("mario-us", "en-us+Mario", 42, 170),
        Voice("linda-us", "en-us+linda", 40, 155),
        Voice("victor-gb", "en-gb-x-gbclan+victor", 52, 160),
        Voice("andrea-us", "en-us+Andrea", 38, 170),
    ),
    "valid": (
        Voice("milo-us", "en-us+m6", 48, 160),
        Voice("fay-gb", "en+f4", 45, 165),
        Voice("paul-us", "en-us+paul", 55, 155),
        Voice("belinda-scotland", "en-gb-scotland+belinda", 38, 160),
    ),
    "test": (
        Voice("max-gb", "en+max", 50, 160),
        Voice("fern-us", "en-us+f5", 42, 165),
        Voice("rob-us", "en-us+rob", 50, 155),
        Voice("annie-gb", "en-gb-x-rp+Annie", 42, 160),
    ),
}
README = """# {title} (made by audioml)
This speech is synthetic: it was spoken by espeak-ng (GPLv3, loaded only to make these files) in {voices} voices, from text
written for audioml. It is not a recording of anybody. Results on it say little about real speech.

Columns: {columns}.
Voices are disjoint between the splits (no accent-and-timbre pair, and no timbre, occurs in two){more}.
"""


class Event(NamedTuple):
    """A phoneme begins at `sample` (of espeak-ng's own rate)."""

    phoneme: str
    sample: int


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _Id),
    )


# espeak-ng's letters without stress, length and variant marks; "?" is whatever a voice says beside these
PHONES = (
    "0", "3", "?", "@", "@L", "A", "A@", "D", "E", "I", "IR", "L", "N", "O", "O@", "OI", "S", "T", "U", "U@", "V", "VR", "Z", "a",
    "aI", "aI@", "aU", "aU@", "aa", "b", "d", "dZ", "e", "e@", "eI", "f", "g", "h", "i", "i@", "j", "k", "l", "m", "n", "o@", "oU",
    "p", "r", "s", "t", "tS", "u", "v", "w", "z",
)  # fmt: skip
_BEFORE, _AFTER = re.compile(r"^['\",;=%:_!|]+"), re.compile(r"(?<=.)(?:[0-9]+$|[-#:\[]+)")


def plain(phoneme: str) -> str:
    """An espeak-ng mnemonic as one of PHONES, "" for a mark that is no sound of its own."""
    bare = _BEFORE.sub("", phoneme)
    while (shorter := _AFTER.sub("", bare)) != bare:
        bare = shorter
    return bare if bare in PHONES or not bare else "?"


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))
_SYNCHRONOUS, _PHONEMES, _DONT_EXIT, _UTF8 = 2, 0x0001, 0x8000, 1
_EVENT_END, _EVENT_PHONEME = 0, 7
_RATE, _PITCH = 1, 3


class Espeak:
    """espeak-ng in this process: ``say(voice, text, seed) -> (samples, events)``; one at a time."""

    def __init__(self) -> None:
        import espeakng_loader

        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.library.espeak_Synth.argtypes = (
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
            ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        )  # fmt: skip
        data = espeakng_loader.get_data_path().encode()
        self.rate = self.library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEMES | _DONT_EXIT)
        if self.rate <= 0:
            raise OSError(f"espeak-ng found no data in {espeakng_loader.get_data_path()}")
        self._pcm: list[bytes] = []
        self._events: list[Event] = []
        self._callback = _CALLBACK(self._hear)  # kept: the library holds only a pointer
        self.library.espeak_SetSynthCallback(self._callback)

    def _hear(self, wave: int | None, count: int, events: ctypes._Pointer) -> int:
        if wave and count > 0:
            self._pcm.append(ctypes.string_at(wave, 2 * count))
        i = 0
        while events[i].type != _EVENT_END:
            if events[i].type == _EVENT_PHONEME:
                self._events.append(Event(events[i].id.string.decode("utf-8", "replace"), events[i].sample))
            i += 1
        return 0

    def say(self, voice: str, pitch: int, rate: int, text: str, seed: int) -> tuple[np.ndarray, list[Event]]:
        """Speak `text`: float samples [T] at `self.rate` and the phonemes' beginnings, in order.

        Raises OSError for a voice that espeak-ng lacks.
        """
        import numpy as np

        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise OSError(f"espeak-ng has no voice {voice}")
        self.library.espeak_SetParameter(_PITCH, pitch, 0)
        self.library.espeak_SetParameter(_RATE, rate, 0)
        self.library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        self._pcm.clear()
        self._events.clear()
        raw = text.encode()
        self.library.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, _UTF8, None, None)
        return np.frombuffer(b"".join(self._pcm), np.int16) / 32768.0, list(self._events)


def utter(espeak: Espeak, voice: Voice, text: str, key: str, spread: float) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """One clip as int16 [T] at 16 kHz and its phonemes (symbol, start s, end s), inside the clip and in order.

    `spread` is how far pitch and rate wander from the voice's own; `key` names the draw.
    """
    import numpy as np
    import soxr

    rng = draw("speech", key)
    pitch = int(np.clip(voice.pitch + spread * rng.uniform(-30, 30), 0, 99))
    rate = int(voice.rate * (1 + spread * rng.uniform(-0.5, 0.6)))
    x, events = espeak.say(voice.espeak, pitch, rate, text, int(rng.integers(1, 2**31)))
    loud = np.flatnonzero(np.abs(x) > 0.004)
    before, after = rng.uniform(0.05, 0.2, 2)
    first, last = int(loud[0]), int(loud[-1]) + 1
    x = np.concatenate([np.zeros(int(before * espeak.rate)), x[first:last], np.zeros(int(after * espeak.rate))])
    pcm = to_int16(fade(level(soxr.resample(x, espeak.rate, RATE, quality="HQ"), float(rng.uniform(-26, -20)))))
    shift, seconds = int(before * espeak.rate) - first, len(pcm) / RATE
    times = [float(np.clip((e.sample + shift) / espeak.rate, 0, seconds)) for e in events] + [seconds]
    spans: list[tuple[str, float, float]] = []
    for event, start, end in zip(events, times[:-1], times[1:], strict=True):
        sound = plain(event.phoneme)
        if sound and end > start:
            spans.append((sound, start, end))
        elif not sound and spans and event.phoneme.strip("_:") and spans[-1][2] == start:
            spans[-1] = (spans[-1][0], spans[-1][1], end)  # a mark lengthens the sound before it
    return pcm, spans


READER = Voice("amy-us", "en-us+f3", 45, 160)  # of the set with one speaker; its timbre is a training speaker's too


def make_sentences(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/speech: sentences with transcripts and phonemes."""
    voices = {split: VOICES[split][:count] for split, count in zip(SPLITS, scale.voices, strict=True)}
    readme = README.format(title="Sentences", voices=sum(scale.voices), columns=_ABOUT, more=", and so are the sentences")
    _speak(root / "speech", voices, scale.sentences, readme, tick, spread=0.3)


def make_reader(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/reader: one voice reads sentences, for the synthesis of speech."""
    readme = f"""# One reader (made by audioml)
This speech is synthetic: espeak-ng (GPLv3, loaded only to make these files) reads in one voice, hardly varied, from text written
for audioml. It is not a recording of anybody. Results on it say little about real speech.

Columns: {_ABOUT}. The sentences are disjoint between the splits; the voice is the same.
"""
    _speak(root / "reader", dict.fromkeys(SPLITS, (READER,)), scale.reader, readme, tick, spread=0.08)


_ABOUT = (
    "`file_name`, `split`, `speaker`, `transcript`, `phonemes` (CSV: phoneme in espeak-ng's letters without marks, start, end in s)"
)


def _speak(
    folder: Path, voices: dict[str, tuple[Voice, ...]], counts: tuple[int, ...], readme: str, tick: Tick, *, spread: float
) -> None:
    espeak = Espeak()
    columns = ("file_name", "split", "speaker", "transcript", "phonemes")
    with Shelf(folder, columns, readme, tick) as shelf:
        for split, count in zip(SPLITS, counts, strict=True):
            texts = iter(sentences(split, len(voices[split]) * count))
            for voice in voices[split]:
                for index in range(count):
                    text, name = (
                        next(texts),
                        f"{voice.name}/{split}_{index:03d}" if voice is READER else f"{voice.name}/{index:03d}",
                    )
                    pcm, phonemes = utter(espeak, voice, text, name, spread=spread)
                    rows = [(p, f"{a:.4f}", f"{b:.4f}") for p, a, b in phonemes]
                    table = shelf.table(f"phonemes/{name}.csv", ("phoneme", "start", "end"), rows)
                    audio = shelf.audio(f"{split}/{name}.flac", pcm)
                    shelf.row(file_name=audio, split=split, speaker=voice.name, transcript=text, phonemes=table)


def make_words(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/words: ten digits and ten commands by every voice, several takes each."""
    espeak = Espeak()
    about = "`file_name`, `split`, `speaker`, `category` (the word), `transcript` (the same), `caption`"
    readme = README.format(title="Words", voices=sum(scale.voices), columns=about, more="; all splits hold all words")
    with Shelf(root / "words", ("file_name", "split", "speaker", "category", "transcript", "caption"), readme, tick) as shelf:
        for split, voices in zip(SPLITS, scale.voices, strict=True):
            for voice in VOICES[split][:voices]:
                for word in WORDS:
                    for take in range(scale.takes):
                        name = f"{voice.name}/{word}_{take}"
                        pcm, _ = utter(espeak, voice, word, f"word/{name}", spread=0.9)
                        audio = shelf.audio(f"{split}/{name}.flac", pcm)
                        said = {"category": word, "transcript": word, "caption": f"a voice says {word}"}
                        shelf.row(file_name=audio, split=split, speaker=voice.name, **said)
