"""Methods between encoder and decoder: what they refuse, learning by heart, rates, priors, and what they report."""

from __future__ import annotations

import math

import pytest
import torch

from audioml import shelf
from audioml.coder import RunCoder
from audioml.draft import Draft, generic_worlds
from audioml.errors import Misfit, RequestError
from audioml.kinds import Seq, Wave
from audioml.methods.ssl import stretches
from audioml.nn.gaussian import Gaussian, kl_to_standard
from audioml.parts import Task
from audioml.probes import bitrate
from audioml.system import System


def task_of(name: str) -> Task:
    """A task of the shelf, or one without inputs."""
    if name in shelf.names("task"):
        return shelf.make("task", name)
    return Task(name, {}, {"audio": Wave()}, (), "", (), "silence", "truth")


def system(named: str, /, *, task: str = "codec", rep: str = "stft", row: str = "autoencoder", **user: dict) -> System:
    """`named` is the method; `user` holds settings by axis, and ports."""
    made = task_of(task)
    draft = Draft(made, generic_worlds(made), user, user.pop("ports", {}), "smoke")
    torch.manual_seed(0)
    return System(draft.plan({"task": task, "representation": rep, "model": row, "method": named}))


def tones(count: int = 2, samples: int = 2048) -> Seq:
    t = torch.arange(samples) / 16000
    waves = [0.3 * torch.sin(2 * torch.pi * f * t) * (torch.arange(samples) // 512 % 2 * 0.5 + 0.5) for f in (300, 1500, 700)]
    return Seq(torch.stack(waves[:count])[:, None], torch.full((count,), samples))


def batch_of(net: System) -> dict[str, Seq]:
    return {port: tones() for port in (*net.plan.inputs, net.plan.output.port)}


def learn(net: System, batch: dict[str, Seq], steps: int, rate: float = 5e-3, until: str = "") -> list[dict[str, float]]:
    """The losses of each step; with `until` it stops when that loss has fallen below a twentieth of its start."""
    optimizer = torch.optim.Adam(net.parameters(), rate)
    path = []
    for _ in range(steps):
        losses = net.plan.method.loss(net, batch)
        optimizer.zero_grad()
        sum(net.plan.method.losses[k] * v for k, v in losses.items()).backward()
        optimizer.step()
        path.append({k: v.item() for k, v in losses.items()})
        if until and path[-1][until] < 0.05 * path[0][until]:
            break
    return path


# ---- fit or misfit --------------------------------------------------------------------------------------------------
REFUSED = [
    ("vq", "asr", "stft", {}, "method 'vq' makes audio, the output 'text' is Text"),
    ("vq", "codec", "stft_mag", {}, "sends nothing beside its codes, and representation 'stft_mag' borrows the phase"),
    ("vae", "nothing", "stft_mag", {}, "borrows the phase of an input of the same kind, and task 'nothing' has none"),
    ("vq", "codec", "vq", {}, "method 'vq' emits real numbers, and representation 'vq' of the output 'decoded' gives Codes"),
    ("vae", "codec", "stft", {"ports": {"audio": "vq"}}, "takes numbers in, and representation 'vq' of the input 'audio' gives Codes"),
    ("vae", "codec", "stft", {"ports": {"audio": "waveform"}}, "runs at 500 frames/s and output 'decoded' at 62.5; they must be equal"),
    ("vq", "codec", "stft", {"representation": {"level": "clip"}}, "passes no level beside the bottleneck"),
    ("vq", "nothing", "stft", {}, "method 'vq' codes an audio input, and the task has none"),
    ("ssl", "codec", "stft", {}, "method 'ssl' predicts codes, and representation 'stft' of the output 'decoded' gives Grid"),
    ("ssl", "codec", "vq", {"ports": {"audio": "vq"}}, "method 'ssl' takes numbers in, and representation 'vq' of the input 'audio' gives Codes"),
    ("ssl", "codec", "waveform", {"ports": {"decoded": "vq"}}, "runs at 500 frames/s and output 'decoded' at 62.5"),
]


@pytest.mark.parametrize(("method", "task", "representation", "user", "sentence"), REFUSED)
def test_what_does_not_fit_says_why(method: str, task: str, representation: str, user: dict, sentence: str) -> None:
    with pytest.raises(Misfit, match=sentence):
        system(method, task=task, rep=representation, **user)


def test_wrong_settings_say_so() -> None:
    with pytest.raises(RequestError, match=r"method\.losses\.spectrum is not a loss; did you mean spectral\?"):
        system("vq", method={"losses": {"spectrum": 1.0}})
    with pytest.raises(RequestError, match=r"method\.books=0 should be at least 1"):
        system("vq", method={"books": 0})
    with pytest.raises(RequestError, match=r"method\.beta=-1\.0 and method\.free=.* should be zero or more"):
        system("vae", method={"beta": -1.0})
    with pytest.raises(RequestError, match=r"method\.kbps=0\.1 is less than one book of 256 codes at 31\.25 latent frames/s takes \(0\.25 kbit/s\)"):
        system("vq", method={"kbps": 0.1})
    with pytest.raises(RequestError, match=r"method\.share=1\.5 should lie between 0 and 1"):
        system("ssl", rep="mel", ports={"decoded": "vq"}, method={"share": 1.5})
    with pytest.raises(RequestError, match="makes 'audio' from nothing and must be told how long it should be"):
        system("vae", task="nothing")({})


def test_codec_takes_any_recording_for_its_target() -> None:
    task = task_of("codec")
    x = torch.randn(1, 9).numpy()
    assert task.derive("decoded", x, Wave(1, 16000), None) is x
    assert not task.raw().outputs


# ---- learning -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["autoencoder", "rnn"])
def test_vq_learns_one_batch_by_heart(model: str) -> None:
    net = system("vq", row=model, method={"losses": {"spectral": 10.0}, "books": 2, "size": 16, "dropout": 0.0, "decay": 0.9})
    path = learn(net, batch_of(net), 300, until="spectral")
    assert path[-1]["spectral"] < 0.05 * path[0]["spectral"], (path[0], path[-1])


@pytest.mark.parametrize("model", ["autoencoder", "rnn"])
def test_vae_learns_one_batch_by_heart(model: str) -> None:
    net = system("vae", row=model, method={"losses": {"spectral": 10.0}, "beta": 1e-4})
    path = learn(net, batch_of(net), 300, until="spectral")
    assert path[-1]["spectral"] < 0.05 * path[0]["spectral"], (path[0], path[-1])


def test_autoencoder_learns_one_batch_by_heart() -> None:
    net = system("regress", task="enhancement", method={"losses": {"spectral": 10.0}})
    path = learn(net, batch_of(net), 300, until="spectral")
    assert path[-1]["spectral"] < 0.05 * path[0]["spectral"]


def test_where_rendering_searches_for_a_phase_the_space_is_compared() -> None:
    net = system("vq", rep="logmel", method={"size": 16})
    assert set(net.plan.method.loss(net, batch_of(net))) == {"space", "commitment"}
    wave = system("vq", method={"size": 16})
    assert set(wave.plan.method.loss(wave, batch_of(wave))) == {"space", "spectral", "commitment"}


@pytest.mark.parametrize("rep", ["stft", "logmel"])
def test_unnamed_stems_may_come_in_any_order(rep: str) -> None:
    net = system("vae", task="unnamed_separation", rep=rep, row="rnn").eval()
    (port,) = net.plan.inputs
    stems = torch.stack([tones().x, 0.5 * tones().x.flip(0)], 1)
    found = []
    with torch.no_grad():
        for x in (stems, stems.flip(1)):
            found.append(net.plan.method.loss(net, {port: tones(), net.plan.output.port: Seq(x, tones().n)}))
    assert all(torch.allclose(value, found[1][name]) for name, value in found[0].items())


def test_beta_and_free_bits_steer_the_kl() -> None:
    def kl(beta: float, free: float) -> float:
        net = system("vae", method={"losses": {"spectral": 1.0}, "beta": beta, "free": free})
        learn(net, batch_of(net), 70)
        return float(net.extra.per_dimension().sum())

    loose, tight, kept = kl(1e-5, 0.0), kl(10.0, 0.0), kl(10.0, 0.5)
    assert tight < 0.6 < loose
    assert 1.5 < kept < loose  # eight dimensions, half a nat each is free


def test_kl_is_torchs() -> None:
    mean, log_variance = torch.randn(3, 4), torch.randn(3, 4)
    normal = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    want = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    assert torch.allclose(kl_to_standard(mean, log_variance), want, atol=1e-5)


def test_kl_counts_valid_frames_only_and_is_remembered() -> None:
    torch.manual_seed(0)
    net = Gaussian(3).train()
    z = torch.randn(2, 3, 6)
    whole = net(z[:, :, :4], torch.tensor([4, 4])).kl
    padded = torch.cat([z[:, :, :4], torch.full((2, 3, 2), 50.0)], -1)
    assert torch.allclose(net(padded, torch.tensor([4, 4])).kl, whole)
    assert torch.allclose(net.per_dimension(), whole, rtol=1e-4)


# ---- use ------------------------------------------------------------------------------------------------------------
def test_evaluation_repeats_itself_and_keeps_the_length() -> None:
    for method in ("vq", "vae"):
        net = system(method).eval()
        with torch.no_grad():
            one, two = (net({"audio": tones()})["decoded"].x for _ in range(2))
        assert torch.equal(one, two)
        assert one.shape == (2, 1, 2048)


def test_without_an_input_the_prior_is_drawn() -> None:
    net = system("vae", task="nothing")
    path = learn(net, {"audio": tones()}, 3)
    assert all(math.isfinite(v) for v in path[-1].values())
    net.eval()
    with torch.no_grad():
        torch.manual_seed(1)
        one = net({}, Seq(None, torch.tensor([5000, 4000])))["audio"]
        two = net({}, Seq(None, torch.tensor([5000, 4000])))["audio"]
    assert one.x.shape == (2, 1, 5000)
    assert one.n.tolist() == [5000, 4000]
    assert not torch.equal(one.x, two.x)


def test_a_condition_reaches_both_sides() -> None:
    net = system("vae", task="text_to_audio", rep="logmel")
    (port,) = net.plan.inputs
    batch = {port: Seq(["ab", "ca"], torch.tensor([2, 2])), net.plan.output.port: tones()}
    losses = net.plan.method.loss(net, batch)
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_fewer_levels_make_a_lower_rate() -> None:
    net = system("vq", method={"losses": {"spectral": 10.0}, "books": 4, "size": 16, "dropout": 0.5})
    learn(net, batch_of(net), 80)
    net.eval()
    errors = []
    for levels in (1, 2, 4):
        net.plan.method.levels = levels
        with torch.no_grad():
            errors.append(float((net({"audio": tones()})["decoded"].x - tones().x).square().mean()))
        assert bitrate.measure(net)["codes/kbps"].value == pytest.approx(levels * 4 * 31.25 / 1000)
    assert errors[2] < errors[0]


def test_a_codec_with_a_shortcut_begins_as_the_round_trip() -> None:
    user = {"model": {"shortcut": True, "latent": 320, "strides": [4], "width": 96}, "method": {"books": 2, "dims": 8, "gather": 2}}
    net = system("vq", rep="logmel", **user).train()
    batch = batch_of(net)
    losses = net.plan.method.loss(net, batch)
    assert losses["space"].item() < 1e-4
    assert losses["commitment"].item() == 0
    assert net.plan.method.loss(net, batch)["commitment"].item() > 0


def test_a_rate_is_met_from_below() -> None:
    net = system("vq", method={"kbps": 1.1, "size": 256})
    assert net.extra.levels == 4
    assert bitrate.measure(net)["codes/kbps"].value == pytest.approx(1.0)


def test_what_the_bottleneck_holds_is_reported() -> None:
    net = system("vq", method={"size": 16, "books": 2})
    learn(net, batch_of(net), 5)
    found = bitrate.measure(net)
    assert found["codes/size"].value == 16
    assert found["codes/rate"].value == found["latents/rate"].value == "125/4"
    assert 1 <= found["codes/perplexity_2"].value <= 16
    assert 0 < found["codes/entropy_kbps"].value <= found["codes/kbps"].value
    assert found["latents/kl"].value is None
    vae = system("vae")
    learn(vae, batch_of(vae), 5)
    found = bitrate.measure(vae)
    assert found["latents/kl"].value == pytest.approx(8 * found["latents/kl_per_dimension"].value)
    assert 0 <= found["latents/active_dimensions"].value <= 8
    assert found["codes/kbps"].reason == "another kind of bottleneck"
    with pytest.raises(Exception, match="nothing in it passes a bottleneck"):
        bitrate.measure(system("regress", task="enhancement", row="rnn"))


# ---- masked prediction ----------------------------------------------------------------------------------------------
def test_stretches_cover_their_share_of_each_clip() -> None:
    torch.manual_seed(0)
    n = torch.tensor([400, 100, 5])
    hidden = torch.stack([stretches(n, 400, 0.4, 10, torch.device("cpu")) for _ in range(50)]).float()
    cover = hidden.sum(-1).mean(0) / n
    assert 0.28 < cover[0] < 0.4
    assert 0.28 < cover[1] < 0.4
    assert cover[2] > 0
    assert not hidden[:, 1, 100:].any()


class FakePrepared:
    """Batches of tones, always the same."""

    def train_batch(self, step: int, items: int, seconds: float | None, seed: int) -> dict:
        seq = tones()
        return {port: (seq.x.numpy(), seq.n.numpy()) for port in ("audio", "decoded")}


def test_masked_prediction_learns_and_renders() -> None:
    net = system("ssl", rep="mel", row="rnn", ports={"decoded": "vq"}, method={"share": 0.3, "length": 2})
    net.plan.output.representation.fit(FakePrepared(), "decoded", net.plan.output.world, 0)
    path = learn(net, batch_of(net), 180, rate=1e-2)
    first, last = (sum(p["masked"] for p in part) / 10 for part in (path[:10], path[-10:]))
    assert last < 0.3 * first
    with torch.no_grad():
        assert net.eval()({"audio": tones()})["decoded"].x.shape == (2, 1, 2048)
    assert bitrate.measure(net)["latents/rate"].value == "125/4"


def test_a_vae_beside_an_input_speaks_with_the_input_s_phase() -> None:
    """Turning the input by a quarter of its period turns the output so; waves are compared sample by sample there alone."""
    net = system("vae", task="enhancement", rep="stft_mag").eval()
    t = torch.arange(4096) / 16000
    waves = {phase: (0.3 * torch.sin(2 * torch.pi * 1000 * t + phase))[None, None] for phase in (0.0, torch.pi / 2)}
    with torch.no_grad():
        made = {p: net({"noisy": Seq(w, torch.tensor([4096]))})["clean"].x[..., 1024:3072] for p, w in waves.items()}
    turned = torch.fft.rfft(made[torch.pi / 2])[..., 128] / torch.fft.rfft(made[0.0])[..., 128]  # bin 128 of 2048 is 1 kHz
    assert abs(float(turned.angle()) - torch.pi / 2) < 0.2
    lent, alone = net.plan.method.loss(net, batch_of(net)), system("vae", task="codec", rep="stft")
    assert set(lent) == {"spectral", "space", "snr", "kl"}
    assert set(alone.plan.method.loss(alone, batch_of(alone))) == {"spectral", "space", "kl"}


def test_a_coder_gives_no_sound_where_a_phase_is_borrowed() -> None:
    net = system("vae", task="enhancement", rep="stft_mag")
    with pytest.raises(RequestError, match="here makes no sound of numbers alone: its representation borrows the phase"):
        RunCoder(net, "here").sound(torch.zeros(1, net.network.latent, 4), 1024)
