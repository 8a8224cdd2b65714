"""How the embedded sets are made: plain functions that write Hugging Face audiofolders.  Light at import.

Each maker is ``make(root, scale, tick)``: it writes ``root/SET/`` (metadata.csv, FLAC PCM16 at 16 kHz mono, a README.md) and
calls ``tick(k)`` after every k files.  The makers run in processes of their own (``python -m audioml.data.making``): one
draws its sound from espeak-ng, whose random state is per process, and two sets are made at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

RATE = 16000
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Scale:
    """How much is made; triples are (train, valid, test).

    `chorales` songs of at most `song_seconds`; `voices` how many of each split's voices; `sentences` per voice; `takes` of
    each word per voice; `noises` and `effects` clips of each kind, of `noise_seconds` and `effect_seconds`.
    """

    chorales: tuple[int, int, int]
    song_seconds: float
    voices: tuple[int, int, int]
    sentences: tuple[int, int, int]
    takes: int
    noises: tuple[int, int, int]
    noise_seconds: float
    effects: tuple[int, int, int]
    effect_seconds: float


SCALES = {
    "full": Scale((44, 8, 12), 14.0, (14, 4, 4), (48, 12, 15), 3, (8, 2, 3), 6.0, (12, 3, 4), 4.0),
    "smoke": Scale((4, 2, 2), 5.0, (3, 1, 1), (4, 3, 3), 1, (1, 1, 1), 2.0, (1, 1, 1), 2.0),
}

# Sets made one after the other (babble is a sum of the speech made before it); the lanes run side by side.
LANES: tuple[tuple[str, ...], ...] = (("speech", "words", "noise", "effects"), ("chorales",))
SETS = tuple(name for lane in LANES for name in lane)
MAKERS = {
    "chorales": "audioml.data.making.chorales:make",
    "speech": "audioml.data.making.speech:make_sentences",
    "words": "audioml.data.making.speech:make_words",
    "noise": "audioml.data.making.noises:make_noise",
    "effects": "audioml.data.making.effects:make_effects",
}
