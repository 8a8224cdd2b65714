"""The streaming law, latencies, and what measure_all makes of broken systems."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audioml.errors import Misfit
from audioml.probes import _pace, available, first_audio, latency, measure_all, probe, streaming
from audioml.probes._base import Trial
from audioml.records import Value
from tests.probes.fakes import RATE, Conv, Fake, clips_for, later


class Clock:
    """A thread's time in which nothing but the known work takes any."""

    def __init__(self):
        self.now = 0.0

    def thread_time(self):
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True)
def known_work(monkeypatch):
    for module in (_pace, first_audio, latency):
        monkeypatch.setattr(module, "time", CLOCK)


class Stream:
    """Streams a causal Conv of `past` taps; each flag plants one fault."""

    def __init__(self, system, batch, *, delay=0, block=1, fault="", work=0.0, share=0.0):
        self.system, self.delay, self.block, self.fault, self.work = system, delay, block, fault, work
        self.share = share
        self.past = torch.zeros(batch, 1, system.body.pad[0])
        self.memory, self.state = torch.zeros(batch, 1, 0), []
        self.late = torch.zeros(batch, 1, delay + (fault == "one too late"))

    def push(self, block):
        x = block["noisy"]
        CLOCK.now += 5e-4 + self.work + self.share * x.shape[-1] / RATE
        if self.fault == "peak of the block":
            x = x / x.abs().amax(-1, keepdim=True).clamp(min=1e-6)
        whole = torch.cat([self.past, x], -1)
        y = self.system.body.map(whole)
        keep = whole.shape[-1] - self.past.shape[-1]
        self.past = whole[..., keep:]
        if self.fault == "forgets":
            self.past = torch.zeros_like(self.past)
        if self.fault == "leaks between clips":
            self.past = self.past.flip(0)
        if self.fault in ("remembers all", "remembers 20 s"):
            self.memory = torch.cat([self.memory, x], -1)[..., -(20 * RATE if self.fault == "remembers 20 s" else 10**9) :].clone()
        if self.fault == "keeps a list":
            self.state.append({"x": x.clone()})
        if self.fault == "nan":
            y = y * torch.nan
        out = torch.cat([self.late, y], -1)
        self.late = out[..., x.shape[-1] :]
        return {"out": out[..., : x.shape[-1]]}

    def flush(self):
        return {"out": self.late[..., :0] if self.fault == "no flush" else self.late}


def system(**faults):
    return Fake(Conv(4), stream=lambda s, b: Stream(s, b, **faults))


@pytest.mark.parametrize("delay", [0, 13])
def test_a_true_stream_passes(delay):
    found = streaming.measure(system(delay=delay))
    assert found["streaming/law_error"].value <= 1e-6
    assert found["streaming/class"].value == ("online with look-ahead" if delay else "online")
    assert found["streaming/reason"].value == streaming.PROVEN


@pytest.mark.parametrize("fault", ["remembers all", "keeps a list"])
def test_a_memory_that_grows_is_caught(fault):
    found = streaming.measure(system(fault=fault), found={"compute/macs_per_second": Value(5000.0)})
    assert found["streaming/law_error"].value <= 1e-6
    assert found["streaming/memory_growth_mb"].value == pytest.approx(59 * RATE * 4 / 1e6)
    assert found["streaming/class"].value == "offline"
    assert found["streaming/reason"].value == "memory grows: 0.12 MB in the last 30 s of 60"


def test_a_memory_with_an_end_is_flat():
    found = streaming.measure(system(fault="remembers 20 s"), found={"compute/macs_per_second": Value(5000.0)})
    assert found["streaming/memory_growth_mb"].value == pytest.approx(19 * RATE * 4 / 1e6)
    assert found["streaming/class"].value == "online"


def test_a_minute_that_is_too_much_work_is_cut_short():
    found = streaming.measure(system(fault="remembers all"), found={"compute/macs_per_second": Value(1e9)}, seconds=2.5)
    assert found["streaming/memory_growth_mb"].reason == "over 20 s instead of a minute"
    assert found["streaming/memory_growth_mb"].value == pytest.approx(19 * RATE * 4 / 1e6)


