"""``init=`` of a MusicGen of transformers with random weights: the same logits for the same codes and conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from audioml.begin import begin
from audioml.build import Request
from audioml.errors import RequestError
from audioml.kinds import Seq
from audioml.methods import ar_stream
from audioml.nn import patterns
from audioml.sweep import compose
from audioml.system import Context, System
from tests.conftest import tiny_args

transformers = pytest.importorskip("transformers")
BOOKS, SIZE, WIDTH = 4, 16, 24
DECODER = {
    "vocab_size": SIZE, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 3, "ffn_dim": 48, "num_codebooks": BOOKS,
    "max_position_embeddings": 64, "pad_token_id": SIZE, "bos_token_id": SIZE,
}  # fmt: skip
ENCODEC = {
    "num_filters": 4, "upsampling_ratios": [8, 5, 2], "hidden_size": 8, "codebook_size": 16, "codebook_dim": 8,
    "sampling_rate": 16000, "target_bandwidths": [3.2],
}  # fmt: skip
FITS = (
    "representation=rvq", "representation.size=16", "model=transformer", "model.width=24", "model.layers=2", "model.heads=3",
    "model.positions=cosines", "model.unbiased=true", "model.window=64", "method=ar",
)  # fmt: skip
TEXT = ("task=text_to_audio", "data.columns.caption=transcript")


def shaken(model: Any) -> Any:
    """Weights that say something: norms and biases too."""
    for p in model.parameters():
        p.data.add_(0.2 * torch.randn_like(p))
    return model.eval()


def theirs(**more: Any) -> Any:
    torch.manual_seed(3)
    return shaken(transformers.MusicgenForCausalLM(transformers.MusicgenDecoderConfig(**{**DECODER, **more})))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    theirs().save_pretrained(tmp_path / "lm")
    return tmp_path / "lm"


def asked(tiny: Path, tmp: Path, folder: Path, *more: str) -> Request:
    return compose([*tiny_args(tiny, tmp, *TEXT, *FITS, *more), f"init='{folder}'"])


def begun(request: Request) -> tuple[System, dict[str, Any]]:
    torch.manual_seed(0)
    system = System(request.plan).eval()
    assert request.init is not None
    return system, begin(system, request.init)


def columns(frames: int = 9) -> torch.Tensor:
    """Two items of random codes, delayed: [2, K, S]."""
    codes = torch.randint(0, SIZE, (2, BOOKS, frames), generator=torch.Generator().manual_seed(1))
    return patterns.build(codes, torch.tensor([frames, frames]), "delay", SIZE)[0]


def states(size: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """What a text encoder may have said [2, M, WIDTH], and how much of it counts [2]."""
    return torch.randn(2, size, WIDTH, generator=torch.Generator().manual_seed(2)), torch.tensor([size, size - 2])


def their_logits(model: Any, x: torch.Tensor, heard: torch.Tensor | None, n: torch.Tensor | None) -> torch.Tensor:
    """[B, K, V, S]."""
    seen = None if n is None or heard is None else (torch.arange(heard.shape[1]) < n[:, None]).long()
    out = model(input_ids=x.flatten(0, 1), encoder_hidden_states=heard, encoder_attention_mask=seen).logits
    return out.unflatten(0, (len(x), BOOKS)).transpose(2, 3)


@torch.no_grad()
def test_logits_are_musicgens_at_once_and_step_by_step(tiny: Path, tmp_path: Path, saved: Path) -> None:
    model = theirs()
    system, report = begun(asked(tiny, tmp_path, saved))
    assert report["left"] == ["extra", "readers"], "T5 is not read: what hears the text begins anew"
    x, (heard, n) = columns(), states()
    want = their_logits(model, x, heard, n)
    context = Context(memory=Seq(heard.transpose(1, 2), n))
    got = system.emit({}, Seq(x, torch.tensor([x.shape[-1]] * 2)), context).x
    assert got.shape == want.shape == (2, BOOKS, SIZE, x.shape[-1])
    assert torch.allclose(got, want, atol=1e-5)
    assert want.std() > 0.1
    other = their_logits(model, x, heard.flip(0), n.flip(0))
    assert (other - want).abs().max() > 1e-2, "the condition is heard"
    parts, state = [], None
    for start, end in ((0, 1), (1, 4), (4, x.shape[-1])):
        y, state = system.step(ar_stream.entered(system.plan.method, system, x[..., start:end], start), state, context)
        parts.append(y)
    assert torch.allclose(torch.cat(parts, -1), want, atol=1e-5)


@torch.no_grad()
def test_without_a_condition_it_is_musicgens_too(tiny: Path, tmp_path: Path, saved: Path) -> None:
    request = compose([*tiny_args(tiny, tmp_path, *FITS, "task=generation"), f"init='{saved}'"])
    system, _ = begun(request)
    x = columns()
    got = system.emit({}, Seq(x, torch.tensor([x.shape[-1]] * 2)), Context()).x
    assert torch.allclose(got, their_logits(theirs(), x, None, None), atol=1e-5)


@torch.no_grad()
def test_greedy_drawing_is_musicgens(tiny: Path, tmp_path: Path, saved: Path) -> None:
    """Theirs by hand: the delay pattern's mask over the likeliest codes, column after column."""
    model = theirs()
    system, _ = begun(asked(tiny, tmp_path, saved))
    frames, (heard, n) = 7, states()
    x = torch.full((2, BOOKS, 1), SIZE)
    _, mask = model.build_delay_pattern_mask(x.flatten(0, 1), SIZE, max_length=frames + BOOKS)
    for column in range(1, frames + BOOKS):
        likeliest = their_logits(model, x, heard, n)[..., -1].argmax(-1)
        forced = mask.unflatten(0, (2, BOOKS))[..., column]
        x = torch.cat([x, torch.where(forced == -1, likeliest, forced)[..., None]], -1)
    want = patterns.revert(x, "delay", frames)
    how = {"temperature": 0.0, "top_k": 0, "top_p": 1.0}
    empty = Seq(torch.zeros(2, BOOKS, 0, dtype=torch.long), torch.zeros(2, dtype=torch.long))
    context = Context(memory=Seq(heard.transpose(1, 2), n))
    got = ar_stream.generate(system.plan.method, system, context, empty, torch.tensor([frames, frames]), how)
    assert torch.equal(got.x, want)
    assert len(want.unique()) > 4


