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
    "full": Scale((44, 8, 12), 12.5, (14, 4, 4), (48, 12, 15), 3, (8, 2, 3), 5.0, (12, 3, 4), 4.0),
    "smoke": Scale((4, 2, 2), 5.0, (3, 1, 1), (4, 3, 3), 1, (1, 1, 1), 2.0, (1, 1, 1), 2.0),
}

# Sets made one after the other (babble is a sum of the speech made before it); the lanes run side by side.
LANES: tuple[tuple[str, ...], ...] = (("speech", "words", "noise", "effects"), ("chorales",))
SETS = tuple(name for lane in LANES for name in lane)
# What one file costs, in units of the quickest: makes the progress bar move evenly.
WEIGHTS = {"speech": 2, "words": 1, "noise": 8, "effects": 3, "chorales": 30}
MAKERS = {
    "chorales": "audioml.data.making.chorales:make",
    "speech": "audioml.data.making.speech:make_sentences",
    "words": "audioml.data.making.speech:make_words",
    "noise": "audioml.data.making.noises:make_noise",
    "effects": "audioml.data.making.effects:make_effects",
}


def count(name: str, scale: str) -> int:
    """How many clips (chorales: songs) of the set `name` are made at `scale`."""
    from audioml.data.making import effects, noises
    from audioml.data.making.sentences import WORDS

    size = SCALES[scale]
    kinds = {"noise": (len(noises.KINDS) + 1, len(noises.TEST_ONLY)), "effects": (len(effects.KINDS), len(effects.TEST_ONLY))}
    if name in kinds:
        everywhere, test_only = kinds[name]
        clips = size.noises if name == "noise" else size.effects
        return everywhere * sum(clips) + test_only * clips[-1]
    return {
        "speech": sum(v * s for v, s in zip(size.voices, size.sentences, strict=True)),
        "words": sum(size.voices) * len(WORDS) * size.takes,
        "chorales": sum(size.chorales),
    }[name]


def total(scale: str) -> int:
    """The length of the progress bar at `scale`."""
    return sum(WEIGHTS[name] * count(name, scale) for name in SETS)
