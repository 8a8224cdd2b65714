"""MusicGen whole, as transformers' MusicgenForConditionalGeneration: an EnCodec, a language model, and T5, which is not read."""

from __future__ import annotations

from audioml.published._families import Family

FAMILY = Family(holds={"encodec": ("audio_encoder", "audio_encoder."), "musicgen_decoder": ("decoder", "decoder.")})