def test_of_a_whole_musicgen_each_stage_takes_its_part(tiny: Path, tmp_path: Path) -> None:
    text = transformers.T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    parts = {
        "text_encoder": transformers.T5EncoderModel(text),
        "audio_encoder": transformers.EncodecModel(transformers.EncodecConfig(**ENCODEC)),
        "decoder": transformers.MusicgenForCausalLM(transformers.MusicgenDecoderConfig(**DECODER)),
    }
    whole = shaken(transformers.MusicgenForConditionalGeneration(**parts))
    for layer in whole.audio_encoder.quantizer.layers:
        layer.codebook.embed.normal_()
    whole.save_pretrained(tmp_path / "whole")
    whole = transformers.MusicgenForConditionalGeneration.from_pretrained(tmp_path / "whole").eval()  # it then knows how to mask
    system, _ = begun(asked(tiny, tmp_path, tmp_path / "whole"))
    x, (heard, n) = columns(), states()
    with torch.no_grad():
        got = system.emit({}, Seq(x, torch.tensor([x.shape[-1]] * 2)), Context(memory=Seq(heard.transpose(1, 2), n))).x
        assert torch.allclose(got, their_logits(whole.decoder, x, heard, n), atol=1e-5)
    codec = (
        "task=codec", "model=seanet", "method=vq", "representation=waveform", "representation.window=1", "representation.hop=1",
        "model.filters=4", "model.latent=8", "model.strides=[2,5,8]", "model.pad=reflect", "method.books=4", "method.size=16",
    )  # fmt: skip
    request = compose([*tiny_args(tiny, tmp_path, *codec), f"init='{tmp_path / 'whole'}'"])
    codes, _ = begun(request)
    wave = torch.randn(1, 1, 2000, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        ours = codes.plan.method.codes(codes, {"audio": Seq(wave, torch.tensor([2000]))}).x
        assert torch.equal(ours, whole.audio_encoder.encode(wave, bandwidth=3.2).audio_codes[0])


def test_settings_that_do_not_fit_are_named(tiny: Path, tmp_path: Path, saved: Path) -> None:
    with pytest.raises(RequestError) as caught:
        asked(tiny, tmp_path, saved, "model.unbiased=false", "model.positions=rotary", "model.window=32", "model.expand=4", "method.pattern=parallel")
    assert str(caught.value) == (
        f"init={saved} does not fit model.expand=4 model.positions=rotary model.unbiased=false model.window=32 method.pattern=parallel; "
        "it fits model.expand=2 model.positions=cosines model.unbiased=true model.window=64 method.pattern=delay"
    )
    request = asked(tiny, tmp_path, saved, "representation.books=3")
    with pytest.raises(RequestError, match=r"embed\.table\.weight is \[51, 24\] here, and model\.decoder\.embed_tokens\.0\.weight \[17, 24\] \+ "):
        begun(request)


def test_stereo_and_other_activations_are_refused(tiny: Path, tmp_path: Path) -> None:
    for more, said in (({"audio_channels": 2}, "has audio_channels=2"), ({"activation_function": "relu"}, "has activation_function=relu")):
        theirs(**more).save_pretrained(tmp_path / said)
        with pytest.raises(RequestError, match=said):
            asked(tiny, tmp_path, tmp_path / said)
