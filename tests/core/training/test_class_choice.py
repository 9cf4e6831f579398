"""Of many classes, a step computes the masks of some, and estimates the losses of all from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from absslab.core.data.batches import Batch
from absslab.core.model.network_parts import ChosenClasses
from absslab.core.model.pooling import POOLINGS, find_pooling
from absslab.core.model.separation_model import build_model
from absslab.core.training.class_choice import build_class_choice
from absslab.core.training.feature_store import FeatureBatch
from absslab.core.training.idle_settings import find_idle_settings
from absslab.core.training.losses import TAG_LOSSES, ShareTargets, absent_mask_loss
from absslab.core.training.objective import Objective
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings

N_CLASSES = 60
RATE = 16000


def make_labels(*rows):
    labels = torch.zeros(len(rows), N_CLASSES)
    for row, present in zip(labels, rows, strict=True):
        row[list(present)] = 1
    return labels


def make_presence(likely=()):
    presence = torch.full((2, N_CLASSES, 5), -4.0)
    presence[1, list(likely), 3] = 4.0
    return presence


def choose(labels, n_absent, presence=None, seed=0):
    chooser = build_class_choice(labels, n_absent, np.random.default_rng(seed))
    return chooser(make_presence() if presence is None else presence, None)


def test_the_classes_of_a_batch_the_likeliest_and_some_of_the_others_are_chosen():
    labels = make_labels([3, 50], [7])
    labels[0, 20] = torch.nan  # not known to be absent
    indices, weights = choose(labels, 8, make_presence(likely=[3, 11, 12, 40, 59]))
    assert len(indices) == 4 + 8
    assert len(set(indices.tolist())) == len(indices)
    assert indices[:8].tolist() == [3, 7, 11, 12, 20, 40, 50, 59]
    assert weights[:8].tolist() == [1] * 8
    assert weights[8:].tolist() == [(N_CLASSES - 8) / 4] * 4
    assert float(weights.sum()) == N_CLASSES


def test_frames_of_padding_make_no_class_likely():
    presence = make_presence(likely=[11, 12])  # in frame 3 of the second recording
    presence[0, [40, 41], 4] = 2.0
    chooser = build_class_choice(make_labels([3], [7]), 4, np.random.default_rng(0))
    assert chooser(presence, torch.tensor([5, 3])).indices[:4].tolist() == [3, 7, 40, 41]


def test_each_of_the_others_is_drawn_equally_often():
    labels = make_labels([0, 1], [1, 2])
    counts = torch.zeros(N_CLASSES)
    for seed in range(600):
        indices, _ = choose(labels, 4, make_presence(likely=[3, 4]), seed)
        counts[indices] += 1
    assert (counts[:5] == 600).all()
    expected = 600 * 2 / (N_CLASSES - 5)  # 22, with a deviation of 5
    assert counts[5:].min() > expected - 5 * 4.6
    assert counts[5:].max() < expected + 5 * 4.6


def test_one_absent_class_is_drawn_alone():
    indices, weights = choose(make_labels([0], [1]), 1)
    assert indices[:2].tolist() == [0, 1]
    assert weights.tolist() == [1, 1, N_CLASSES - 2]


@pytest.mark.parametrize(("n_present", "n_absent"), [(1, 0), (20, 40), (30, 32), (60, 1)])
def test_all_classes_have_masks_where_no_fewer_would_do(n_present, n_absent):
    labels = make_labels(range(n_present))
    assert build_class_choice(labels, n_absent, np.random.default_rng(0)) is None


@pytest.fixture
def model():
    flags = {"data_folder": "none", "presence_channels": (4, 8, 8), "presence_context": 8}
    settings = Settings.from_flags(apply_recipe(RECIPES["recommended"], flags))
    torch.manual_seed(0)
    model = build_model(settings.models, [f"class {k}" for k in range(N_CLASSES)]).eval()
    torch.nn.init.normal_(model.mask_net.to_presence.weight, 0, 0.3)  # classes differ
    torch.nn.init.normal_(model.mask_net.to_bins.weight, 0, 0.2)
    return model


def make_features(model, n=2):
    return model.front_end(model.front_end.stft(make_waveforms(n)))


def make_waveforms(n):
    return 0.1 * torch.randn(n, RATE, generator=torch.Generator().manual_seed(0))


def test_masks_of_all_classes_in_another_order_are_the_same_masks(model):
    features = make_features(model)
    order = torch.randperm(N_CLASSES, generator=torch.Generator().manual_seed(1))
    everything = model.predict_from_features(features)
    chosen = model.predict_from_features(
        features, choose=lambda *_: ChosenClasses(order, torch.ones(N_CLASSES))
    )
    for name in ("masks", "of_masks", "probabilities"):
        torch.testing.assert_close(getattr(chosen, name), getattr(everything, name)[:, order])
    for name in ("log_background", "presence"):
        torch.testing.assert_close(getattr(chosen, name), getattr(everything, name))


def test_a_class_that_stands_for_its_equals_leaves_masks_and_losses_as_they_are(model):
    # the last 30 classes are equal, so that 2 of them tell what all of them would
    network = model.mask_net
    with torch.no_grad():
        for weights in (network.to_presence.weight, network.to_presence.bias):
            weights[30:] = weights[30].clone()
        network.to_bins.weight.view(-1, 4, *network.to_bins.weight.shape[1:])[30:60] = (
            network.to_bins.weight[120:124].clone()
        )
        network.to_masks.bias[30:60] = network.to_masks.bias[30].clone()
    features = make_features(model)
    everything = model.predict_from_features(features)
    indices = torch.cat([torch.arange(30), torch.tensor([35, 50])])
    weights = torch.ones(32)
    weights[30:] = 15
    some = model.predict_from_features(features, choose=lambda *_: ChosenClasses(indices, weights))
    assert some.masks.shape[1] == 32
    torch.testing.assert_close(some.masks, everything.masks[:, indices])
    torch.testing.assert_close(some.log_background, everything.log_background)
    labels = make_labels([0, 4], [9])
    for loss in TAG_LOSSES.values():
        torch.testing.assert_close(
            loss(some.of_masks, labels[:, indices], weights), loss(everything.of_masks, labels)
        )
    torch.testing.assert_close(
        absent_mask_loss(some.masks, labels[:, indices], None, weights),
        absent_mask_loss(everything.masks, labels),
    )


def build_objective(model, n_absent):
    flags = {"data_folder": "none", "absent_classes": n_absent, "l1_weight": 0.2}
    settings = Settings.from_flags(apply_recipe(RECIPES["recommended"], flags))
    targets = ShareTargets(model.front_end)
    return Objective(settings.training, settings.augmentation, torch.float32, targets)


def unvaried(objective):
    """Return the objective without augmentation: nothing but the choice of classes is random."""
    augmentation = replace(objective.augmentation, pair_probability=0.0, roll=False)
    augmentation = replace(augmentation, gain_range=(0.0, 0.0), equaliser=0.0)
    return replace(objective, augmentation=augmentation)


def measure_gradient(model, objective, batch, seed):
    """Return losses, and the gradient of the last layers."""
    model.zero_grad(set_to_none=True)
    torch.manual_seed(0)
    losses = objective(model, batch, np.random.default_rng(seed)).losses
    losses["total"].backward()
    gradient = torch.cat([p.grad.flatten() for p in model.mask_net.parameters()])
    return {name: float(loss.detach()) for name, loss in losses.items()}, gradient


def test_losses_and_gradients_are_on_average_those_of_all_classes(model):
    batch = Batch(make_waveforms(4), None, make_labels([0], [1, 2], [3], [2]), torch.arange(4))
    everything, gradient = measure_gradient(model, unvaried(build_objective(model, 0)), batch, 0)
    objective = unvaried(build_objective(model, 12))
    drawn = [measure_gradient(model, objective, batch, seed) for seed in range(40)]
    for name, loss in everything.items():
        assert np.mean([losses[name] for losses, _ in drawn]) == pytest.approx(loss, rel=0.02)
    assert len({losses["tag"] for losses, _ in drawn}) > 1
    mean = torch.stack([drawn_gradient for _, drawn_gradient in drawn]).mean(0)
    assert torch.cosine_similarity(mean, gradient, 0) > 0.98


def test_a_batch_with_as_many_classes_as_there_are_is_trained_as_before(model):
    batch = Batch(make_waveforms(2), None, make_labels([0], range(N_CLASSES)), torch.arange(2))
    losses, gradient = measure_gradient(model, unvaried(build_objective(model, 32)), batch, 5)
    expected, expected_gradient = measure_gradient(
        model, unvaried(build_objective(model, 0)), batch, 5
    )
    assert losses == expected
    assert torch.equal(gradient, expected_gradient)


def test_a_training_with_few_classes_is_trained_and_varied_as_before(model):
    batch = Batch(make_waveforms(2), None, make_labels([0], [1]), torch.arange(2))
    losses, gradient = measure_gradient(model, build_objective(model, N_CLASSES), batch, 5)
    expected, expected_gradient = measure_gradient(model, build_objective(model, 0), batch, 5)
    assert losses == expected
    assert torch.equal(gradient, expected_gradient)


def test_a_validation_has_the_masks_of_all_classes(model):
    batch = Batch(make_waveforms(2), None, make_labels([0], [1]), torch.arange(2))
    assert build_objective(model, 8)(model, batch).probabilities.shape == (2, N_CLASSES)
    drawn = build_objective(model, 8)(model, batch, np.random.default_rng(0))
    assert drawn.probabilities.shape == (2, 2 + 8)


OTHERS = ["adaptive_GWRP", "auto_pool", "attention", "FC", "CNN_FC", "RNN_FC"]


@pytest.mark.parametrize(
    ("change", "can_choose"),
    [
        ({}, True),
        ({"masks": "independent"}, False),
        ({"model_type": "U_Net"}, False),
        ({"rescale": True}, False),
        *(({"pooling": name}, name not in OTHERS) for name in POOLINGS),
    ],
)
def test_only_masks_that_need_nothing_of_other_classes_can_be_chosen(change, can_choose):
    if find_pooling(change.get("pooling", "GAP")).has_fixed_size:
        change = {**change, "recording_frames": 100}
    given = {"data_folder": "none", "absent_classes": 5, **change}
    settings = Settings.from_flags(apply_recipe(RECIPES["recommended"], given))
    model = build_model(settings.models, ["a", "b", "c"])
    assert model.can_choose_classes is can_choose
    idle = find_idle_settings(settings, ["absent_classes"])
    assert bool(idle) is not can_choose


def test_stored_features_have_masks_of_some_classes_too(model):
    front_end = model.front_end
    features = front_end.features(front_end.stft(make_waveforms(2)))
    batch = FeatureBatch(features, None, make_labels([0], [1]), torch.arange(2), RATE)
    objective = replace(build_objective(model, 8), share_targets=None)
    assert objective(model, batch, np.random.default_rng(0)).probabilities.shape == (2, 2 + 8)
    assert objective(model, batch).probabilities.shape == (2, N_CLASSES)


def test_a_choice_works_in_reduced_precision(model):
    batch = Batch(make_waveforms(2), None, make_labels([0], [1]), torch.arange(2))
    exact = build_objective(model, 8)
    reduced = replace(exact, precision=torch.bfloat16)
    losses = [
        objective(model, batch, np.random.default_rng(0)).losses["total"].item()
        for objective in (exact, reduced)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
