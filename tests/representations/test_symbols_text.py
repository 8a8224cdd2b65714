"""Text as byte pairs and as phonemes: learning, round trips, references, refusals."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from audioml import shelf
from audioml.corpus import Prepared
from audioml.errors import Misfit, RequestError, RunError
from audioml.kinds import Seq, Text, Tokens, Wave
from audioml.representations import lexicon, subwords

LINES = [
    "the cat sat on the mat", "the cats sat on the mats", "a dog and a cat", "on  and on ", "that hat is the hat that the cat had",
    "mad dogs and the other cat", "the end",
]  # fmt: skip
WORLD = Text("".join(sorted(set("".join(LINES)))))


class Texts(Prepared):
    """Texts with their phonemes, where there are any."""

    fingerprint, report, statistics = "", {}, {}

    def __init__(self, lines: list[str], spoken: list[list[int]] | None = None) -> None:
        self.lines, self.spoken = lines, spoken

    def size(self, split: str) -> int:
        return len(self.lines)

    def train_batch(self, step, items, seconds, seed):
        assert seconds is None
        index = (step * items + np.arange(items)) % len(self.lines)
        out = {"text": ([self.lines[i] for i in index], np.ones(items))}
        if self.spoken:
            n = np.asarray([len(self.spoken[i]) for i in index])
            said = np.zeros((items, 3, n.max()), np.float32)
            for row, i in zip(said, index, strict=True):
                row[2, : len(self.spoken[i])] = self.spoken[i]
            out["phones"] = (said, n)
        return out


def fitted(**settings) -> subwords.Subwords:
    rep = shelf.make("representation", "subwords", settings)
    rep.fit(Texts(LINES), "text", WORLD, 0)
    return rep


# ---- subwords --------------------------------------------------------------------------------------------------------
def test_subwords_join_to_the_same_text() -> None:
    rep = fitted(size=40)
    unseen = ["the dog sat", " odd   sons ", "", "tatata haha"]
    texts = [*LINES, *unseen]
    coded, _ = rep.encode(Seq(texts, None), WORLD)
    assert coded.x.dtype == torch.int64
    assert int(coded.x.max()) < rep.space(WORLD).size
    assert coded.n.sum() < sum(map(len, texts)) * 0.8
    assert rep.decode(coded, None, WORLD).x == texts
    strange = rep.encode(Seq(["théQ cat"], None), WORLD)[0]
    assert rep.decode(strange, None, WORLD).x == ["th cat"]


def test_subwords_merge_what_tokenizers_merges() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    size = 40
    rep = fitted(size=size, least=1)
    pieces = tokenizers.pre_tokenizers.Split(tokenizers.Regex(" ?[^ ]+| +"), "isolated")
    reference = tokenizers.Tokenizer(tokenizers.models.BPE())
    reference.pre_tokenizer = pieces
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=size, initial_alphabet=list(WORLD.alphabet), show_progress=False, min_frequency=1)
    reference.train_from_iterator(sorted(set(LINES)), trainer)
    own = rep.pieces(WORLD.alphabet)
    assert sorted(own) == sorted(reference.get_vocab())
    merges = json.loads(reference.to_str())["model"]["merges"]
    assert [(own[a], own[b]) for a, b in rep.merges] == [tuple(m) for m in merges]
    for text in (*LINES, "that other hat and the dogs"):
        ids = rep.encode(Seq([text], None), WORLD)[0].x[0].tolist()
        assert [own[i] for i in ids] == reference.encode(text).tokens


def test_subwords_travel_in_a_checkpoint(tmp_path: Path) -> None:
    rep = fitted(size=40)
    torch.save(rep.state(), tmp_path / "state.pt")
    other = shelf.make("representation", "subwords", {"size": 40})
    with pytest.raises(RunError, match="'subwords' has not learnt its merges yet"):
        other.encode(Seq(["the"], None), WORLD)
    other.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(other.encode(Seq(LINES, None), WORLD)[0].x, rep.encode(Seq(LINES, None), WORLD)[0].x)
    with pytest.raises(ValueError, match=r"merge 0 of 'subwords' is \[7, 99\], not two symbols"):
        other.load_state({"merges": [[7, 99]], "first": 10})
    with pytest.raises(ValueError, match="not a list that fits its size"):
        other.load_state({"merges": [[0, 0]] * 90, "first": 10})


def test_words_are_one_symbol_wherever_they_stand() -> None:
    rep = shelf.make("representation", "words")
    rep.fit(Texts(LINES), "text", WORLD, 0)
    texts = ["the cat", "cat the cat the", "", "cats on mats"]
    coded, _ = rep.encode(Seq(texts, None), WORLD)
    assert coded.n.tolist() == [2, 4, 0, 3]
    assert set(coded.x[0, :2].tolist()) == set(coded.x[1].tolist())
    assert rep.decode(coded, None, WORLD).x == texts
    assert rep.decode(rep.encode(Seq([" on  and"], None), WORLD)[0], None, WORLD).x == [" on  and"]


def test_subwords_refuse_what_has_no_room() -> None:
    rep = shelf.make("representation", "subwords", {"size": 3})
    with pytest.raises(Misfit, match=f"has room for 3 symbols, and the alphabet alone has {len(WORLD.alphabet)}; representation.size="):
        rep.space(WORLD)
    with pytest.raises(Misfit, match="'subwords' needs an alphabet"):
        rep.space(Text())
    with pytest.raises(Misfit, match="'subwords' cannot carry Wave; it carries Text"):
        rep.space(Wave())
    with pytest.raises(RequestError, match="size=1 should be at least 2"):
        shelf.make("representation", "subwords", {"size": 1})


# ---- phonemes --------------------------------------------------------------------------------------------------------
SAID = {"the": [0, 1], "cat": [2, 3, 4], "cats": [2, 3, 4, 5], "one": [6, 7, 8], "queue": [2, 9], "sings": [5, 10, 11, 5], "at": [3, 4]}


def spoken(count: int = 80) -> tuple[list[str], list[list[int]]]:
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(list(SAID), rng.integers(2, 6))) for _ in range(count)]
    return lines, [[s for word in line.split() for s in SAID[word]] for line in lines]


def test_the_lexicon_is_found_without_word_times() -> None:
    rep = shelf.make("representation", "phonemes")
    lines, said = spoken()
    rep.fit(Texts(lines, said), "text", Text("abc"), 0)
    assert {word: list(rep.lexicon[word]) for word in SAID} == SAID
    coded, _ = rep.encode(Seq(lines, None), Text("abc"))
    assert [row[:n].tolist() for row, n in zip(coded.x, coded.n.tolist(), strict=True)] == said
    assert rep.space(Text("abc")) == Tokens(128)
    assert rep.say("ct") == [2, 4], "an unknown word is spelt by its letters"
    again = shelf.make("representation", "phonemes")
    again.load_state(rep.state())
    assert again.say("the one queue ct") == rep.say("the one queue ct")


def test_the_best_alignment_is_the_best_of_all() -> None:
    rng = np.random.default_rng(1)
    chunks = {(): 0}
    said = (0, 1, 0, 2)
    for size in (1, 2):
        for at in range(len(said) - size + 1):
            chunks.setdefault(said[at : at + size], len(chunks))
    share = np.log(rng.dirichlet(np.ones(len(chunks)), 3))
    share = np.concatenate([share, np.full((3, 1), -np.inf)], 1)
    word = np.asarray([0, 2, 1])
    best = max(
        (sum(share[w, chunks[said[a:b]]] for w, a, b in zip(word, cut, cut[1:], strict=False)), cut)
        for i in range(3)
        for j in range(i, 5)
        if (cut := (0, i, j, 4)) and all(b - a <= 2 for a, b in pairwise(cut))
    )
    assert tuple(lexicon._align(share, word, lexicon._spans(said, chunks, 2)).tolist()) == best[1]


def test_phonemes_need_the_datas_phonemes() -> None:
    rep = shelf.make("representation", "phonemes")
    with pytest.raises(RequestError, match="learns from port 'phones' .* which this data does not hold; use representation chars"):
        rep.fit(Texts(LINES), "text", WORLD, 0)
    with pytest.raises(RequestError, match=r"port 'phones' has 12 symbols, more than representation\.symbols=4"):
        shelf.make("representation", "phonemes", {"symbols": 4}).fit(Texts(*spoken()), "text", WORLD, 0)
    with pytest.raises(RunError, match="'phonemes' has not learnt its lexicon yet"):
        rep.encode(Seq(["the"], None), WORLD)
    with pytest.raises(Misfit, match="'phonemes' cannot spell what it hears"):
        rep.decode(Seq(torch.zeros(1, 1), torch.ones(1)), None, WORLD)
    with pytest.raises(RequestError, match="symbols=0, longest=3 and rounds=4 should all be at least 1"):
        shelf.make("representation", "phonemes", {"symbols": 0})
    with pytest.raises(ValueError, match="the entry 'a' of the lexicon is no list of symbols below 128"):
        rep.load_state({"lexicon": {"a": [900]}, "letters": {}})


def test_embedded_speech_is_nearly_spelt(tmp_path: Path) -> None:
    """Two of three phonemes of stressed, connected speech by a lexicon from sixty sentences; see docs for the whole set."""
    root = Path.home() / ".cache" / "audioml" / "embedded-v1" / "speech"
    if not (root / "metadata.csv").is_file():
        pytest.skip("the embedded speech has not been made here")
    from rapidfuzz.distance import Levenshtein

    rows = [row for row in csv.DictReader((root / "metadata.csv").open()) if row["split"] == "train"][:120]
    names: dict[str, int] = {}
    said = [[names.setdefault(p["phoneme"], len(names)) for p in csv.DictReader((root / row["phonemes"]).open())] for row in rows]
    rep = shelf.make("representation", "phonemes")
    rep.fit(Texts([row["transcript"] for row in rows[:90]], said[:90]), "text", Text("abc"), 0)
    wrong = sum(Levenshtein.distance(rep.say(row["transcript"]), own) for row, own in zip(rows[90:], said[90:], strict=True))
    assert wrong / sum(map(len, said[90:])) < 0.35
