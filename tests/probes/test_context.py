"""Look-ahead and receptive field against truth: every row is a network whose reach is known by construction."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audioml.probes import context
from tests.probes.fakes import RATE, Attention, Conv, Fake, Recurrent, centred_stft, framed, later

OPEN = "open"  # no end within the window


class Unet(nn.Module):
    """Halves the rate `levels` times by mean, doubles it by repetition, with a skip."""

    def __init__(self, levels):
        super().__init__()
        self.levels = levels

    def forward(self, x):
        size = 2**self.levels
        whole = nn.functional.pad(x, (0, -x.shape[-1] % size))
        return x + nn.functional.avg_pool1d(whole, size).repeat_interleave(size, -1)[..., : x.shape[-1]]


def running_mean(x):
    return x - x.cumsum(-1) / torch.arange(1, x.shape[-1] + 1, dtype=x.dtype)


def stack(*layers):
    return nn.Sequential(*layers)


# name: (system, look-ahead, receptive field), in samples at 1000 Hz
TRUTH = {
    "identity": (lambda: Fake(nn.Identity()), 0, 1),
    "a gain": (lambda: Fake(lambda x: 2 * x), 0, 1),
    "a delay": (lambda: Fake(lambda x: later(x, -10)), 0, 1),
    "ten samples ahead": (lambda: Fake(lambda x: later(x, 10)), 10, 1),
    "now and ten samples ahead": (lambda: Fake(lambda x: x + later(x, 10)), 10, 11),
    "causal convolution": (lambda: Fake(Conv(4, dilation=3)), 0, 13),
    "centred convolution": (lambda: Fake(Conv(2, 2)), 2, 5),
    "causal dilated stack": (lambda: Fake(stack(*(m for d in (1, 2, 4, 8) for m in (Conv(2, dilation=d), nn.Tanh())))), 0, 31),
    "one centred layer in a causal stack": (
        lambda: Fake(stack(Conv(4), nn.ELU(), Conv(1, 1, dilation=3), nn.ELU(), Conv(4))),
        3,
        4 + 3 + 3 + 4 + 1,
    ),
    "many channels with dead units": (
        lambda: Fake(stack(Conv(3, 1, channels=(1, 16)), nn.ReLU(), Conv(3, 1, channels=(16, 16)), nn.ReLU(), nn.Conv1d(16, 1, 1))),
        2,
        9,
    ),
    "mean over four, repeated": (lambda: Fake(Unet(2)), 3, 4),
    "mean over 32, repeated": (lambda: Fake(Unet(5)), 31, 32),
    "mean over 32, in blocks of 32": (lambda: Fake(Unet(5), block=32), 0, 32),
    "two blocks of 32 per answer": (lambda: Fake(Unet(6), block=32), 32, 64),
    "two inputs, one ahead": (lambda: Fake(lambda x: x[:, :1] + later(x[:, 1:], 9), ports={"a": 1, "b": 1}), 9, 10),
    "stereo, one side ahead": (lambda: Fake(lambda x: torch.cat([x[:, :1], later(x[:, 1:], 5)], 1), ports={"a": 2}), 5, 6),
    "left-padded STFT": (lambda: Fake(framed, block=16), 48, 112),
    "left-padded STFT, blocks not told": (lambda: Fake(framed), 63, 112),
    "centred STFT": (lambda: Fake(centred_stft), 62, 111),  # the first tap of a periodic Hann window is zero
    "recurrent": (lambda: Fake(Recurrent(), block=20), 0, OPEN),
    "causal attention": (lambda: Fake(Attention(causal=True), block=20), 0, OPEN),
    "running mean": (lambda: Fake(running_mean), 0, OPEN),
    "bidirectional recurrent": (lambda: Fake(Recurrent(nn.LSTM, bidirectional=True), block=20), OPEN, OPEN),
    "attention": (lambda: Fake(Attention(causal=False), block=20), OPEN, OPEN),
    "normalised by the clip's peak": (lambda: Fake(lambda x: x / x.square().sum(-1, keepdim=True).sqrt()), OPEN, OPEN),
    "normalised over channels and time": (
        lambda: Fake(stack(Conv(2, channels=(1, 4)), nn.GroupNorm(1, 4), Conv(0, channels=(4, 1)))),
        OPEN,
        OPEN,
    ),
    "mean removed": (lambda: Fake(lambda x: x - x.mean(-1, keepdim=True)), OPEN, OPEN),
    "squeeze and excite": (lambda: Fake(lambda x: x * torch.sigmoid(x.abs().mean(-1, keepdim=True))), OPEN, OPEN),
    "batch norm, dropout, in training mode": (lambda: Fake(stack(Conv(3), nn.BatchNorm1d(1), nn.Dropout(0.5))).train(), 0, 4),
    "draws noise": (lambda: Fake(lambda x: x + 0.1 * torch.randn_like(x)), 0, 1),
    "blind: a gate that noise rarely opens": (lambda: Fake(lambda x: x + (later(x, 20) - 0.6).relu()), 20, 21),
    "blind: rounded": (lambda: Fake(lambda x: (later(x, 7) * 10).round()), 7, 1),
    "blind: no gradient at all": (lambda: Fake(lambda x: (x + later(x, 6)).detach()), 6, 7),
    "blind: the clip's loudest sample decides a sign": (
        lambda: Fake(lambda x: x * torch.where(x.detach().amax(-1, keepdim=True) > 0.5, -1.0, 1.0)),
        OPEN,
        OPEN,
    ),
    "frames of symbols": (
        lambda: Fake(lambda x: Conv2Frames(x, 20), kind="frames", hop=20),
        40,
        100,
    ),
}


def Conv2Frames(x, hop):  # noqa: N802 - reads as a layer
    """Two neighbours on both sides, frame by frame: [B, 1, T] -> [B, 2, N]."""
    h = x.reshape(len(x), -1, hop).sum(-1)[:, None]
    return (h + later(h, 2) + later(h, -2) + later(h, 1)).repeat(1, 2, 1)


@pytest.mark.parametrize("name", TRUTH)
def test_truth(name):
    make, lookahead, field = TRUTH[name]
    torch.manual_seed(3)
    found = context.measure(make(), seconds=5.0)
    for key, truth in (("context/lookahead_ms", lookahead), ("context/receptive_field_ms", field)):
        value = found[key]
        samples = value.value * RATE / 1000
        if truth == OPEN:
            assert value.reason.startswith("at least: it has no end within the probe's window"), (key, value)
            assert samples > 100
        else:
            assert not value.reason.startswith("at least"), (key, value)
            assert samples == pytest.approx(truth), key


def test_blind_gradients_are_named():
    gated = context.measure(TRUTH["blind: a gate that noise rarely opens"][0]())
    assert gated["context/lookahead_ms"].reason == "the gradient missed what perturbation found"


def test_bounds_grow_with_the_time_given():
    short = context.measure(Fake(Recurrent(), block=20), seconds=0.0)["context/receptive_field_ms"]
    long = context.measure(Fake(Recurrent(), block=20), seconds=20.0)["context/receptive_field_ms"]
    assert short.value < 500 < 3500 < long.value
    assert "window of 0.5 s" in short.reason
    assert "window of 4 s" in long.reason
