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
    each word per voice; `noises` and `effects` clips of each kind, of `noise_seconds` and `effect_seconds`; `reader`
    sentences; `sounds` of each kind; `scenes`, `lines`, `styles`, `patterns` and `scores` in all.
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
    reader: tuple[int, int, int]
    sounds: tuple[int, int, int]
    sound_seconds: float
    scenes: tuple[int, int, int]
    scene_seconds: float
    lines: tuple[int, int, int]
    line_seconds: float
    styles: tuple[int, int, int]
    style_seconds: float
    patterns: tuple[int, int, int]
    pattern_seconds: float
    scores: tuple[int, int, int]


SCALES = {
    "full": Scale(
        chorales=(44, 8, 12), song_seconds=12.5, voices=(14, 4, 4), sentences=(48, 12, 15), takes=3,
        noises=(8, 2, 3), noise_seconds=5.0, effects=(12, 3, 4), effect_seconds=4.0, reader=(200, 24, 40),
        sounds=(36, 5, 8), sound_seconds=1.0, scenes=(260, 36, 48), scene_seconds=3.0, lines=(160, 24, 40), line_seconds=4.0,
        styles=(120, 16, 32), style_seconds=2.5, patterns=(100, 16, 24), pattern_seconds=8.0, scores=(236, 30, 40),
    ),
    "smoke": Scale(
        chorales=(4, 2, 2), song_seconds=5.0, voices=(3, 2, 2), sentences=(4, 2, 2), takes=1,
        noises=(1, 1, 1), noise_seconds=2.0, effects=(1, 1, 1), effect_seconds=2.0, reader=(6, 2, 2),
        sounds=(1, 1, 1), sound_seconds=1.0, scenes=(12, 4, 4), scene_seconds=2.0, lines=(6, 2, 2), line_seconds=3.0,
        styles=(4, 2, 2), style_seconds=2.5, patterns=(4, 2, 2), pattern_seconds=4.0, scores=(6, 2, 2),
    ),
}  # fmt: skip

# Sets made one after the other (babble is a sum of the speech made before it); the lanes run side by side.
LANES: tuple[tuple[str, ...], ...] = (
    ("speech", "reader", "words", "noise", "effects", "scenes"),
    ("sounds", "chorales", "lines", "styles", "scores", "patterns"),
)
SETS = tuple(name for lane in LANES for name in lane)
# What one file costs, in units of the quickest: makes the progress bar move evenly.
WEIGHTS = {
    "speech": 2, "reader": 2, "words": 1, "noise": 8, "effects": 3, "sounds": 1, "scenes": 2,
    "chorales": 30, "lines": 4, "styles": 8, "scores": 2, "patterns": 8,
}  # fmt: skip
MAKERS = {
    "chorales": "audioml.data.making.chorales:make",
    "speech": "audioml.data.making.speech:make_sentences",
    "reader": "audioml.data.making.speech:make_reader",
    "words": "audioml.data.making.speech:make_words",
    "noise": "audioml.data.making.noises:make_noise",
    "effects": "audioml.data.making.effects:make_effects",
    "sounds": "audioml.data.making.scenes:make_sounds",
    "scenes": "audioml.data.making.scenes:make_scenes",
    "lines": "audioml.data.making.lines:make_lines",
    "styles": "audioml.data.making.lines:make_styles",
    "scores": "audioml.data.making.scores:make",
    "patterns": "audioml.data.making.patterns:make",
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
        "sounds": len(effects.KINDS) * sum(size.sounds),
    }.get(name) or sum(getattr(size, name))


def total(scale: str) -> int:
    """The length of the progress bar at `scale`."""
    return sum(WEIGHTS[name] * count(name, scale) for name in SETS)
