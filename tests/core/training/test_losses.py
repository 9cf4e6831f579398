"""Losses are finite at the edges and minimal where they should be.

Shares follow the physics of sound.
"""

import pytest
import torch

from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.training.losses import (
    TAG_LOSSES,
    Shares,
    ShareTargets,
    absent_mask_loss,
    share_loss,
)

RATE = 8000
CONFIG = FeatureConfig(sampling_rate=RATE, n_mels=24)


@pytest.fixture(scope="module")
def front_end():
    return FrontEnd(CONFIG)


@pytest.fixture(scope="module")
def targets(front_end):
    return ShareTargets(front_end)


def noise(seconds=4.0, level=0.01, seed=0):
    return level * torch.randn(
        1, int(seconds * RATE), generator=torch.Generator().manual_seed(seed)
    )


def burst(frequency, start, stop, amplitude=0.5, seconds=4.0):
    time = torch.arange(int(seconds * RATE)) / RATE
    return (
        amplitude * torch.sin(2 * torch.pi * frequency * time) * ((time >= start) & (time < stop))
    )[None]


def powers(front_end, first, second):
    spectra = [front_end.stft(waveform) for waveform in (first, second)]
    return [front_end.power(spectrum) for spectrum in (*spectra, sum(spectra))]


def band_of(front_end, frequency):
    bin = round(frequency * CONFIG.window_size / RATE)
    return int(front_end.filters[:, bin].argmax())


def test_the_mean_over_absent_masks_is_that_of_the_absent_classes_only():
    masks = torch.tensor([[0.9, 0.2], [0.4, 0.8]])[..., None, None].expand(2, 2, 3, 4)
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert absent_mask_loss(masks, labels).item() == pytest.approx((0.2 + 0.4) / 2)


@pytest.mark.reference_flaw("the L1 penalty was NaN if every class was present")
def test_where_no_class_is_absent_the_loss_is_zero_and_not_NaN():
    masks = torch.rand(2, 3, 4, 5, requires_grad=True)
    loss = absent_mask_loss(masks, torch.ones(2, 3))
    loss.backward()
    assert loss == 0
    assert not masks.grad.any()


def test_masks_of_absent_classes_are_pushed_down_and_those_of_present_ones_let_alone():
    masks = torch.rand(1, 2, 4, 5, requires_grad=True)
    absent_mask_loss(masks, torch.tensor([[1.0, 0.0]])).backward()
    assert not masks.grad[:, 0].any()
    assert (masks.grad[:, 1] > 0).all()


@pytest.mark.parametrize("name", TAG_LOSSES)
def test_a_tag_that_is_certainly_wrong_costs_much_but_not_infinitely(name):
    probabilities = torch.tensor([[0.0, 1.0]], requires_grad=True)
    labels = torch.tensor([[1.0, 0.0]])
    wrong = TAG_LOSSES[name](probabilities, labels)
    right = TAG_LOSSES[name](1 - probabilities, labels)
    wrong.backward()
    assert torch.isfinite(wrong)
    assert torch.isfinite(probabilities.grad).all()
    assert wrong > 10
    assert right < 1e-3


@pytest.mark.parametrize("name", TAG_LOSSES)
@pytest.mark.reference_flaw("MultiLabelSoftMarginLoss applied a second sigmoid to probabilities")
def test_tag_losses_are_the_cross_entropy_of_probabilities(name):
    """The soft margin loss of a probability's logit is the cross-entropy, too."""
    labels = torch.tensor([[1.0, 0.0, 1.0]])
    loss = TAG_LOSSES[name](torch.tensor([[0.8, 0.3, 0.5]]), labels)
    assert loss.item() == pytest.approx(
        -torch.tensor([0.8, 0.7, 0.5]).log().mean().item(), rel=1e-5
    )


def test_shares_add_up_to_one(front_end, targets):
    shares = targets(
        *powers(front_end, noise() + burst(1000, 1, 2), noise(seed=1) + burst(2000, 2, 3))
    )
    total = shares.first + shares.second + shares.background
    assert torch.allclose(total, torch.ones(()), atol=1e-5)
    assert all((part >= 0).all() and (part <= 1.00001).all() for part in shares[:3])
    assert (shares.weights > 0).all()


def test_gaussian_noise_is_background(front_end, targets):
    shares = targets(*powers(front_end, noise(20), torch.zeros(1, 20 * RATE)))
    assert shares.background.mean() > 0.9
    assert not shares.second.any()


def test_the_estimate_of_gaussian_noise_is_its_mean_power(front_end, targets):
    power = front_end.power(front_end.stft(noise(60)))
    assert torch.allclose(
        targets.background(power) / power.mean(-1, keepdim=True), torch.ones(()), atol=0.25
    )


def test_the_bins_of_a_tone_burst_belong_to_it(front_end, targets):
    shares = targets(*powers(front_end, noise() + burst(1000, 1, 2), torch.zeros(1, 4 * RATE)))
    band = band_of(front_end, 1000)
    frames = torch.arange(shares.first.shape[-1]) * CONFIG.hop_size / RATE
    inside = (frames > 1.1) & (frames < 1.9)
    outside = (frames < 0.9) | (frames > 2.1)
    assert shares.first[0, band, inside].min() > 0.99
    assert shares.first[0, :, outside].mean() < 0.1


def test_two_bursts_of_two_recordings_get_their_shares(front_end, targets):
    """Both are at the same time in the same band; one is 6 dB louder and has 4/5 of the energy."""
    first = burst(1000, 1, 2)
    second = burst(1000, 1, 2, amplitude=0.25)
    shares = targets(
        *powers(front_end, noise(level=1e-4) + first, noise(level=1e-4, seed=1) + second)
    )
    band = band_of(front_end, 1000)
    middle = round(1.5 * RATE / CONFIG.hop_size)
    assert shares.first[0, band, middle].item() == pytest.approx(0.8, abs=0.01)
    assert shares.second[0, band, middle].item() == pytest.approx(0.2, abs=0.01)


