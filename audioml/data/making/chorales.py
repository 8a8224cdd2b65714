"""Bach chorales from music21's corpus, each voice rendered with a sampled instrument: stems, notes, beats.

The scores are read straight from the compressed MusicXML files that the music21 package carries (its own parser is never
imported: 10 ms a chorale instead of several seconds for the lot).  The samples are those of the TimGM6mb sound font that
pretty_midi carries, played by symusic.
"""

from __future__ import annotations

import itertools
import zipfile
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from audioml.data.making import RATE, SPLITS, Scale
from audioml.data.making.writing import Shelf, Tick, draw, fade, level, to_int16

if TYPE_CHECKING:
    import numpy as np
    import symusic

STEMS = ("soprano", "alto", "tenor", "bass")

# GM program and the MIDI pitches it may play.  symusic's player is out of tune by up to several hundred cents for many
# programs of this font (violin, viola, cello, piano …) and mute for single notes of others (alto sax), so these were chosen
# by measuring every semitone: all sound, within 25 cents.
# Each voice has its own three, so a stem can be told by its colour as well as by its register.
INSTRUMENTS = {
    "soprano": {"flute": (73, 58, 83), "oboe": (68, 58, 83), "clarinet": (71, 59, 83)},
    "alto": {"trumpet": (56, 52, 83), "english horn": (69, 50, 75), "soprano sax": (64, 52, 83)},
    "tenor": {"trombone": (57, 40, 69), "tenor sax": (66, 44, 71), "string section": (44, 36, 83)},
    "bass": {"bassoon": (70, 34, 62), "tuba": (58, 34, 66), "contrabass": (43, 34, 66)},
}
README = """# Chorales (made by audioml)
Four-part chorales by J. S. Bach (public domain; scores from the corpus of the Python package music21), played by sampled
instruments of the TimGM6mb sound font (from the package pretty_midi) through symusic. These are synthetic recordings.

Columns: `file_name` the mix, `soprano_file_name` … the stems (the mix is their exact sum in int16), `split`, `song`,
`metre`, `instruments` (in the order of the stems), `tempo` (quarter notes a minute), `notes`
(CSV: stem, onset, offset in seconds, MIDI pitch), `beats` (CSV: time in seconds, beat in the bar, 1 is the downbeat).
No melody (soprano's first intervals) occurs in two splits.
"""
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True)
class Song:
    """A score in quarter notes: `notes` (stem, onset, offset, pitch), `beats` (onset, beat in the bar), `bars` bar lines."""

    name: str
    metre: str
    notes: tuple[tuple[str, Fraction, Fraction, int], ...]
    beats: tuple[tuple[Fraction, int], ...]
    bars: tuple[Fraction, ...]

    @property
    def melody(self) -> tuple[int, ...]:
        """The first intervals of the soprano: what is sung, whatever the key."""
        pitches = [pitch for stem, _, _, pitch in self.notes if stem == "soprano"][:9]
        return tuple(b - a for a, b in itertools.pairwise(pitches))


def corpus() -> list[Path]:
    """The chorales' files, sorted; music21 is found but not imported."""
    from importlib.util import find_spec

    spec = find_spec("music21")
    folder = Path(spec.origin or "").parent / "corpus" / "bach"  # type: ignore[union-attr]
    return sorted(folder.glob("*.mxl"))


@cache
def read_song(path: Path) -> Song | None:
    """A chorale from compressed MusicXML; None where it is not four plain voices in one steady metre."""
    import xml.etree.ElementTree as ET

    with zipfile.ZipFile(path) as archive:
        container = ET.fromstring(archive.read("META-INF/container.xml"))
        root = ET.fromstring(archive.read(container.find(".//{*}rootfile").get("full-path")))  # type: ignore[union-attr,arg-type]
    names = tuple((e.text or "").strip().lower() for e in root.iter("part-name"))
    if names != STEMS or any(root.find(f".//{tag}") is not None for tag in ("backup", "forward", "chord", "grace")):
        return None
    metres = {(t.findtext("beats"), t.findtext("beat-type")) for t in root.iter("time")}
    parts = [_read_part(stem, part) for stem, part in zip(STEMS, root.findall("part"), strict=False)]
    if len(metres) != 1 or len(parts) != 4 or len({tuple(lengths) for _, lengths in parts}) != 1:
        return None
    beats_in_bar, unit = (int(v or 0) for v in metres.pop())
    found = _beats(parts[0][1], beats_in_bar, Fraction(4, unit))
    if found is None:
        return None
    beats, bars = found
    notes = tuple(sorted((n for part, _ in parts for n in part), key=lambda n: (n[1], STEMS.index(n[0]))))
    return Song(path.stem, f"{beats_in_bar}/{unit}", notes, beats, bars)


