"""The language model of MusicGen (Copet et al. 2023) as transformers' MusicgenForCausalLM: our Transformer under method=ar.

What reads the condition is no part of it: MusicGen's is T5, so that a run's own reader begins from random weights.
"""

from __future__ import annotations

from typing import Any

from audioml.published._families import AtLeast, Config, Family, Rule, rule


def asks(config: Config) -> dict[str, Any]:
    """The settings of model=transformer and method=ar."""
    width, inner = config["hidden_size"], config["ffn_dim"]
    return {
        "model.width": width,
        "model.layers": config["num_hidden_layers"],
        "model.heads": config["num_attention_heads"],
        "model.expand": inner // width if inner % width == 0 else inner / width,
        "model.positions": "cosines",
        "model.unbiased": True,
        "model.causal": True,
        "model.chunk": 1,
        "model.window": AtLeast(config["max_position_embeddings"]),
        "method": "ar",
        "method.pattern": "delay",
    }


def rules(config: Config) -> tuple[Rule, ...]:
    """The embeddings of all books are one table of ours, their heads one head, and projections lie side by side."""
    layer = "model.decoder.layers.{0}."
    norms = [
        rule(rf"network\.norms\.{2 * i + second}\.(.+)", f"model.decoder.layers.{i}.{name}_layer_norm.{{0}}")
        for i in range(config["num_hidden_layers"])
        for second, name in enumerate(("self_attn", "final"))
    ]
    return (
        rule(r"embed\.table\.weight", "model.decoder.embed_tokens.*.weight"),
        rule(r"head\.map\.map\.weight", "lm_heads.*.weight"),
        rule(r"head\.map\.map\.bias", fill=0.0),
        *norms,
        rule(r"network\.norms\.\d+\.(.+)", "model.decoder.layer_norm.{0}"),
        rule(r"network\.attention\.(\d+)\.qkv\.weight", *(f"{layer}self_attn.{x}_proj.weight" for x in "qkv")),
        rule(r"network\.attention\.(\d+)\.out\.weight", layer + "self_attn.out_proj.weight"),
        rule(r"network\.cross_norms\.(\d+)\.(.+)", layer + "encoder_attn_layer_norm.{1}"),
        rule(r"network\.cross\.(\d+)\.q\.weight", layer + "encoder_attn.q_proj.weight"),
        rule(r"network\.cross\.(\d+)\.kv\.weight", *(f"{layer}encoder_attn.{x}_proj.weight" for x in "kv")),
        rule(r"network\.cross\.(\d+)\.out\.weight", layer + "encoder_attn.out_proj.weight"),
        rule(r"network\.dense\.(\d+)\.0\.weight", layer + "fc1.weight"),
        rule(r"network\.dense\.(\d+)\.3\.weight", layer + "fc2.weight"),
    )


FAMILY = Family(
    asks=asks,
    only={"activation_function": ("gelu",), "audio_channels": (1,)},
    rules=rules,
    spare=r".*\.embed_positions\..+|.*\.encoder_attn.+",  # a formula; and attention to a condition where a run has none
)
