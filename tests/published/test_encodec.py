"""``init=`` of an EnCodec of transformers with random weights: the same latents, codes and waves; and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from audioml import predict
from audioml.begin import begin
from audioml.build import Request
from audioml.errors import RequestError, Stopped
from audioml.kinds import Seq
from audioml.records import Record
from audioml.run import execute
from audioml.runfolder import finished, request_of, run_signature
from audioml.sweep import compose
from audioml.system import System
from tests.conftest import tiny_args

transformers = pytest.importorskip("transformers")
SIZES = {"num_filters": 4, "upsampling_ratios": [8, 5, 2], "hidden_size": 8, "codebook_size": 16, "codebook_dim": 8}
KINDS = {
    "24 kHz": {},
    "32 kHz": {"use_causal_conv": False, "use_conv_shortcut": False, "num_residual_layers": 2},
    "group": {"norm_type": "time_group_norm", "pad_mode": "constant", "trim_right_ratio": 0.5, "num_lstm_layers": 1},
}
FITS = (
    "task=codec", "model=seanet", "method=vq", "representation=waveform", "representation.window=1", "representation.hop=1",
    "model.filters=4", "model.latent=8", "model.strides=[2,5,8]", "model.pad=reflect", "method.books=3", "method.size=16",
)  # fmt: skip
MORE = {
    "24 kHz": (),
    "32 kHz": ("model.causal=false", "model.shortcut=false", "model.units=2"),
    "group": ("model.norm=group", "model.pad=constant", "model.trim=0.5", "model.lstm=1"),
}


def theirs(kind: str = "24 kHz", **more: Any) -> Any:
    """Three books of sixteen codes at 200 frames/s, all weights random."""
    torch.manual_seed(1)
    config = transformers.EncodecConfig(**{**SIZES, "sampling_rate": 16000, "target_bandwidths": [0.8, 2.4], **KINDS[kind], **more})
    model = transformers.EncodecModel(config).eval()
    for p in model.parameters():  # their biases and norms begin as nothing
        p.data.add_(0.02 * torch.randn_like(p))
    with torch.no_grad():
        z = model.encoder(torch.randn(1, model.config.audio_channels, 8000))[0].T
    for level, layer in enumerate(model.quantizer.layers):  # vectors near to latents: every code is in use
        layer.codebook.embed.copy_((z[torch.randperm(len(z))[:16]] - (z.mean(0) if level else 0)) * 0.7**level)
    return model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    theirs().save_pretrained(tmp_path / "encodec")
    return tmp_path / "encodec"


def asked(tiny: Path, tmp: Path, folder: Path, *more: str) -> Request:
    return compose([*tiny_args(tiny, tmp, *FITS, *more), f"init='{folder}'"])


def begun(tiny: Path, tmp: Path, folder: Path, *more: str) -> System:
    request = asked(tiny, tmp, folder, *more)
    torch.manual_seed(0)
    system = System(request.plan).eval()
    assert request.init is not None
    begin(system, request.init)
    return system


def sound(samples: int = 2997) -> torch.Tensor:
    return 0.3 * torch.randn(2, 1, samples, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def compared(model: Any, system: System, x: torch.Tensor) -> None:
    """Latents, codes and the decoded wave of a batch."""
    inputs = {"audio": Seq(x, torch.full((len(x),), x.shape[-1]))}
    z = system.inward(inputs)
    assert torch.allclose(z.x, model.encoder(x), atol=1e-5)
    want = model(x, bandwidth=2.4)
    codes = system.plan.method.codes(system, inputs).x
    assert torch.equal(codes, want.audio_codes[0])
    assert len(codes.unique()) > 9 or x.shape[-1] < 100, "the codes say something"
    assert torch.allclose(system(inputs)["decoded"].x, want.audio_values[..., : x.shape[-1]], atol=1e-5)
    assert want.audio_values.std() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_latents_codes_and_waves_are_encodecs(kind: str, tiny: Path, tmp_path: Path) -> None:
    model = theirs(kind)
    model.save_pretrained(tmp_path / "published")
    system = begun(tiny, tmp_path, tmp_path / "published", *MORE[kind])
    for samples in (2997, 3200, 3):
        compared(model, system, sound(samples))


def test_a_state_dict_and_the_older_names_of_weight_norm_serve_too(tiny: Path, tmp_path: Path, saved: Path) -> None:
    model = theirs()
    (saved / "model.safetensors").unlink()
    new = "parametrizations.weight.original"
    state = {k.replace(f"{new}0", "weight_g").replace(f"{new}1", "weight_v"): v for k, v in model.state_dict().items()}
    assert any(k.endswith("weight_g") for k in state)
    torch.save(state, saved / "pytorch_model.bin")
    compared(model, begun(tiny, tmp_path, saved), sound())


def test_a_checkpoint_in_parts_serves_too(tiny: Path, tmp_path: Path) -> None:
    model = theirs()
    model.save_pretrained(tmp_path / "parts", max_shard_size="8KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 1
    compared(model, begun(tiny, tmp_path, tmp_path / "parts"), sound())
    next((tmp_path / "parts").glob("*.safetensors")).unlink()
    with pytest.raises(RequestError, match="is not whole: model-00"):
        asked(tiny, tmp_path, tmp_path / "parts")


def test_fewer_books_are_its_first_ones(tiny: Path, tmp_path: Path, saved: Path) -> None:
    system = begun(tiny, tmp_path, saved, "method.books=1")
    inputs = {"audio": Seq(sound(), torch.tensor([2997, 2997]))}
    with torch.no_grad():
        got = system(inputs)["decoded"].x
        want = theirs()(sound(), bandwidth=0.8).audio_values
    assert torch.allclose(got, want[..., :2997], atol=1e-5)


def test_a_run_begins_there_is_signed_so_and_resumes_without_the_folder(tiny: Path, tmp_path: Path, saved: Path) -> None:
    """With nothing learnt on top, the finished run is the published codec."""
    request = asked(tiny, tmp_path, saved, "model.learning_rate=0", "method.decay=1", "method.restart=0")

    def stop(step: int, loss: float) -> None:
        if step == 2:  # there is a checkpoint of the first
            raise Stopped("enough for now")

    with pytest.raises(Stopped):
        execute(request, watch=stop)
    (folder,) = (tmp_path / "outputs" / "runs").iterdir()
    begun = Record.read(folder / "record.json")
    assert begun.provenance["init"]["tensors"] > 30
    assert begun.provenance["init"]["left"] == ["extra"], "counts of the code books' use"
    assert begun.axes["init"].startswith("encodec:")
    assert begun.signature == run_signature(request)
    shutil.rmtree(saved)
    record = execute(request_of(folder), resume=folder)
    assert (record.status, record.signature) == ("done", begun.signature)
    assert record.provenance["init"]["folder"] == str(saved)
    compared(theirs(), predict.load(finished(folder)), sound())


def test_other_weights_are_another_run_and_none_is_the_old_one(tiny: Path, tmp_path: Path, saved: Path) -> None:
    one = asked(tiny, tmp_path, saved)
    without = compose(tiny_args(tiny, tmp_path, *FITS))
    assert "init" not in without.axes()
    other = theirs(num_lstm_layers=2)
    other.decoder.layers[0].conv.bias.data.add_(1.0)
    other.save_pretrained(tmp_path / "other")
    assert len({run_signature(r) for r in (one, without, asked(tiny, tmp_path, tmp_path / "other"))}) == 3
    other.save_pretrained(saved)
    with pytest.raises(RequestError, match="holds other weights than when this run was begun"):
        begin(System(one.plan), one.init)  # type: ignore[arg-type]


def test_without_code_books_the_network_is_taken_alone(tiny: Path, tmp_path: Path, saved: Path) -> None:
    network = [a for a in FITS if not a.startswith("method")]
    request = compose([*tiny_args(tiny, tmp_path, *network, "method=vae"), f"init='{saved}'"])
    system = System(request.plan).eval()
    report = begin(system, request.init)  # type: ignore[arg-type]
    assert report["left"] == ["extra"]
    with torch.no_grad():
        z = system.inward({"audio": Seq(sound(), torch.tensor([2997, 2997]))})
        assert torch.allclose(z.x, theirs().encoder(sound()), atol=1e-5)


# ---- refusals ----------------------------------------------------------------------------------------------------------
def test_settings_that_do_not_fit_are_named_with_those_that_do(tiny: Path, tmp_path: Path, saved: Path) -> None:
    with pytest.raises(RequestError) as caught:
        asked(tiny, tmp_path, saved, "model.filters=8", "method.books=4", "representation.window=64", "representation.hop=32")
    assert str(caught.value) == (
        f"init={saved} does not fit representation.window=64 representation.hop=32 model.filters=8 method.books=4; "
        "it fits representation.window=1 representation.hop=1 model.filters=4 method.books=3"
    )
    with pytest.raises(RequestError, match=r"does not fit data\.rate=8000; it fits data\.rate=16000"):
        asked(tiny, tmp_path, saved, "data.rate=8000")


def changed(folder: Path, **keys: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({k: v for k, v in {**config, **keys}.items() if v is not ...}))


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"model_type": "bert"}, "holds a checkpoint of model_type 'bert', and there are maps for encodec, musicgen, musicgen_decoder alone"),
        ({"model_type": ...}, "its config.json states no model_type"),
        ({"normalize": True}, "has normalize=true, and a run can begin from false alone"),
        ({"chunk_length_s": 1.0}, "has chunk_length_s=1.0, and a run can begin from null alone"),
        ({"num_filters": ...}, r"its config.json lacks what encodec needs \('num_filters'\)"),
        ({"upsampling_ratios": 3}, "its config.json lacks what encodec needs"),
    ],
)
def test_configs_that_no_run_can_begin_from(keys: dict, text: str, tiny: Path, tmp_path: Path, saved: Path) -> None:
    changed(saved, **keys)
    with pytest.raises(RequestError, match=text) as caught:
        asked(tiny, tmp_path, saved)
    assert "\n" not in str(caught.value)


def test_folders_that_are_no_checkpoints(tiny: Path, tmp_path: Path, saved: Path) -> None:
    with pytest.raises(RequestError, match="is no published checkpoint: it has no config.json; save_pretrained of transformers writes"):
        asked(tiny, tmp_path, tmp_path)
    (saved / "model.safetensors").unlink()
    with pytest.raises(RequestError, match="it has neither model.safetensors nor pytorch_model.bin"):
        asked(tiny, tmp_path, saved)
    (saved / "config.json").write_text("{")
    with pytest.raises(RequestError, match="config.json is no JSON"):
        asked(tiny, tmp_path, saved)


def test_another_model_is_told_which_can(tiny: Path, tmp_path: Path, saved: Path) -> None:
    with pytest.raises(RequestError, match="holds weights of encodec, from which model=autoencoder does not begin; model=seanet can"):
        compose([*tiny_args(tiny, tmp_path, "task=codec", "model=autoencoder"), f"init='{saved}'"])


def test_tensors_that_do_not_fit_their_own_config(tiny: Path, tmp_path: Path, saved: Path) -> None:
    theirs(num_filters=8).save_pretrained(tmp_path / "wide")
    (tmp_path / "wide" / "model.safetensors").replace(saved / "model.safetensors")
    with pytest.raises(RequestError, match=r"network\.down\.0\.conv\.bias is \[4\] here, and encoder\.layers\.0\.conv\.bias \[8\] there"):
        begun(tiny, tmp_path, saved)


def test_tensors_without_a_place_and_places_without_a_tensor(tiny: Path, tmp_path: Path, saved: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(saved / "model.safetensors")
    save_file({**state, "extra.thing": torch.zeros(2, 3)}, saved / "model.safetensors")
    with pytest.raises(RequestError, match=r"1 of its tensors have no place, such as extra\.thing \[2, 3\]"):
        begun(tiny, tmp_path, saved)
    lost = "decoder.layers.0.conv.bias"
    save_file({k: v for k, v in state.items() if k != lost}, saved / "model.safetensors")
    with pytest.raises(RequestError, match=r"it has nothing for network\.up\.0\.conv\.bias \[32\]"):
        begun(tiny, tmp_path, saved)
    save_file({**state, lost: state[lost] * float("nan")}, saved / "model.safetensors")
    with pytest.raises(RequestError, match="holds numbers that are not finite"):
        begun(tiny, tmp_path, saved)


class Code:
    """Pickled, it would write a file when it is read."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return Path.touch, (self.place,)


def test_a_pickle_with_code_is_refused_and_not_run(tiny: Path, tmp_path: Path, saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    torch.save({**theirs().state_dict(), "x": Code(tmp_path / "ran")}, saved / "pytorch_model.bin")
    with pytest.raises(RequestError, match="is refused: pytorch_model.bin holds more than plain tensors"):
        begun(tiny, tmp_path, saved)
    assert not (tmp_path / "ran").exists()
    (saved / "pytorch_model.bin").unlink()
    (saved / "model.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(RequestError, match="model.safetensors holds no tensors"):
        begun(tiny, tmp_path, saved)


def test_an_index_names_files_beside_it_only(tiny: Path, tmp_path: Path, saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    (saved / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    with pytest.raises(RequestError, match="should map tensors to files beside it"):
        asked(tiny, tmp_path, saved)
