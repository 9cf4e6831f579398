"""Masks are refined and shaped as computed by hand, and bins are never shared out twice."""

import pytest
import torch

from absslab.core.common.errors import InputError
from absslab.core.separation.masks import SeparationConfig, refine_masks, shape_masks


def test_refining_divides_what_classes_take_and_takes_no_more():
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(3, 8, 50, generator=generator) / 3
    power = torch.rand(8, 50, generator=generator)
    refined = refine_masks(
        masks, power, torch.tensor([0.9, 0.1, 0.5]), SeparationConfig(), hop=0.032
    )
    torch.testing.assert_close(refined.sum(0), masks.sum(0))
    assert (refined >= 0).all()
    unchanged = refine_masks(
        masks,
        power,
        torch.tensor([0.9, 0.1, 0.5]),
        SeparationConfig(smoothing=0, tag_exponent=0),
        hop=0.032,
    )
    torch.testing.assert_close(unchanged, masks)


def test_binary_masks_are_1_above_the_threshold():
    masks = torch.tensor([0.0, 0.2, 0.4, 0.5, 0.51, 1.0])[None, None]
    binary = shape_masks(masks, SeparationConfig(binary_masks=True))
    assert binary.flatten().tolist() == [0, 0, 0, 0, 1, 1]
    lower = shape_masks(masks, SeparationConfig(binary_masks=True, mask_threshold=0.2))
    assert lower.flatten().tolist() == [0, 0, 1, 1, 1, 1]
    floored = shape_masks(masks, SeparationConfig(binary_masks=True, mask_floor=0.25))
    assert floored.flatten().tolist() == [0.25] * 4 + [1, 1]


def test_a_class_that_is_not_in_the_recording_yields():
    masks = torch.full((2, 4, 20), 0.4)
    refined = refine_masks(
        masks,
        torch.ones(4, 20),
        torch.tensor([0.95, 0.01]),
        SeparationConfig(smoothing=0, tag_exponent=1),
        hop=0.032,
    )
    assert (refined[0] > 0.75).all()


def test_a_stray_bin_goes_to_the_class_that_sounds_around_it():
    masks = torch.zeros(2, 4, 60)
    masks[0] = 0.9
    masks[0, 2, 30] = 0.3
    masks[1, 2, 30] = 0.6
    refined = refine_masks(
        masks,
        torch.ones(4, 60),
        torch.tensor([0.5, 0.5]),
        SeparationConfig(smoothing=0.5, tag_exponent=0),
        hop=0.032,
    )
    assert refined[0, 2, 30] > 0.8


@pytest.mark.parametrize("smoothing", [3.3, 100.0, 1e18, 1.8e19])
def test_smoothing_beyond_the_recording_averages_all_of_it(smoothing):
    masks = random_masks()  # of 50 frames, 1.6 s
    power = torch.ones(8, 50)
    tags = torch.ones(3)
    config = SeparationConfig(smoothing=smoothing, tag_exponent=0)
    refined = refine_masks(masks, power, tags, config, hop=0.032)
    claims = masks * masks.sum(1).mean(1)[:, None, None]
    torch.testing.assert_close(refined, claims / claims.sum(0) * masks.sum(0))


def random_masks() -> torch.Tensor:
    """Make masks (3, 8, 50) that add up to at most 1."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(3, 8, 50, generator=generator) / 3


def test_with_its_defaults_shaping_leaves_the_masks_as_they_are():
    masks = random_masks()
    assert torch.equal(shape_masks(masks, SeparationConfig()), masks)


def test_masks_are_shaped_as_computed_by_hand():
    masks = torch.tensor([0.5, 0.1, 0.2])[:, None, None]  # the rest is 0.2
    for config, expected in (
        (SeparationConfig(mask_power=2), (0.25, 0.01, 0.04)),
        (SeparationConfig(mask_power=0), (1, 1, 1)),
        (SeparationConfig(mask_threshold=0.2), (0.5, 0, 0.2)),
        (SeparationConfig(wiener=1), (0.5, 0.1, 0.2)),
        (SeparationConfig(wiener=2), (25 / 34, 1 / 34, 4 / 34)),
        (SeparationConfig(mask_floor=0.1), (0.55, 0.19, 0.28)),
        (
            SeparationConfig(mask_power=2, mask_threshold=0.02, wiener=1, mask_floor=0.5),
            (0.625, 0.5, 0.52),
        ),
    ):
        shaped = shape_masks(masks, config).flatten()
        torch.testing.assert_close(shaped, torch.tensor(expected, dtype=torch.float32))
    assert masks.flatten().tolist() == pytest.approx([0.5, 0.1, 0.2])  # not modified


def test_masks_claiming_more_than_there_is_are_divided_and_none_is_lost_however_high_the_exponent():
    shaped = shape_masks(
        torch.tensor([0.9, 0.6, 0.0])[:, None, None], SeparationConfig(wiener=1)
    ).flatten()
    torch.testing.assert_close(shaped, torch.tensor([0.6, 0.4, 0.0]))
    for masks in (
        random_masks(),
        1e-20 * random_masks(),
        torch.zeros(3, 8, 50),
        torch.full((3, 8, 50), 0.34),
    ):
        shaped = shape_masks(masks, SeparationConfig(wiener=500))
        assert shaped.isfinite().all()
        assert (shaped.sum(0) <= 1 + 1e-6).all()
    torch.testing.assert_close(shaped, torch.full((3, 8, 50), 1 / 3))


@pytest.mark.parametrize(
    ("name", "value"),
    [("mask_power", -1), ("mask_threshold", 1.1), ("wiener", -0.1), ("mask_floor", 2)],
)
def test_settings_of_the_masks_have_limits(name, value):
    with pytest.raises(InputError, match=f"{name} is"):
        SeparationConfig(**{name: value})
