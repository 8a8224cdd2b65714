"""The table's columns, declared as data.  A new probe needs one line here, no code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column.

    `names`  where its number comes from, in order of preference: "group/name" of a value ("*" stands for anything),
             "axes:KEY", "provenance:KEY", or "row:KEY" for what the table itself derives (table/rows.py).
    `form`   a key of FORMS in table/cells.py.     `unit` what a value of another unit is converted to, where they are kin.
    `better` "high", "low" or "" (a description).  `brief` also in the terminal, which is narrow.
    `why`    the value whose text explains this one.
    """

    key: str
    title: str
    names: tuple[str, ...]
    help: str
    form: str = "number"
    unit: str = ""
    better: str = ""
    brief: bool = False
    why: str = ""


COLUMNS: tuple[Column, ...] = (
    Column("row", "Row (model)", ("row:name",), "The talk's row, and the model behind it.", "text", brief=True),
    Column("representation", "Representation", ("row:representation",), "How each port is represented.", "text", brief=True),
    Column("method", "Method", ("axes:method",), "How the network is trained and used.", "text", brief=True),
    Column("primary", "Primary", ("row:primary",), "The task's own metric, with its 95 % interval.", brief=True),
    Column(
        "delta", "Δ over baseline", ("row:delta",),
        "Mean difference to the trivial baseline, test item by test item, with a paired 95 % bootstrap interval. "
        "✓ the interval lies on the better side of zero; ✗ it does not. From one seed it is about that trained network alone.",
        "delta", brief=True,
    ),
    Column("standing", "Against the best", ("row:standing",),
           "Against the row with the best mean, paired over seeds and test items, after Holm's correction over all pairs of the "
           "table: rows that cannot be told from the best tie with it.  One seed decides nothing.", "text", brief=True),
    Column("seeds", "Seeds", ("row:seeds",), "How often the row was trained; its numbers are means over these.", "integer",
           brief=True),
    Column("spread", "Between seeds", ("row:spread",), "Standard deviation of the primary metric between seeds, and its range."),
    Column("baseline", "Baseline", ("row:baseline",), "The primary metric of the trivial predictor on the same items."),
    Column("ceiling", "Ceiling", ("row:ceiling",), "The primary metric of the ideal predictor on the same items."),
    Column("si_sdri", "SI-SDR improvement dB", ("fidelity/si_sdr_improvement",), "SI-SDR gained over the input.",
           better="high"),
    Column("si_sdr", "SI-SDR dB", ("fidelity/si_sdr",), "Scale-invariant signal-to-distortion ratio.", better="high"),
    Column("sdr", "SDR dB", ("fidelity/sdr",), "Signal-to-distortion ratio, a short filter forgiven.", better="high"),
    Column("pesq", "PESQ", ("fidelity/pesq_wb", "fidelity/pesq_nb", "*/pesq*"), "Perceived speech quality, 1 to 4.6.",
           better="high", brief=True),
    Column("stoi", "STOI", ("fidelity/stoi",), "Speech intelligibility, 0 to 1.", better="high"),
    Column("spectral", "Spectral distance dB", ("fidelity/spectral_distance",), "Log-spectral distance.", better="low"),
    Column("accuracy", "Accuracy", ("quality/accuracy",), "Share of test items labelled right.", better="high"),
    Column("f1", "F1 (macro)", ("quality/f1_macro",), "F1 score, mean over the classes.", better="high"),
    Column("wer", "WER", ("quality/wer",), "Word error rate.", better="low"),
    Column("cer", "CER", ("quality/cer",), "Character error rate.", better="low"),
    Column("latency", "Latency ms", ("latency/algorithmic_ms",),
           "Algorithmic latency: how much future the output waits for, on an infinitely fast machine.",
           unit="ms", better="low", brief=True),
    Column("first_audio", "First audio ms", ("latency/first_audio_ms",),
           "From the first sample heard to the first one answered, waiting and computing; offline: a whole clip.",
           unit="ms", better="low"),
    Column("p50", "Block p50 ms", ("latency/block_p50_ms",),
           "Median computing time (CPU time) of one streamed block, one thread.", unit="ms", better="low"),
    Column("p95", "Block p95 ms", ("latency/block_p95_ms",),
           "95 of 100 streamed blocks take less, one CPU thread.", unit="ms", better="low"),
    Column("rtf", "RTF", ("latency/rtf",),
           "Real-time factor: computing time over audio time, one CPU thread, streamed in blocks.", better="low", brief=True),
    Column("offline_rtf", "RTF offline", ("latency/offline_rtf",),
           "Real-time factor of a whole clip at once, one CPU thread.", better="low"),
    Column("parameters", "Parameters", ("compute/parameters",), "Trained numbers used at inference.", "count",
           better="low", brief=True),
    Column("macs", "MAC/s", ("compute/macs_per_second",),
           "Multiply-accumulates per second of audio.", "count", better="low", brief=True),
    Column("to_90", "To 90 % CPU s", ("compute/to_90_percent_s",),
           "CPU time of training until 90 % of the validation loss's improvement.", better="low"),
    Column("training_macs", "Training MAC", ("compute/training_macs",), "Multiply-accumulates of the training, an estimate.",
           "count", better="low"),
    Column("memory", "Peak memory", ("compute/peak_memory_mb",), "Peak memory of inference.",
           "bytes", unit="B", better="low"),
    Column("receptive", "Receptive field s", ("context/receptive_field_ms",),
           "How much of the input one output sample depends on.", unit="s"),
    Column("gradient_mass", "95 % of gradient ms", ("context/gradient_mass_ms",),
           "How far back 95 % of the trained system's sensitivity to its past lies.", unit="ms"),
    Column("useful", "Useful context ms", ("context/useful_ms",),
           "How much of its past it needs to keep 99 % of what it gains over the baseline.", unit="ms"),
    Column("useful_curve", "Gain kept", ("context/useful_curve",), "What it keeps of its gain with shorter contexts.", "text"),
    Column("recall", "Recall ms", ("context/recall_ms",), "The longest gap after which a sound heard before still helps.",
           unit="ms", better="high"),
    Column("lookahead", "Look-ahead ms", ("context/lookahead_ms",),
           "How much future one output sample depends on, by gradient and perturbation.", unit="ms", better="low"),
    Column("streaming", "Streaming", ("streaming/class",),
           "Online, online with look-ahead, or offline: as tested, not as claimed.", "text", brief=True,
           why="streaming/reason"),
    Column("smallest_block", "Smallest block ms", ("streaming/smallest_block_ms",),
           "The smallest block that is computed in less than it lasts, 95 times of 100, on one thread.", unit="ms", better="low"),
    Column("memory_growth", "Memory growth", ("streaming/memory_growth_mb",), "What a stream remembers more after a minute.",
           "bytes", unit="B", better="low"),
    Column("train", "Train time", ("compute/train_seconds",), "Wall-clock time of training.", "duration",
           brief=True),
    Column("steps", "Steps", ("provenance:steps",), "Optimiser steps.", "integer"),
    Column("preset", "Preset", ("axes:preset",), "How long and how large.", "text"),
    Column("seed", "Seed", ("axes:seed", "provenance:seed"), "Which seeds.", "integer"),
    Column("signature", "Signature", ("row:signature",), "Hash of the settings that matter.", "text"),
    Column("status", "Status", ("row:status",), "done, failed or interrupted, with the error.", "text", brief=True),
)  # fmt: skip

# names of predictors that need no training, looked up over a record's row, model and method
ROLES: dict[str, str] = {
    "identity": "floor", "baseline": "floor",
    "oracle": "ceiling",
}  # fmt: skip

# (unit of a value, unit of a column) -> factor
CONVERT: dict[tuple[str, str], float] = {
    ("s", "ms"): 1e3, ("ms", "s"): 1e-3, ("us", "ms"): 1e-3, ("µs", "ms"): 1e-3,
    ("KiB", "B"): 2**10, ("MiB", "B"): 2**20, ("GiB", "B"): 2**30, ("kB", "B"): 1e3, ("MB", "B"): 1e6, ("GB", "B"): 1e9,
}  # fmt: skip