def _read_part(stem: str, part: object) -> tuple[list[tuple[str, Fraction, Fraction, int]], list[Fraction]]:
    """Notes of one part (ties joined) and the length of each of its measures, in quarter notes."""
    notes: list[tuple[str, Fraction, Fraction, int]] = []
    lengths: list[Fraction] = []
    now, divisions = Fraction(0), 1
    for measure in part.findall("measure"):  # type: ignore[attr-defined]
        start = now
        divisions = int(measure.findtext("attributes/divisions") or divisions)
        for note in measure.findall("note"):
            onset, now = now, now + Fraction(int(note.findtext("duration")), divisions)
            if note.find("pitch") is None:
                continue
            octave, alter = int(note.findtext("pitch/octave")), round(float(note.findtext("pitch/alter") or 0))
            pitch = 12 * (octave + 1) + STEPS[note.findtext("pitch/step")] + alter
            if any(tie.get("type") == "stop" for tie in note.findall("tie")) and notes and notes[-1][2] == onset:
                notes[-1] = (stem, notes[-1][1], now, pitch)
            else:
                notes.append((stem, onset, now, pitch))
        lengths.append(now - start)
    return notes, lengths


def _beats(
    lengths: list[Fraction], beats_in_bar: int, unit: Fraction
) -> tuple[tuple[tuple[Fraction, int], ...], tuple[Fraction, ...]] | None:
    """Beats and bar lines from the lengths of the measures; None where a full measure would start off the beat.

    A measure split by a repeat sign (3 + 1 beats) goes on counting, as a listener would.
    """
    bar = beats_in_bar * unit
    place = (-lengths[0]) % bar  # an upbeat is the end of a bar
    onset, total = Fraction(0), sum(lengths)
    for length in lengths:
        if length > bar or (length == bar and place) or (length % unit):
            return None
        place = (place + length) % bar
    first = int(((-lengths[0]) % bar) / unit)
    count = int(total / unit)
    beats = tuple((onset + i * unit, (first + i) % beats_in_bar + 1) for i in range(count))
    return beats, (*(b for b, k in beats if k == 1), Fraction(total))


def choose(count: int) -> list[Song]:
    """`count` chorales with different melodies that the instruments can play, always the same ones.

    Raises RuntimeError where the installed music21 carries fewer.
    """
    songs: list[Song] = []
    heard: set[tuple[int, ...]] = set()
    paths = corpus()
    for index in draw("chorales", "order").permutation(len(paths)):
        song = read_song(paths[index])
        if song is None or song.melody in heard or not all(_players(song, stem) for stem in STEMS):
            continue
        heard.add(song.melody)
        songs.append(song)
        if len(songs) == count:
            return songs
    raise RuntimeError(f"music21's corpus holds {len(songs)} usable chorales, {count} are needed")


def _players(song: Song, stem: str) -> list[str]:
    """The instruments that reach every pitch of a voice."""
    pitches = [pitch for name, _, _, pitch in song.notes if name == stem]
    fits = INSTRUMENTS[stem].items()
    return [name for name, (_, low, high) in fits if pitches and low <= min(pitches) and max(pitches) <= high]


def render(notes: list[tuple[float, float, int, int]], program: int, seconds: float) -> np.ndarray:
    """One instrument: notes (onset s, offset s, pitch, velocity) -> samples [T] at 16 kHz, `seconds` long."""
    import numpy as np
    import soxr

    x = _play(notes, program)[: int(seconds * 44100)]
    y = soxr.resample(x.astype(np.float64), 44100, RATE, quality="HQ")
    out = np.zeros(round(seconds * RATE))
    out[: min(len(y), len(out))] = y[: len(out)]
    return out