# ms of computing per push, a fixed part and a part for each ms of sound: the smallest block of a multiple of 20 ms that keeps up
@pytest.mark.parametrize(("fixed", "share", "ms"), [(5, 0.0, 20), (25, 0.0, 40), (46, 0.0, 60), (15, 0.5, 40), (95, 0.2, 120), (5, 1.1, None)])
def test_the_smallest_block_that_keeps_up(fixed, share, ms):
    found = streaming.measure(system(work=fixed / 1000, share=share, block=20), seconds=100.0)
    block = found["streaming/smallest_block_ms"]
    assert block.value == ms
    live = ms is not None and ms <= 100
    assert found["streaming/class"].value == ("online" if live else "offline")
    assert found["streaming/reason"].value.startswith("the law holds" if live else "too slow: ")


def test_a_stream_that_answers_before_it_can_know_is_not_causal():
    ahead = {"context/lookahead_ms": Value(8.0, "ms")}
    assert streaming.measure(system(delay=8), found=ahead)["streaming/class"].value == "online with look-ahead"
    found = streaming.measure(system(delay=7), found=ahead)
    assert found["streaming/reason"].value == "not causal: it looks 8 ms ahead, and its stream answers after 7 ms"
    assert found["streaming/class"].value == "offline"


def test_time_to_first_audio():
    law = {"streaming/law_error": Value(1e-7)}
    found = first_audio.measure(system(work=0.004, block=20, delay=30), found=law)["latency/first_audio_ms"]
    assert found.value == pytest.approx(44.5)  # two blocks until more than the delay has come, and the second one's computing
    behind = first_audio.measure(system(work=0.024, block=20, delay=50), found=law)["latency/first_audio_ms"]
    assert behind.value == pytest.approx(20 + 3 * 24.5)  # every block waits for the one before
    whole = first_audio.measure(Fake(nn.Identity()))["latency/first_audio_ms"]
    assert whole.value == 3000
    assert whole.reason == "a clip of 3 s at once, after its input has ended"


@pytest.mark.parametrize("fault", ["forgets", "one too late", "peak of the block", "leaks between clips"])
def test_a_false_stream_breaks_the_law(fault):
    found = streaming.measure(system(fault=fault))
    assert found["streaming/law_error"].value > 1e-3
    assert found["streaming/class"].value == "offline"
    assert found["streaming/reason"].value.startswith("the law is broken: blocks differ from the whole clip by")


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ({"fault": "nan"}, "the law is broken: the output holds NaN"),
        ({"fault": "no flush", "delay": 13}, "the law is broken: the stream gave 587 of 600 columns after its delay"),
    ],
)
def test_broken_streams_say_what_is_wrong(faults, reason):
    found = streaming.measure(system(**faults))
    assert found["streaming/law_error"].value is None
    assert found["streaming/reason"].value == reason


def test_whole_clip_normalisation_cannot_pass_as_a_stream():
    """The blocks are right by themselves; the offline output looks at the whole clip."""

    class Normalised(Conv):
        def forward(self, x):
            return super().forward(x / x.std(-1, keepdim=True))

    fake = Fake(Normalised(4), stream=Stream)
    found = measure_all(fake, seconds_budget=2.0)
    assert found["streaming/class"].value == "offline"
    assert found["context/lookahead_ms"].reason.startswith("at least")
    assert found["latency/block_p50_ms"].reason.startswith("it does not stream: the law is broken")
    assert found["latency/algorithmic_ms"].value is None


def test_offline_systems_name_the_reason():
    found = measure_all(Fake(lambda x: later(x, 10)), seconds_budget=1.0)
    assert found["streaming/class"].value == "offline"
    assert found["streaming/reason"].value == "this one looks at the whole clip"
    assert found["latency/rtf"].reason == "it does not stream: this one looks at the whole clip"
    assert found["latency/algorithmic_ms"].value == pytest.approx(10 + 1)
    assert found["latency/offline_rtf"].value >= 0


