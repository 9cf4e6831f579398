"""Classes that sound steadily are found from weak labels, and their bins are not background."""

import numpy as np
import pytest
import torch

from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.training.losses import ShareTargets, share_loss
from absslab.core.training.steady_classes import find_steady_classes

RATE = 8000
NAN = np.nan


@pytest.fixture(scope="module")
def front_end():
    return FrontEnd(FeatureConfig(sampling_rate=RATE, n_mels=24))


@pytest.fixture(scope="module")
def powers(front_end):
    """Return the powers (M, T) of a fan and of clicks, each over faint noise."""
    generator = torch.Generator().manual_seed(0)
    noise = 0.001 * torch.randn(2, 4 * RATE, generator=generator)
    fan = 0.1 * torch.randn(4 * RATE, generator=generator)
    clicks = torch.zeros(4 * RATE)
    clicks[:: RATE // 2] = 0.9
    return front_end.power(front_end.stft(noise + torch.stack([fan, clicks])))


def test_a_class_whose_recordings_are_steadier_is_steady():
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 0]])
    assert find_steady_classes(np.array([0.8, 0.7, 0.1, 0.2]), labels).tolist() == [True, False]


def test_a_small_difference_makes_no_class_steady():
    labels = np.array([[1, 0], [0, 1]])
    assert find_steady_classes(np.array([0.29, 0.2]), labels).tolist() == [False, False]


def test_a_class_of_all_or_no_recordings_is_not_steady():
    labels = np.array([[1, 0], [1, 0]])
    assert find_steady_classes(np.array([0.9, 0.8]), labels).tolist() == [False, False]


def test_unknown_labels_do_not_count_for_steadiness():
    labels = np.array([[1, NAN], [0, 1], [NAN, 0]])
    assert find_steady_classes(np.array([0.9, 0.1, 0.9]), labels).tolist() == [True, False]


def test_the_steady_part_of_a_fan_is_large_and_of_clicks_small(front_end, powers):
    fan, clicks = ShareTargets(front_end).steady_parts(powers).tolist()
    assert fan > 0.85
    assert clicks < 0.05


def test_padding_does_not_change_the_steady_part(front_end, powers):
    targets = ShareTargets(front_end)
    n_frames = powers.shape[-1]
    padded = torch.nn.functional.pad(powers, (0, 50))
    parts = targets.steady_parts(padded, torch.tensor([n_frames, n_frames]))
    assert torch.allclose(parts, targets.steady_parts(powers), atol=1e-4)


def test_all_power_of_a_recording_with_a_steady_class_is_that_of_its_classes(front_end, powers):
    targets = ShareTargets(front_end)
    targets.steady_classes = torch.tensor([1.0, 0.0])
    fan, clicks = powers[:1], powers[1:]
    possible = (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    shares = targets(fan, clicks, fan + clicks, None, possible)
    assert torch.allclose(shares.first, fan / (fan + clicks), atol=1e-5)
    without = ShareTargets(front_end)(fan, clicks, fan + clicks)
    assert torch.equal(shares.second, without.second)
    assert without.first.mean() < 0.2


def test_where_no_steady_class_is_possible_what_is_steady_is_background(front_end, powers):
    targets = ShareTargets(front_end)
    targets.steady_classes = torch.tensor([1.0])
    fan = powers[:1]
    T = fan.shape[-1]
    in_first_half = (torch.arange(T) < T // 2).float().expand(1, 1, T)
    shares = targets(fan, 0 * fan, fan, None, (in_first_half, 0 * in_first_half))
    assert shares.first[..., : T // 2].mean() > 0.99
    assert shares.first[..., T // 2 :].mean() < 0.2


def test_a_bin_of_a_steady_class_is_cheaper_as_the_class_than_as_background(front_end, powers):
    targets = ShareTargets(front_end)
    targets.steady_classes = torch.tensor([1.0])
    fan = powers[:1]
    present = torch.ones(1, 1)
    shares = targets(fan, 0 * fan, fan, None, (present, 0 * present))

    def cost(mask: float) -> float:
        masks = torch.full((1, 1, *fan.shape[1:]), mask)
        return share_loss(masks, torch.log1p(-masks[:, 0]), shares, present, 0 * present).item()

    assert cost(0.999) < cost(0.5) < cost(0.001)
    targets.steady_classes = None
    shares = targets(fan, 0 * fan, fan, None, (present, 0 * present))
    assert cost(0.999) > cost(0.001)