def test_exchanging_the_recordings_exchanges_their_shares(front_end, targets):
    first, second, total = powers(
        front_end, noise() + burst(1000, 1, 2), noise(seed=1) + burst(2000, 2, 3)
    )
    shares = targets(first, second, total)
    exchanged = targets(second, first, total)
    assert torch.allclose(shares.first, exchanged.second, atol=1e-6)
    assert torch.allclose(shares.background, exchanged.background, atol=1e-6)


def test_silence_has_finite_shares(targets):
    silence = torch.zeros(1, 24, 10)
    shares = targets(silence, silence, silence)
    assert all(torch.isfinite(part).all() for part in shares[:4])
    assert torch.equal(shares.background, torch.ones(1, 24, 10))


def test_padding_does_not_count_and_changes_no_share(front_end, targets):
    recordings = noise() + burst(1000, 1, 2), noise(seed=1) + burst(2000, 2, 3)
    alone = targets(*powers(front_end, *recordings))
    padded = [torch.nn.functional.pad(recording, (0, 3 * RATE)) for recording in recordings]
    n_frames = CONFIG.n_frames(4 * RATE)
    together = targets(*powers(front_end, *padded), torch.tensor([n_frames]))
    for name in ("first", "second", "background"):
        assert torch.allclose(
            getattr(together, name)[..., :n_frames], getattr(alone, name), atol=1e-5
        )
    assert not together.weights[..., n_frames:].any()
    assert (together.weights[..., :n_frames] > 0).all()


def test_loud_bins_count_more(front_end, targets):
    shares = targets(*powers(front_end, noise() + burst(1000, 1, 2), torch.zeros(1, 4 * RATE)))
    band = band_of(front_end, 1000)
    middle = round(1.5 * RATE / CONFIG.hop_size)
    assert shares.weights[0, band, middle] > 3 * shares.weights.median()


def test_shares_are_made_on_the_device_of_the_front_end(front_end, targets):
    assert dict(targets.named_buffers())["mean_over_quantile"].shape == (24, 1)
    assert not targets.state_dict()


# One bin; three classes: the first recording holds classes 0 and 1, the second class 2.
FIRST = torch.tensor([[1.0, 1.0, 0.0]])
SECOND = torch.tensor([[0.0, 0.0, 1.0]])


def shares_of(first, second, background):
    bins = [torch.full((1, 1, 1), value) for value in (first, second, background)]
    return Shares(*bins, torch.ones(1, 1, 1))


def loss_of(masks, shares, labels_first=FIRST, labels_second=SECOND):
    """Compute the loss of one bin from masks (K + 1,), with the background last."""
    masks = torch.as_tensor(masks)
    return share_loss(
        masks[:-1].reshape(1, -1, 1, 1),
        masks[-1].log().reshape(1, 1, 1),
        shares,
        labels_first,
        labels_second,
    )


def test_the_loss_is_smallest_at_the_true_shares():
    shares = shares_of(0.5, 0.3, 0.2)
    best = loss_of([0.25, 0.25, 0.3, 0.2], shares)
    for masks in (
        [0.3, 0.3, 0.2, 0.2],
        [0.2, 0.2, 0.4, 0.2],
        [0.2, 0.2, 0.3, 0.3],
        [0.05, 0.05, 0.8, 0.1],
    ):
        assert loss_of(masks, shares) > best


def test_descending_the_loss_ends_at_the_true_shares():
    logits = torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        loss_of(logits.softmax(0), shares_of(0.5, 0.3, 0.2)).backward()
        optimizer.step()
    masks = logits.softmax(0).detach()
    assert masks[0] + masks[1] == pytest.approx(0.5, abs=0.01)
    assert masks[2] == pytest.approx(0.3, abs=0.01)
    assert masks[3] == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 1.0])
def test_how_classes_of_one_recording_divide_its_events_stays_open(part):
    shares = shares_of(0.5, 0.3, 0.2)
    even = loss_of([0.25, 0.25, 0.3, 0.2], shares)
    assert loss_of([0.5 * part, 0.5 * (1 - part), 0.3, 0.2], shares).item() == pytest.approx(
        even.item(), abs=1e-6
    )


def test_masks_of_absent_classes_are_pushed_down():
    logits = torch.zeros(4, requires_grad=True)
    loss_of(logits.softmax(0), shares_of(0.6, 0.0, 0.4), labels_second=torch.zeros(1, 3)).backward()
    assert logits.grad[2] > 0  # a gradient step lowers the class that neither recording contains
    assert logits.grad[3] < 0


def test_a_class_of_both_recordings_may_hold_both_shares():
    labels = torch.tensor([[1.0, 0.0, 0.0]])
    shares = shares_of(0.5, 0.3, 0.2)
    common = loss_of([0.8, 0.0, 0.0, 0.2], shares, labels, labels)
    assert common < loss_of([0.5, 0.3, 0.0, 0.2], shares, labels, labels)


def test_no_bin_costs_infinitely_much():
    loss = loss_of([0.0, 0.0, 0.0, 1.0], shares_of(0.7, 0.3, 0.0))
    assert 9 < loss < 9.3


def test_a_bin_without_weight_costs_nothing():
    shares = shares_of(0.7, 0.3, 0.0)._replace(weights=torch.zeros(1, 1, 1))
    assert loss_of([0.1, 0.1, 0.1, 0.7], shares) == 0
