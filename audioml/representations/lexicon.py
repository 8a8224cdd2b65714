"""Which phonemes a word and a letter stand for, learnt from texts and their phonemes without any word's times.

First letter by letter: each stands for 0 … `longest` phonemes in a row, and a table P(phonemes | letter) is re-estimated from
the best alignments (Viterbi training; the many-to-many aligner of Jiampojamarn et al. 2007).  Then word by word: the cuts so
found, and those one phoneme to either side, are what each word may be, and the best way through all words of a text is sought
again with P(phonemes | word).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from audioml.lazy import LazyModule

np = LazyModule("numpy")

Chunk = tuple[int, ...]
Pairs = Sequence[tuple[str, Chunk]]
Counts = defaultdict[str, Counter[Chunk]]
FLOOR = 0.1  # count of what a letter was never seen to stand for
ROUNDS = 3  # over words
SIDE = 0.5  # count of a cut one phoneme beside the one that the letters say


def parts_of(text: str) -> list[str]:
    """Words, and each run of whatever is between them; joined they are the text."""
    return re.findall(r"[\w']+|[^\w']+", text)


def learn(pairs: Pairs, longest: int, rounds: int) -> tuple[dict[str, Chunk], dict[str, Chunk]]:
    """(text, its symbols) pairs -> what each word, and each letter, stands for most often.

    A letter that is silent in less than half of its places gets its commonest sound.
    """
    paths, letters = _by_letter(pairs, longest, rounds)
    cuts = []
    for (text, _), path in zip(pairs, paths, strict=True):
        ends = np.cumsum([0] + [len(part) for part in parts_of(text)])
        cuts.append(path[ends].tolist())
    return _by_word(pairs, cuts), letters


# ---- words -----------------------------------------------------------------------------------------------------------
def _by_word(pairs: Pairs, cuts: list[list[int]]) -> dict[str, Chunk]:
    said: Counts = defaultdict(Counter)
    for (text, spoken), cut in zip(pairs, cuts, strict=True):
        for part, start, stop in zip(parts_of(text), cut, cut[1:], strict=False):
            for a, b, weight in ((0, 0, 1.0), (-1, 0, SIDE), (1, 0, SIDE), (0, -1, SIDE), (0, 1, SIDE)):
                if 0 <= start + a <= stop + b <= len(spoken):
                    said[part][spoken[start + a : stop + b]] += weight  # type: ignore[assignment]
    for _ in range(ROUNDS):
        best: Counts = defaultdict(Counter)
        for k, (text, spoken) in enumerate(pairs):
            cuts[k] = _through(parts_of(text), spoken, said) or cuts[k]
            for part, start, stop in zip(parts_of(text), cuts[k], cuts[k][1:], strict=False):
                best[part][spoken[start:stop]] += 1
        said = best
    return {part: max(sorted(counts), key=counts.__getitem__) for part, counts in said.items()}


def _through(parts: list[str], spoken: Chunk, said: Counts) -> list[int] | None:
    """The best cuts [parts + 1] of the symbols into what the parts are known to stand for; None where there are none."""
    paths: dict[int, tuple[float, list[int]]] = {0: (0.0, [0])}
    for part in parts:
        total, after = sum(said[part].values()), {}
        for at, (score, path) in paths.items():
            for chunk, count in said[part].items():
                end = at + len(chunk)
                if count and spoken[at:end] == chunk:
                    value = score + math.log(count / total)
                    if end not in after or value > after[end][0]:
                        after[end] = (value, [*path, end])
        paths = after
    return paths[len(spoken)][1] if len(spoken) in paths else None


# ---- letters ---------------------------------------------------------------------------------------------------------
def _by_letter(pairs: Pairs, longest: int, rounds: int) -> tuple[list[Any], dict[str, Chunk]]:
    """The places at which each letter's symbols begin [letters + 1], per text, and what each letter stands for."""
    letters = {letter: i for i, letter in enumerate(sorted({c for text, _ in pairs for c in text}))}
    chunks: dict[Chunk, int] = {(): 0}
    for _, spoken in pairs:
        for size in range(1, longest + 1):
            for at in range(len(spoken) - size + 1):
                chunks.setdefault(spoken[at : at + size], len(chunks))
    spelt = [np.asarray([letters[c] for c in text]) for text, _ in pairs]
    spans = [_spans(spoken, chunks, longest) for _, spoken in pairs]
    paths = [_even(len(text), len(spoken)) for text, spoken in pairs]
    prior = _prior(letters, chunks)
    counts = np.zeros(prior.shape)
    for _ in range(rounds):
        counts[:] = 0
        for word, span, path in zip(spelt, spans, paths, strict=True):
            np.add.at(counts, (word, span[np.minimum(np.diff(path), longest), path[:-1]]), 1)
        with np.errstate(divide="ignore"):  # the last chunk, which reaches past the end, is impossible
            share = np.log((counts + FLOOR * prior) / (counts.sum(1, keepdims=True) + FLOOR))
        paths = [_align(share, word, span) for word, span in zip(spelt, spans, strict=True)]
    names = list(chunks)
    silent = counts[:, 0] > counts.sum(1) / 2
    loudest = counts[:, 1:-1].argmax(1) + 1 if len(names) > 1 else np.zeros(len(letters), int)
    return paths, {letter: () if silent[i] else names[int(loudest[i])] for letter, i in letters.items()}