def _play(notes: list[tuple[float, float, int, int]], program: int) -> np.ndarray:
    """The notes at 44.1 kHz: the player does not filter, so playing at 16 kHz would alias."""
    import symusic

    track = symusic.Track("", program=program, is_drum=False, ttype="second")
    for onset, offset, pitch, velocity in notes:
        track.notes.append(symusic.Note(time=onset, duration=offset - onset, pitch=pitch, velocity=velocity, ttype="second"))
    score = symusic.Score(480).to("second")
    score.tracks.append(track)
    return player().render(score, stereo=False)[0]


@cache
def player() -> symusic.Synthesizer:
    """symusic's player with pretty_midi's font (found, not imported), which keeps the instruments it has loaded."""
    from importlib.util import find_spec

    import symusic

    font = Path(find_spec("pretty_midi").origin).parent / "TimGM6mb.sf2"  # type: ignore[union-attr,arg-type]
    return symusic.Synthesizer(font, 44100, 4)


def perform(song: Song, seconds: float) -> tuple[dict[str, np.ndarray], list[list[object]], list[list[object]], dict[str, str]]:
    """A chorale as it is played: int16 stems [T], rows of notes, rows of beats, and facts (instruments, tempo).

    Whole bars from the beginning, at most `seconds`.  Tempo, instruments, loudness, accents and small errors of timing are
    drawn from the song's name.
    """
    import numpy as np

    rng = draw("chorales", song.name)
    tempo = int(rng.integers(72, 101))
    quarter = 60 / tempo
    ends = [b for b in song.bars if 0 < b * quarter <= seconds] or [b for b, _ in song.beats if 0 < b * quarter <= seconds]
    end = ends[-1]
    length = float(end) * quarter + 0.1
    accents = {onset for onset, beat in song.beats if beat == 1}
    stems, rows, players = {}, [], []
    for stem in STEMS:
        player = str(rng.choice(_players(song, stem)))
        players.append(player)
        played = []
        for _, onset, offset, pitch in (n for n in song.notes if n[0] == stem and n[1] < end):
            start = max(0.0, float(onset) * quarter + float(np.clip(rng.normal(0, 0.006), -0.015, 0.015)))
            stop = start + float(min(offset, end) - onset) * quarter * float(rng.uniform(0.9, 0.97))
            played.append((start, stop, pitch, int(rng.integers(72, 88)) + 12 * (onset in accents)))
            rows.append([stem, f"{start:.4f}", f"{stop:.4f}", pitch])
        sound = render(played, INSTRUMENTS[stem][player][0], length)
        stems[stem] = fade(level(sound, float(rng.uniform(-25, -20))), 0.02)
    loudest = np.abs(sum(stems.values())).max()
    pcm = {stem: to_int16(x * min(1.0, 0.85 / loudest)) for stem, x in stems.items()}
    beats = [[f"{float(onset) * quarter:.4f}", beat] for onset, beat in song.beats if onset < end]
    return pcm, rows, beats, {"instruments": ", ".join(players), "tempo": str(tempo), "metre": song.metre}


def make(root: Path, scale: Scale, tick: Tick) -> None:
    """Write root/chorales."""
    import numpy as np

    audio = ("file_name", *(f"{stem}_file_name" for stem in STEMS))
    columns = (*audio, "split", "song", "metre", "instruments", "tempo", "notes", "beats")
    splits = [split for split, count in zip(SPLITS, scale.chorales, strict=True) for _ in range(count)]
    with Shelf(root / "chorales", columns, README, tick) as shelf:
        for split, song in zip(splits, choose(len(splits)), strict=True):
            pcm, notes, beats, facts = perform(song, scale.song_seconds)
            mix = np.sum(list(pcm.values()), axis=0, dtype=np.int16)
            names = {f"{stem}_file_name": shelf.audio(f"{stem}/{song.name}.flac", x) for stem, x in pcm.items()}
            tables = {
                "notes": shelf.table(f"notes/{song.name}.csv", ("stem", "onset", "offset", "pitch"), notes),
                "beats": shelf.table(f"beats/{song.name}.csv", ("time", "beat"), beats),
            }
            names["file_name"] = shelf.audio(f"mix/{song.name}.flac", mix)
            shelf.row(split=split, song=song.name, **names, **tables, **facts)
