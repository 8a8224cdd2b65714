"""EnCodec (Défossez et al. 2022) as transformers' EncodecModel: SEANet's network, and the code books of method=vq.

Its config counts strides from the decoder's first to its last, ours from the encoder's.  What its code books know of their use is
not taken over: it was averaged over batches of another size, so that use is counted anew, from even.
"""

from __future__ import annotations

import math
from typing import Any

from audioml.published._families import AtMost, Config, Family, Rule, rule

NORMS = {"weight_norm": "weight", "time_group_norm": "group"}


def asks(config: Config) -> dict[str, Any]:
    """The settings of model=seanet, method=vq, the representation and the data."""
    return {
        "representation": "waveform",
        "representation.window": 1,
        "representation.hop": 1,
        "data.rate": config["sampling_rate"],
        "data.channels": config["audio_channels"],
        "model.filters": config["num_filters"],
        "model.latent": config["hidden_size"],
        "model.strides": list(reversed(config["upsampling_ratios"])),
        "model.units": config["num_residual_layers"],
        "model.kernel": config["kernel_size"],
        "model.last_kernel": config["last_kernel_size"],
        "model.unit_kernel": config["residual_kernel_size"],
        "model.dilation": config["dilation_growth_rate"],
        "model.squeeze": config["compress"],
        "model.lstm": config["num_lstm_layers"],
        "model.shortcut": config["use_conv_shortcut"],
        "model.causal": config["use_causal_conv"],
        "model.pad": config["pad_mode"],
        "model.trim": float(config["trim_right_ratio"]),
        "model.norm": NORMS[config["norm_type"]],
        "method.books": AtMost(books(config)),
        "method.size": config["codebook_size"],
        "method.dims": None,
    }


def books(config: Config) -> int:
    """As many as its highest bit rate takes."""
    pace = math.ceil(config["sampling_rate"] / math.prod(config["upsampling_ratios"]))
    return int(1000 * config["target_bandwidths"][-1] // (pace * math.ceil(math.log2(config["codebook_size"]))))


def rules(config: Config) -> tuple[Rule, ...]:
    """Layers are numbered alike on both sides."""
    found = [
        r
        for ours, theirs in (("down", "encoder"), ("up", "decoder"))
        for r in (
            rule(rf"network\.{ours}\.(\d+)\.body\.0\.rnn\.(.+)", theirs + ".layers.{0}.lstm.{1}"),
            rule(rf"network\.{ours}\.(\d+)\.body\.(.+)", theirs + ".layers.{0}.block.{1}"),
            rule(rf"network\.{ours}\.(.+)", theirs + ".layers.{0}"),
        )
    ]
    book = rule(r"extra\.books\.(\d+)\.(?:book|sums)", "quantizer.layers.{0}.codebook.embed")
    return (*found, book, rule(r"extra\.books\.\d+\.started", fill=1.0))


FAMILY = Family(
    asks=asks,
    only={
        "normalize": (False,),
        "chunk_length_s": (None,),
        "pad_mode": ("reflect", "constant"),
        "norm_type": tuple(NORMS),
    },
    rules=rules,
    spare=r"quantizer\..+",  # further books, counts, and all of it where a run has no code books
)
