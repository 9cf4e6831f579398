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
    "channels": {"train_pcen_channels": 3},
    "channels with several s": {"train_pcen_channels": 2, "train_pcen_s": (0.01, 0.3)},
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


@pytest.mark.parametrize("normalisation", ["band", "scalar"])
def test_padding_is_no_part_of_the_normalisation(normalisation):
    config = replace(PLAIN, train_pcen=True, standardise=True, normalisation=normalisation)
    plain, padded = build_pcen(config).train(), build_pcen(config).train()
    magnitudes = draw_magnitudes(300)
    wanted = plain(magnitudes)
    longer = torch.nn.functional.pad(magnitudes, (0, 300))
    features = padded(longer, torch.tensor([300, 300]))
    assert torch.allclose(features[..., :300], wanted, atol=1e-5)
    ours, theirs = padded.eval()(magnitudes), plain.eval()(magnitudes)
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("normalisation", ["band", "scalar"])
def test_one_step_is_enough_for_the_statistics_of_learnt_pcen(normalisation):
    config = replace(PLAIN, train_pcen=True, standardise=True, normalisation=normalisation)
    pcen = build_pcen(config).train()
    magnitudes = draw_magnitudes(300)
    assert torch.allclose(pcen(magnitudes), pcen.eval()(magnitudes), atol=1e-4)


def test_a_single_frame_can_be_normalised():
    config = replace(PLAIN, train_pcen=True, standardise=True)
    features = build_pcen(config).train()(draw_magnitudes(1, 1))
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("name", ["filter", "filter per band"])
def test_a_learnt_filter_stays_stable(name):
    torch.manual_seed(0)
    pcen = build_pcen(learnt_config(name))
    reflections = [filter.reflection_logits for filter in pcen.smoothers.filters]
    optimizer = torch.optim.SGD(reflections, lr=1e4)
    magnitudes = draw_magnitudes(700)
    for _ in range(5):  # far too large a step, in a direction that lengthens the filter's memory
        optimizer.zero_grad()
        smoothed = pcen.smoothers(magnitudes[:, 0], None)
        (-smoothed).mean().backward()
        optimizer.step()
        for coefficients in pcen.smoothers.filters:
            _, denominator = coefficients()
            for row in denominator.detach().double().numpy():
                assert np.abs(np.roots(row)).max() <= 1
        assert torch.isfinite(pcen(magnitudes)).all()


def test_a_learnt_filter_begins_as_given():
    b, a = (0.05, 0.03), (2.0, -1.6, 0.1)
    pcen = build_pcen(replace(PLAIN, train_pcen=True, train_pcen_b=b, train_pcen_a=a))
    numerator, denominator = pcen.smoothers.filters[0]()
    assert np.allclose(numerator.detach(), np.array([b]) / 2, atol=1e-6)
    assert np.allclose(denominator.detach(), np.array([a]) / 2, atol=1e-6)


def test_outputs_are_recovered_with_all_parameters_free():
    torch.manual_seed(0)
    magnitudes = draw_magnitudes(200)
    wanted = replace(PLAIN, pcen_s=0.2, pcen_alpha=0.8, pcen_delta=1.0, pcen_r=0.3)
    target = build_pcen(wanted)(magnitudes).detach()
    pcen = build_pcen(replace(PLAIN, train_pcen=True))
    first = (pcen(magnitudes) - target).square().mean().item()
    optimizer = torch.optim.Adam(pcen.parameters(), lr=0.02)
    for _ in range(500):
        optimizer.zero_grad()
        loss = (pcen(magnitudes) - target).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-3 * first


def test_values_name_each_smoother_and_each_coefficient():
    several = build_pcen(learnt_config("several s")).values()
    weights = [several[f"weight of s = {s:g}"] for s in (0.01, 0.05, 0.3)]
    assert np.allclose(np.sum(weights, axis=0), np.ones(8))
    assert all(len(values) == 8 for values in weights)
    filtered = build_pcen(learnt_config("filter per band")).values()
    assert filtered["b0"] == pytest.approx([0.1] * 8)
    assert filtered["a1"] == pytest.approx([-0.9] * 8)


def test_one_smoother_can_be_fixed_while_others_are_learnt():
    pcen = build_pcen(replace(PLAIN, train_pcen=True, train_pcen_s=(0.2,)))
    assert not pcen.smoothers.filters[0].logit.requires_grad
    assert pcen.gain_logit.requires_grad
    assert pcen.values()["s"] == pytest.approx([0.2])


def test_channels_begin_different_and_share_the_floor():
    torch.manual_seed(0)
    pcen = build_pcen(learnt_config("channels"))
    assert pcen(draw_magnitudes(20)).shape == (2, 3, 8, 20)
    values = pcen.values()
    for name, around in (("alpha", 0.98), ("delta", 2.0), ("r", 0.5), ("s", 0.04)):
        found = [values[f"{name}, channel {number}"][0] for number in (1, 2, 3)]
        assert len(set(found)) == 3  # in the thesis r was the same in all
        assert found == pytest.approx([around] * 3, rel=0.3)
    floors = [name for name, _ in pcen.named_parameters() if "floor" in name]
    assert len(floors) == 1


@pytest.mark.parametrize("name", LEARNT)
@pytest.mark.reference_flaw("trainable PCEN raised an error")
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
@pytest.mark.reference_flaw("features were normalised before PCEN, and most of its values were NaN")
def test_a_model_with_learnt_pcen_sees_normalised_features(normalisation):
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


@pytest.mark.parametrize("normalisation", ["band", "scalar", "min_max"])
@pytest.mark.parametrize("borders", ["valid", "padded"])
def test_fixed_pcen_is_normalised_by_the_training_recordings(normalisation, borders):
    features = replace(
        VGG.features, feature_type="pcen", normalisation=normalisation, borders=borders
    )
    model = build_model(replace(VGG, features=features), ["a", "b"]).eval()
    waveforms = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (4, 32_000))).float()
    spectra = model.front_end.stft(waveforms)
    batches = [model.front_end.features(spectra[:2]), model.front_end.features(spectra[2:])]
    assert list(model.fit_features(batches)) == [2, 4]
    seen = []
    model.mask_net.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    model.predict(spectra)
    [values] = seen
    if normalisation == "min_max":
        assert values.min().item() == pytest.approx(0, abs=1e-4)
        assert values.max().item() == pytest.approx(1, abs=1e-4)
    else:
        assert values.mean().item() == pytest.approx(0, abs=1e-3)
        assert values.std().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"normalisation": "min_max", "train_pcen": True}, "expected band or scalar"),
        (
            {"train_pcen_b": (0.1, 0.0), "train_pcen_a": (1.0,)},
            "train_pcen_b is 0: expected more than 0",
        ),
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