def test_latencies_of_a_known_worker():
    worker = system(work=0.002, block=20, delay=30)
    known = {
        "context/lookahead_ms": Value(30.0, "ms", "low"),
        "streaming/law_error": Value(1e-6),
        "streaming/class": Value("online with look-ahead"),
        "streaming/reason": Value(""),
    }
    found = latency.measure(worker, found=known)
    assert found["latency/algorithmic_ms"].value == pytest.approx(30 + 1000 * 20 / RATE)
    assert found["latency/block_ms"].value == 20
    assert found["latency/block_p50_ms"].value == pytest.approx(2.5)
    assert found["latency/block_p95_ms"].value >= found["latency/block_p50_ms"].value
    assert found["latency/rtf"].value == pytest.approx(2.5 / 20)
    assert found["latency/rtf"].n >= 50
    standalone = latency.measure(system(block=3), seconds=1.0)
    assert standalone["latency/block_ms"].value == 12  # the smallest multiple of the step that is at least 10 ms
    assert standalone["latency/algorithmic_ms"].value == 3


def test_every_probe_has_the_shape_and_comes_after_what_it_reads():
    order = available()
    assert set(order) >= {"compute", "context", "latency", "streaming"}
    for name in order:
        module = probe(name)
        assert all(order.index(other) < order.index(name) for other in module.AFTER)
        assert all(f"{key}  " in module.__doc__ for key in module.VALUES), "every value is defined in the docstring"


def values_of_all():
    return {key for name in available() for key in probe(name).VALUES}


def test_what_is_no_timing_is_the_same_again():
    torch.manual_seed(0)
    net = system()
    clips = clips_for(lambda x: net.body(x).detach())
    one, two = (measure_all(net, Trial(clips), seconds_budget=1.0) for _ in range(2))
    assert one["context/useful_ms"].value == 32
    assert one == two  # with a clock that is the same again, too


def test_a_probe_never_fails_a_run():
    found = measure_all(Fake(lambda x: x[:, :, 5:].reshape(3, 3)), seconds_budget=1.0)
    assert set(found) == values_of_all()
    assert found["compute/macs_per_second"].reason.startswith("RuntimeError: ")
    assert found["context/lookahead_ms"].unit == "ms"


def test_one_answer_per_clip():
    found = measure_all(Fake(lambda x: x.mean(-1, keepdim=True).repeat(1, 2, 1), kind="pooled"), seconds_budget=1.0)
    assert found["context/lookahead_ms"].reason == "there is one answer for the whole clip"
    assert found["streaming/class"].value == "offline"
    assert found["latency/offline_rtf"].value >= 0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda plan: setattr(plan.output, "world", type(plan.output.world)(1, 8000)),
            "the output runs at 8000 Hz, the input at 1000 Hz",
        ),
        (
            lambda plan: setattr(plan.inputs["b"], "world", type(plan.output.world)(1, 50)),
            "the inputs run at different rates: [50, 1000] Hz",
        ),
        (
            lambda plan: setattr(plan.inputs["b"], "world", type(plan.output.world)(1)),
            "input 'b' is Wave, probes play noise to waves of a known rate",
        ),
        (
            lambda plan: setattr(plan, "method", type("M", (), {"needs": "truth"})),
            "it looks at the target, which no system in use can",
        ),
    ],
)
def test_what_has_no_meaning_is_not_measured(spoil, reason):
    fake = Fake(nn.Identity(), ports={"a": 1, "b": 1})
    spoil(fake.plan)
    assert measure_all(fake, seconds_budget=0.5)["context/receptive_field_ms"].reason == reason


def test_frames_without_a_rate_and_answers_without_listening():
    fake = Fake(lambda x: x.repeat(1, 2, 1), kind="frames")
    fake.plan.flow.emit = type("Emit", (), {})()
    assert measure_all(fake, seconds_budget=0.5)["context/lookahead_ms"].reason == "the output has no frame rate"
    fake.plan.method = type("M", (), {"trains": False})
    reason = measure_all(fake, seconds_budget=0.5)["context/lookahead_ms"].reason
    assert reason == "it answers without listening frame by frame"


def test_a_system_that_cannot_be_copied():
    class Lock(nn.Identity):
        def __deepcopy__(self, memo):
            raise TypeError("cannot copy this")

    found = measure_all(Fake(Lock()))
    assert set(found) == values_of_all()
    assert {v.reason for v in found.values()} == {"the system cannot be copied: TypeError: cannot copy this"}


def test_misfit_is_the_error_that_says_why():
    with pytest.raises(Misfit, match="this one looks at the whole clip"):
        Fake(nn.Identity()).stream()
