"""Augmentation changes recordings by the right amount, and nothing else."""

import numpy as np
import pytest
import torch

from absslab.core.audio.stft import STFT, bin_power
from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import Batch
from absslab.core.training.augmentation import AugmentationConfig, augment

RATE = 8000
STFT_ = STFT(window_size=256, hop_size=128)
OFF = AugmentationConfig()


def batch(B=6, N=2048, n_samples=None, seed=0):
    waveforms = (
        torch.randn(B, N, generator=torch.Generator().manual_seed(seed))
        * torch.arange(1, B + 1)[:, None]
    )
    if n_samples is not None:
        n_samples = torch.tensor(n_samples)
        waveforms = waveforms * (torch.arange(N) < n_samples[:, None])
    return Batch(waveforms, n_samples, torch.eye(B), torch.arange(B))


def augment_batch(of, config, seed=0):
    return augment(of, config, STFT_, RATE, np.random.default_rng(seed))


def sound(spectra, n):
    return STFT_.inverse(spectra, n)


def energy(spectra):
    return spectra.abs().square().sum((1, 2))


def test_with_everything_off_nothing_changes():
    original = batch()
    pairs = augment_batch(original, OFF)
    assert torch.equal(pairs.first, STFT_(original.waveforms))
    assert not pairs.second.any()
    assert torch.equal(pairs.labels_first, original.labels)
    assert not pairs.labels_second.any()


def test_each_recording_meets_another_one_of_its_batch():
    original = batch()
    pairs = augment_batch(original, AugmentationConfig(pair_probability=1.0))
    partners = pairs.labels_second.argmax(1)
    assert pairs.labels_second.sum(1).tolist() == [1] * 6
    assert sorted(partners.tolist()) == list(range(6))
    assert (partners != torch.arange(6)).all()
    for own, partner in enumerate(partners):
        direction = torch.nn.functional.cosine_similarity(
            sound(pairs.second[own], 2048), original.waveforms[partner], dim=0
        )
        assert direction.item() == pytest.approx(1, abs=1e-4)


def test_the_second_is_as_loud_as_the_range_says_relative_to_the_first():
    config = AugmentationConfig(pair_probability=1.0, pair_gain_range=(-6.0, 3.0))
    levels = torch.cat(
        [
            10 * (energy(pairs.second) / energy(pairs.first)).log10()
            for pairs in (augment_batch(batch(), config, s) for s in range(20))
        ]
    )
    assert levels.min() >= -6.01
    assert levels.max() <= 3.01
    assert levels.max() - levels.min() > 7


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_sums_and_powers_are_those_of_both_recordings(probability, size):
    pairs = augment_batch(batch(B=size), AugmentationConfig(pair_probability=probability), 3)
    second = pairs.second
    assert torch.allclose(pairs.sum(), pairs.first + second, atol=1e-6)
    assert torch.allclose(
        pairs.second_power(bin_power(pairs.first)), bin_power(second), rtol=1e-5, atol=1e-9
    )
    if size > 1 and probability == 1:
        assert (energy(second) > 0).all()


def test_pairs_are_as_frequent_as_the_probability_says_and_labels_go_with_the_sound():
    config = AugmentationConfig(pair_probability=0.7)
    paired = []
    for seed in range(40):
        pairs = augment_batch(batch(), config, seed)
        has_label = pairs.labels_second.any(1)
        has_sound = energy(pairs.second) > 0
        assert torch.equal(has_label, has_sound)
        paired += has_label.tolist()
    assert np.mean(paired) == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("silent", ["all but one", "one"])
def test_what_cannot_be_heard_lends_no_labels(silent):
    original = batch(B=4)
    original.waveforms[1 : 4 if silent == "all but one" else 2] = 0
    for seed in range(5):
        pairs = augment_batch(original, AugmentationConfig(pair_probability=1.0), seed)
        assert torch.equal(pairs.labels_second.any(1), energy(pairs.second) > 0)


def test_a_batch_of_one_never_pairs():
    pairs = augment_batch(batch(B=1), AugmentationConfig(pair_probability=1.0))
    assert not pairs.second.any()
    assert not pairs.labels_second.any()


