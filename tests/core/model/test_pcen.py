"""PCEN equals known implementations, learns, and never gives NaN."""

from dataclasses import replace

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from absslab.core.common.errors import InputError
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.pcen import build_pcen
from absslab.core.model.recursive_filter import filter_both_ways, filter_frames
from absslab.core.model.separation_model import build_model

from .small_models import VGG

PLAIN = FeatureConfig(feature_type="pcen", n_mels=8, standardise=False)
LEARNT = {
    "s": {},
    "per band": {"train_pcen_per_band": True},
    "several s": {"train_pcen_s": (0.01, 0.05, 0.3)},
    "filter": {"train_pcen_b": (0.05, 0.03), "train_pcen_a": (2.0, -1.6, 0.1)},
    "filter per band": {
        "train_pcen_b": (0.1,),
        "train_pcen_a": (1.0, -0.9),
        "train_pcen_filter_per_band": True,
    },
}


def draw_magnitudes(n_frames: int, n_recordings: int = 2) -> torch.Tensor:
    rng = np.random.default_rng(0)
    values = rng.exponential(0.02, (n_recordings, 1, 8, n_frames))
    return torch.from_numpy(values).float()


def learnt_config(name: str) -> FeatureConfig:
    return replace(PLAIN, train_pcen=True, pcen_direction="both", **LEARNT[name])


@pytest.mark.parametrize("n_frames", [1, 2, 311, 700])
@pytest.mark.parametrize("n_filters", [1, 8])
def test_filters_equal_those_of_scipy(n_frames, n_filters):
    b, a = [0.4, 0.2, 0.1], [2.0, -1.0, 0.1, 0.05]
    x = draw_magnitudes(n_frames)[:, 0].double()
    numerator, denominator = (torch.tensor([c] * n_filters, dtype=torch.float64) for c in (b, a))
    state = scipy.signal.lfilter_zi(b, a) * x[..., :1].numpy()
    forward, _ = scipy.signal.lfilter(b, a, x.numpy(), zi=state)
    assert np.allclose(filter_frames(x, numerator, denominator), forward, atol=1e-12)
    both = scipy.signal.filtfilt(b, a, x.numpy(), padlen=0)
    assert np.allclose(filter_both_ways(x, numerator, denominator, None), both, atol=1e-12)


@pytest.mark.parametrize("s", [0.01, 0.04, 0.5])
def test_causal_pcen_equals_that_of_librosa(s):
    magnitudes = draw_magnitudes(311)
    ours = build_pcen(replace(PLAIN, pcen_s=s))(magnitudes)[:, 0]
    energies = magnitudes[:, 0].double().numpy()
    theirs = librosa.pcen(
        energies, b=s, gain=0.98, bias=2, power=0.5, eps=1e-6, zi=(1 - s) * energies[..., :1]
    )
    assert np.abs(ours.numpy() - theirs).max() < 1e-5


def test_pcen_in_both_directions_equals_its_formula():
    magnitudes = draw_magnitudes(311)
    ours = build_pcen(replace(PLAIN, pcen_direction="both", pcen_s=0.01))(magnitudes)[:, 0]
    energies = magnitudes[:, 0].double().numpy()
    level = scipy.signal.filtfilt([0.01], [1, -0.99], energies, padlen=0)
    theirs = (energies * (1e-6 + level) ** -0.98 + 2) ** 0.5 - 2**0.5
    assert np.abs(ours.numpy() - theirs).max() < 1e-5


@pytest.mark.parametrize("direction", ["causal", "both"])
def test_padding_does_not_change_a_recording(direction):
    pcen = build_pcen(replace(PLAIN, pcen_direction=direction))
    magnitudes = draw_magnitudes(300, 1)
    padded = torch.nn.functional.pad(magnitudes, (0, 100))
    features = pcen(padded, torch.tensor([300]))
    assert torch.allclose(features[..., :300], pcen(magnitudes), atol=1e-6)


