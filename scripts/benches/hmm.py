"""One iteration of expectation maximisation against hmmlearn's GMMHMM: the same features, models, parameters and statistics.

Whole-word models of the ten digits (five states, four diagonal Gaussians each, 39 MFCC), all training clips of fsdd
($AUDIOML_DATA, else ../shared/data).  hmmlearn trains one word after the other, as it must; here all words are one batch.  Both
are given the frames side by side, laid out beforehand (in training, method em does that for each batch).  CPU time of one
thread; both in their own precision (hmmlearn float64, here float32 with sums in float64), log-likelihoods compared.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audioml import shelf
from audioml.kinds import Seq, Wave
from audioml.memory import keep_freed
from audioml.nn import gmm, hmm
from audioml.nn.expectation import gather
from benches._timing import Row

Packed = tuple[torch.Tensor, hmm.Chains, torch.Tensor]
STATES, GAUSSIANS, RATE, TARGET, SAME = 5, 4, 8000, 200.0, 1e-5
ROUNDS, OURS = 5, 7  # of both; iterations of ours in each, whose median counts


def run() -> list[Row]:
    """hmmlearn, and ours with the target of issue 5."""
    torch.set_num_threads(1)
    keep_freed()  # as a run does
    clips = features()
    data = packed(clips)
    frames = sum(len(x) for _, x in clips)
    iteration(data, start(clips))  # warm
    ours, other, ratios, said, heard = [], [], [], 0.0, 0.0
    for _ in range(ROUNDS):  # by turns, so that what else the machine does slows both
        some = []
        for _ in range(OURS):
            mine = start(clips)
            begun = time.process_time()
            said = iteration(data, mine)
            some.append(time.process_time() - begun)
        models = [reference(start(clips), word) for word in range(10)]
        begun = time.process_time()
        for word, model in enumerate(models):
            own = [x for label, x in clips if label == word]
            model.fit(np.concatenate(own), [len(x) for x in own])
        other.append(time.process_time() - begun)
        ours.append(statistics.median(some))
        ratios.append(other[-1] / ours[-1])
        heard = sum(model.monitor_.history[0] for model in models)
    off = abs(said / heard - 1)
    if off > SAME:
        raise SystemExit(f"the log-likelihoods differ by {off:.1g}: {said} here, {heard} by hmmlearn")
    label = f"audioml, {len(clips)} clips, log-likelihood off by {off:.0e}; rounds {', '.join(f'{r:.0f}' for r in ratios)} x"
    return [
        Row("hmm", "hmmlearn GMMHMM, word by word", median(other, frames), "µs CPU/frame", 1.0, spread(other)),
        Row("hmm", label, median(ours, frames), "µs CPU/frame", statistics.median(ratios), spread(ratios), TARGET),
    ]


def median(seconds: list[float], frames: int) -> float:
    """Microseconds a frame."""
    return statistics.median(seconds) / frames * 1e6


def spread(numbers: list[float]) -> float:
    """From the least to the greatest, by the median."""
    return (max(numbers) - min(numbers)) / statistics.median(numbers)


def features() -> list[tuple[int, np.ndarray]]:
    """(digit, [N, 39]) of every training clip of fsdd."""
    import csv

    import soundfile

    root = Path(os.environ.get("AUDIOML_DATA", "../shared/data")) / "fsdd"
    if not root.is_dir():
        raise SystemExit(f"fsdd is not here ({root}); set AUDIOML_DATA")
    mfcc = shelf.make("representation", "mfcc", {"window": 240, "hop": 80, "bins": 26})
    out = []
    with (root / "metadata.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["split"] == "train":
                x = torch.from_numpy(soundfile.read(root / row["file_name"], dtype="float32")[0])
                found, _ = mfcc.encode(Seq(x[None, None], torch.tensor([len(x)])), Wave(1, RATE))
                if found.x.shape[-1] >= STATES:
                    out.append((int(row["label"]), found.x[0, 0].T.numpy()))
    return out


def start(clips: list[tuple[int, np.ndarray]]) -> gmm.Mixtures:
    """Each state from an equal stretch of its word's clips; its Gaussians around the mean."""
    mixtures = gmm.Mixtures(10 * STATES, GAUSSIANS, 39)
    mixtures.used.fill_(GAUSSIANS)
    mixtures.weight.fill_(-np.log(GAUSSIANS))
    offsets = torch.from_numpy(np.random.default_rng(0).standard_normal((GAUSSIANS, 39))).float()
    for word in range(10):
        cut = [np.array_split(x, STATES) for label, x in clips if label == word]
        for state in range(STATES):
            x = torch.from_numpy(np.concatenate([c[state] for c in cut]))
            mixtures.mean[word * STATES + state] = x.mean(0) + 0.3 * x.std(0) * offsets
            mixtures.variance[word * STATES + state] = x.var(0) + 0.1
    return mixtures


def packed(clips: list[tuple[int, np.ndarray]]) -> Packed:
    """All clips' frames side by side [39, T], the same words together, by their lengths; the clips' chains, which stay with
    probability 0.8 and end anywhere; their counts."""
    clips = sorted(clips, key=lambda clip: (clip[0], len(clip[1])))
    x = torch.from_numpy(np.ascontiguousarray(np.concatenate([x for _, x in clips]).T))
    n = torch.tensor([len(x) for _, x in clips])
    ids = torch.tensor([word for word, _ in clips])[:, None] * STATES + torch.arange(STATES)
    never = torch.full(ids.shape, hmm.NEVER)
    loop, move, enter = never.clone(), never.clone(), never.clone()
    loop[:, :-1], loop[:, -1], move[:, 1:], enter[:, 0] = float(np.log(0.8)), 0.0, float(np.log(0.2)), 0.0
    return x, hmm.Chains(ids, loop, move, None, enter, torch.zeros_like(never), 1), n


def iteration(data: Packed, mixtures: gmm.Mixtures) -> float:
    """Statistics of all clips, and re-estimation, as method em does both; the log-likelihood before it."""
    sums = gmm.Sums(10 * STATES, GAUSSIANS, 39)
    total = float(gather(mixtures, sums, *data, "all").sum())
    gmm.reestimate(mixtures, sums, torch.zeros(39), 0.0)
    return total


def reference(mixtures: gmm.Mixtures, word: int) -> Any:
    """hmmlearn's model of one word with the same parameters, about to do one iteration."""
    from hmmlearn.hmm import GMMHMM

    model = GMMHMM(STATES, GAUSSIANS, covariance_type="diag", init_params="", n_iter=1, tol=0)
    own = slice(word * STATES, (word + 1) * STATES)
    model.startprob_ = np.eye(STATES)[0]
    model.transmat_ = 0.8 * np.eye(STATES) + 0.2 * np.eye(STATES, k=1)
    model.transmat_[-1, -1] = 1.0
    model.weights_ = np.full((STATES, GAUSSIANS), 1 / GAUSSIANS)
    model.means_, model.covars_ = mixtures.mean[own].double().numpy(), mixtures.variance[own].double().numpy()
    return model