def test_rolling_is_circular_and_keeps_the_energy():
    original = batch()
    pairs = augment_batch(original, AugmentationConfig(roll=True))
    shifts = set()
    for rolled, waveform in zip(sound(pairs.first, 2048), original.waveforms, strict=True):
        assert rolled.square().sum().item() == pytest.approx(
            waveform.square().sum().item(), rel=1e-4
        )
        correlation = torch.fft.irfft(torch.fft.rfft(rolled) * torch.fft.rfft(waveform).conj())
        shift = int(correlation.argmax())
        assert torch.allclose(rolled, waveform.roll(shift), atol=1e-3)
        shifts.add(shift)
    assert len(shifts) == 6


def test_padded_recordings_roll_within_their_own_length():
    lengths = [500, 1000, 2048]
    original = batch(B=3, n_samples=lengths)
    pairs = augment_batch(original, AugmentationConfig(roll=True))
    for rolled, waveform, n in zip(
        sound(pairs.first, 2048), original.waveforms, lengths, strict=True
    ):
        assert not (rolled[n:].abs() > 1e-4).any()
        assert torch.allclose(rolled[:n].sort().values, waveform[:n].sort().values, atol=1e-3)
    assert pairs.n_samples.tolist() == lengths


def test_a_sum_is_as_long_as_the_longer_of_the_two():
    lengths = torch.tensor([500, 1000, 2048])
    pairs = augment_batch(
        batch(B=3, n_samples=lengths.tolist()), AugmentationConfig(pair_probability=1.0)
    )
    partners = pairs.labels_second.argmax(1)
    assert torch.equal(pairs.n_samples, torch.maximum(lengths, lengths[partners]))


def test_a_recording_that_meets_none_keeps_its_length():
    pairs = augment_batch(
        batch(B=3, n_samples=[500, 1000, 2048]), AugmentationConfig(pair_probability=0.5), seed=1
    )
    alone = ~pairs.labels_second.any(1)
    assert alone.any()
    assert torch.equal(pairs.n_samples[alone], torch.tensor([500, 1000, 2048])[alone])


def test_the_gain_of_a_recording_lies_in_its_range():
    original = batch(B=40, N=512)
    pairs = augment_batch(original, AugmentationConfig(gain_range=(-10.0, -4.0)))
    gain = 10 * (energy(pairs.first) / energy(STFT_(original.waveforms))).log10()
    assert gain.min() >= -10.01
    assert gain.max() <= -3.99
    assert gain.max() - gain.min() > 4


def test_the_equaliser_is_smooth_constant_in_time_and_of_the_deviation_asked_for():
    original = batch(B=200, N=512)
    pairs = augment_batch(original, AugmentationConfig(equaliser=3.0))
    curves = 20 * (pairs.first / STFT_(original.waveforms)).abs().log10()  # dB (B, F, T)
    assert (curves - curves[..., :1]).abs().max() < 1e-2
    curves = curves[..., 1]
    assert curves[:, 0].std().item() == pytest.approx(3, abs=0.5)
    assert curves.mean().abs() < 0.5
    assert curves.diff(dim=1).abs().max() < 2  # differences between neighbours of 129 bins


@pytest.mark.parametrize(
    "config",
    [
        AugmentationConfig(pair_probability=0.7, roll=True, gain_range=(-3.0, 3.0), equaliser=2.0),
        AugmentationConfig(roll=True),
    ],
)
def test_the_same_generator_gives_the_same_and_another_one_something_else(config):
    first, again, other = (augment_batch(batch(), config, seed) for seed in (3, 3, 4))
    assert torch.equal(first.first, again.first)
    assert torch.equal(first.second, again.second)
    assert not torch.equal(first.first, other.first)


def test_the_batch_itself_is_not_modified():
    original = batch()
    copy = batch()
    augment_batch(original, AugmentationConfig(pair_probability=1.0, roll=True, equaliser=2.0))
    assert torch.equal(original.waveforms, copy.waveforms)
    assert torch.equal(original.labels, copy.labels)


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        (OFF, False),
        (AugmentationConfig(pair_gain_range=(-3.0, 3.0)), False),
        (AugmentationConfig(pair_probability=0.1), True),
        (AugmentationConfig(roll=True), True),
        (AugmentationConfig(gain_range=(-3.0, 0.0)), True),
        (AugmentationConfig(equaliser=1.0), True),
    ],
)
def test_waveforms_are_needed_where_something_is_varied(config, needed):
    assert config.needs_waveforms == needed


@pytest.mark.parametrize("name", ["pair_gain_range", "gain_range"])
def test_a_range_begins_with_its_lower_end(name):
    with pytest.raises(InputError, match=f"{name} is 3 -3: expected the lower value first"):
        AugmentationConfig(**{name: (3.0, -3.0)})