@pytest.mark.parametrize("name", LEARNT)
def test_every_parameter_gets_a_gradient(name):
    torch.manual_seed(0)
    pcen = build_pcen(learnt_config(name))
    pcen(draw_magnitudes(311)).square().sum().backward()
    parameters = [value for value in pcen.parameters() if value.requires_grad]
    assert len(parameters) >= 5
    for value in parameters:
        assert torch.isfinite(value.grad).all()
        assert value.grad.abs().sum() > 0


@pytest.mark.parametrize("name", LEARNT)
@pytest.mark.parametrize("level", [0.0, 1e-12, 0.5])
def test_silence_and_constant_input_stay_finite(name, level):
    pcen = build_pcen(replace(learnt_config(name), standardise=True)).train()
    features = pcen(torch.full((2, 1, 8, 40), level, requires_grad=True))
    features.sum().backward()
    assert torch.isfinite(features).all()
    assert all(torch.isfinite(v.grad).all() for v in pcen.parameters() if v.requires_grad)


def test_an_unequal_first_coefficient_only_scales():
    b, a = (0.2,), (1.0, -0.8)
    one = replace(PLAIN, train_pcen=True, train_pcen_b=b, train_pcen_a=a)
    twice = replace(one, train_pcen_b=(0.4,), train_pcen_a=(2.0, -1.6))
    magnitudes = draw_magnitudes(50)
    assert torch.allclose(build_pcen(one)(magnitudes), build_pcen(twice)(magnitudes), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "wanted"), [("pcen_s", 0.2), ("pcen_alpha", 0.7), ("pcen_delta", 1.0), ("pcen_r", 0.3)]
)
def test_a_parameter_is_recovered(name, wanted):
    magnitudes = draw_magnitudes(200)
    target = build_pcen(replace(PLAIN, **{name: wanted}))(magnitudes).detach()
    pcen = build_pcen(replace(PLAIN, train_pcen=True))
    parameter = {
        "pcen_s": pcen.smoothers.filters[0].logit,
        "pcen_alpha": pcen.gain_logit,
        "pcen_delta": pcen.log_bias,
        "pcen_r": pcen.power_logit,
    }[name]
    optimizer = torch.optim.Adam([parameter], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (pcen(magnitudes) - target).square().mean().backward()
        optimizer.step()
    [value] = pcen.values()[name.removeprefix("pcen_")]
    assert value == pytest.approx(wanted, rel=0.01)


def test_fixed_parameters_stay_as_they_are():
    pcen = build_pcen(PLAIN)
    assert not any(value.requires_grad for value in pcen.parameters())
    values = pcen.values()
    assert values["alpha"] == pytest.approx([0.98])
    assert values["s"] == pytest.approx([0.04])
    assert build_pcen(replace(PLAIN, feature_type="mel")) is None


@pytest.mark.parametrize("normalisation", ["band", "scalar"])
def test_a_model_with_pcen_sees_normalised_features(normalisation):
    features = replace(
        VGG.features, feature_type="pcen", train_pcen=True, normalisation=normalisation
    )
    torch.manual_seed(0)
    model = build_model(replace(VGG, features=features), ["a", "b"]).train()
    seen = []
    model.mask_net.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    prediction = model(0.1 * torch.randn(4, 32_000))
    [values] = seen
    assert values.mean().item() == pytest.approx(0, abs=1e-4)
    assert values.std().item() == pytest.approx(1, abs=0.05)
    prediction.probabilities.sum().backward()
    assert model.pcen.gain_logit.grad is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"normalisation": "min_max"}, "expected band or scalar"),
        ({"train_pcen_s": (0.1,)}, "expected several"),
        ({"train_pcen_b": (0.1,)}, "expected both"),
        ({"train_pcen_b": (0.1,), "train_pcen_a": (1.0, -1.0)}, "expected a stable filter"),
        ({"train_pcen_b": (0.1,), "train_pcen_a": (0.0, 1.0)}, "expected a stable filter"),
        (
            {"train_pcen_b": (0.1,), "train_pcen_a": (1.0, -0.9), "train_pcen_s": (0.1, 0.2)},
            "not both",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        replace(PLAIN, **settings)
