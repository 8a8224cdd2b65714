"""The probes on the house's own systems: what streams has the look-ahead that its stream delays by, what does not is caught."""

from __future__ import annotations

import pytest
import torch

from audioml import shelf
from audioml.draft import GENERIC, Draft
from audioml.probes import measure_all
from audioml.probes.streaming import PROVEN
from audioml.system import System


def system(model, representation="stft", method="mask", task="enhancement", listen=None, **settings):
    """Random weights, smoke sizes; `listen` settings of the representation, `settings` of the model."""
    part = shelf.make("task", task)
    worlds = {port: GENERIC[type(world)] for port, world in {**part.inputs, **part.outputs}.items()}
    draft = Draft(part, worlds, {"model": settings, "representation": listen or {}}, {}, "smoke")
    torch.manual_seed(0)
    return System(draft.plan({"representation": representation, "model": model, "method": method}))


def measured(net):
    return measure_all(net, seconds_budget=1.5)


STREAMS = {
    "fcn": {"model": "fcn", "future": 0},
    "cnn1d": {"model": "cnn1d", "causal": True},
    "cnn1d on the waveform": {"model": "cnn1d", "causal": True, "representation": "waveform", "method": "regress"},
    "cnn2d": {"model": "cnn2d", "causal": True},
    "unet": {"model": "unet", "causal": True},
    "rnn": {"model": "rnn", "directions": 1},
    "lstm on magnitudes, into stems": {
        "model": "rnn",
        "directions": 1,
        "cell": "lstm",
        "representation": "stft_mag",
        "task": "separation",
    },
    "transformer": {"model": "transformer", "causal": True},
    "transformer in chunks": {"model": "transformer", "causal": True, "chunk": 3},
}


@pytest.mark.parametrize("name", STREAMS)
def test_what_streams(name):
    net = system(**STREAMS[name])
    found = measured(net)
    assert found["streaming/reason"].value == PROVEN
    assert found["streaming/class"].value == "online with look-ahead"
    stream = net.eval().stream(1)
    rate = net.plan.output.world.rate
    # a chunk's end completes the overlap of its last frame with the next, which comes with all of its chunk
    late = stream.block if net.network.grain > 1 else stream.delay
    assert found["context/lookahead_ms"].value == pytest.approx(1000 * late / rate)
    assert found["context/lookahead_ms"].reason == ""
    assert found["latency/algorithmic_ms"].value == pytest.approx(1000 * (stream.delay + stream.block) / rate)
    assert found["latency/block_p95_ms"].value >= found["latency/block_p50_ms"].value > 0


WHOLE_CLIP = {
    "bidirectional": ({"model": "rnn"}, "rnn with directions=2 reads the clip from its end; directions=1 streams"),
    "global norm": ({"model": "cnn1d", "causal": True, "norm": "global"}, None),
    "bidirectional bottleneck": ({"model": "unet", "causal": True, "bottleneck": "bilstm"}, None),
}


@pytest.mark.parametrize("name", WHOLE_CLIP)
def test_what_needs_the_whole_clip(name):
    settings, reason = WHOLE_CLIP[name]
    found = measured(system(**settings))
    assert found["streaming/class"].value == "offline"
    assert reason is None or found["streaming/reason"].value == reason
    assert found["context/lookahead_ms"].reason.startswith("at least: it has no end within the probe's window")
    assert found["latency/algorithmic_ms"].value is None


def test_centred_networks_have_a_finite_look_ahead():
    found = measured(system("fcn", past=4, future=2))
    frame = 16.0  # ms: a hop of 256 samples at 16 kHz
    assert found["context/lookahead_ms"].value == pytest.approx((2 + 1) * frame)
    # 7 frames for the network, one more for the other frame that overlaps, less the window's first tap, which is zero
    assert found["context/receptive_field_ms"].value == pytest.approx((4 + 1 + 2 + 1 + 1) * frame, abs=0.1)
    assert found["streaming/class"].value == "offline"


@pytest.mark.parametrize("normalize", ["none", "running"])
def test_symbols_are_measured_frame_by_frame(normalize):
    found = measured(system("rnn", "mel", "ctc", "asr", listen={"normalize": normalize}, directions=1))
    assert found["context/lookahead_ms"].value == 0
    assert found["streaming/class"].value == "online"
    assert found["streaming/law_error"].value < 1e-5


def test_normalisation_by_the_clip_is_caught():
    found = measured(system("rnn", "mel", "ctc", "asr", listen={"normalize": "clip"}, directions=1))
    assert found["context/lookahead_ms"].reason.startswith("at least")
    assert "looks at the whole clip" in found["streaming/reason"].value


def test_the_floor_costs_nothing_and_the_ceiling_is_no_system():
    floor = measured(system("identity", method="baseline"))
    assert floor["compute/parameters"].value == 0
    assert floor["compute/macs_per_second"].value == 0
    assert floor["context/lookahead_ms"].value == 0
    ceiling = measured(system("oracle", method="oracle"))
    assert ceiling["latency/offline_rtf"].reason == "it looks at the target, which no system in use can"