def _prior(letters: Mapping[str, int], chunks: Mapping[Chunk, int]) -> Any:
    """How likely a letter stands for each chunk before anything is known [letters, chunks + 1]: one symbol rather than none
    or many; between words rather none."""
    weight = np.asarray([1.0 if len(c) == 1 else 0.3 ** max(1, len(c)) for c in chunks] + [0.0])
    out = np.tile(weight / weight.sum(), (len(letters), 1))
    for letter, i in letters.items():
        if not re.fullmatch(r"[\w']", letter):
            out[i] = np.where(np.arange(out.shape[1]) == 0, 1.0, out[i] * 1e-3)
    return out


def _spans(spoken: Chunk, chunks: Mapping[Chunk, int], longest: int) -> Any:
    """[longest + 1, M + 1]: which chunk the next 0 … longest symbols from each place are; past the end, one too many."""
    out = np.full((longest + 1, len(spoken) + 1), len(chunks))
    out[0] = 0
    for size in range(1, longest + 1):
        for at in range(len(spoken) - size + 1):
            out[size, at] = chunks[spoken[at : at + size]]
    return out


def _even(letters: int, symbols: int) -> Any:
    """The alignment to begin with: symbols spread evenly over the letters."""
    return np.rint(np.linspace(0, symbols, letters + 1)).astype(np.int64)


def _align(share: Any, word: Any, span: Any) -> Any:
    """Log-probabilities [letters, chunks], a text and its chunks -> the best places [letters + 1] at which symbols begin.

    Where even the longest chunks cannot reach the end, the symbols are spread evenly.
    """
    sizes, places = span.shape
    # ending at place p with a chunk of size s means having begun at p - s
    start = np.arange(places)[None] - np.arange(sizes)[:, None]
    chunk = np.where(start >= 0, np.take_along_axis(span, np.maximum(start, 0), 1), share.shape[1] - 1)
    start = np.maximum(start, 0)
    best = np.full(places, -np.inf)
    best[0] = 0.0
    took = np.zeros((len(word), places), np.int64)
    for i, letter in enumerate(word):
        reach = best[start] + share[letter][chunk]
        took[i] = reach.argmax(0)
        best = reach.max(0)
    if not np.isfinite(best[-1]):
        return _even(len(word), places - 1)
    path = [places - 1]
    for i in reversed(range(len(word))):
        path.append(path[-1] - int(took[i, path[-1]]))
    return np.asarray(path[::-1])
