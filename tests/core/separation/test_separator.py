"""Separation loses and shifts nothing, and long recordings have no audible joins."""

from pathlib import Path

import numpy as np
import pytest
import torch

from absslab.core.audio.sound_files import resample
from absslab.core.common.errors import InputError
from absslab.core.data.audio_data_set import open_split
from absslab.core.data.layouts import DataConfig
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.separation import separator as separator_module
from absslab.core.separation.masks import SeparationConfig, shape_masks
from absslab.core.separation.segmentation import Segmentation, choose_segmentation
from absslab.core.separation.separator import Separator


@pytest.fixture(scope="module")
def separator(checkpoint) -> Separator:
    return Separator.from_checkpoint(str(checkpoint))


@pytest.fixture(scope="module")
def short_mixture(mixtures) -> np.ndarray:
    return open_split(DataConfig(data_folder=str(mixtures)), "test", sampling_rate=16000)[0].numpy()


def noise(n: int, *shape: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((*shape, n))).astype(np.float32)


def in_one_segment(monkeypatch) -> None:
    def choose(*, sampling_rate, hop, **_):
        return Segmentation(4 * sampling_rate, 60 * sampling_rate, hop * sampling_rate)

    monkeypatch.setattr(separator_module, "choose_segmentation", choose)


@pytest.mark.parametrize("n", [1, 100, 1023, 1024, 16000, 33333])
@pytest.mark.parametrize("sampling_rate", [8000, 16000, 44100])
def test_sources_and_residual_are_the_input_and_as_long(separator, n, sampling_rate):
    waveform = noise(n)
    separated = separator.separate(waveform, sampling_rate)
    assert separated.sources.shape == (4, n)
    np.testing.assert_allclose(separated.sources.sum(0) + separated.residual, waveform, atol=1e-6)


def test_channels_are_separated_with_the_same_masks(separator, short_mixture):
    left = short_mixture
    stereo = np.stack([left, -0.5 * left])
    separated = separator.separate(stereo, 16000)
    assert separated.sources.shape == (4, 2, len(left))
    np.testing.assert_allclose(separated.sources[:, 1], -0.5 * separated.sources[:, 0], atol=1e-6)


def test_where_masks_are_1_the_source_is_the_input(separator, short_mixture):
    class AllSpeech(Separator):
        def postprocess(self, predicted, tags=None, found=None):
            masks = torch.zeros_like(predicted.masks).index_fill_(0, torch.tensor(3), 1.0)
            return predicted._replace(masks=masks)

    everything = AllSpeech(separator.model).separate(short_mixture, 16000)
    difference = everything.residual - everything.residual.mean()  # no filter covers DC and Nyquist
    assert np.sum(difference**2) < 1e-3 * np.sum(short_mixture**2)
    assert np.abs(everything.sources[:3]).max() == 0


@pytest.mark.parametrize("sampling_rate", [16000, 44100])
@pytest.mark.reference_flaw("the last incomplete piece of a recording was not separated")
def test_a_long_recording_is_separated_as_if_it_were_one_piece(
    checkpoint, monkeypatch, short_mixture, sampling_rate
):
    model = load_checkpoint(checkpoint).model
    waveform = resample(np.tile(short_mixture, 16), 16000, sampling_rate)  # 32 s
    separator = Separator(model)
    in_pieces = separator.separate(waveform, sampling_rate)
    in_one_segment(monkeypatch)
    in_one = separator.separate(waveform, sampling_rate)
    error = in_pieces.sources - in_one.sources
    # The recurrent layer gets other contexts.
    assert 10 * np.log10(np.sum(error**2) / np.sum(in_one.sources**2)) < -15
    edges = [
        round(k * 19.968 * sampling_rate + x * sampling_rate)
        for k in (1,)
        for x in (0, 1.024, 3.072, 4.096)
    ]
    typical = np.abs(np.diff(in_one.sources)).max()
    for edge in edges:
        assert np.abs(np.diff(in_pieces.sources[:, edge - 2 : edge + 2])).max() <= typical


class Fixed(Separator):
    """Masks that depend only on the frame: the louder half of its bands is speech."""

    def postprocess(self, predicted, tags=None, found=None):
        power = predicted.power  # (M, T)
        masks = torch.zeros(4, *power.shape)
        masks[3] = (power > power.median(0).values).float()
        return predicted._replace(masks=masks)


@pytest.mark.parametrize(("sampling_rate", "error"), [(16000, 1e-6), (44100, 2e-3)])
def test_where_masks_need_no_context_pieces_and_the_whole_are_the_same(
    separator, monkeypatch, short_mixture, sampling_rate, error
):
    waveform = resample(np.tile(short_mixture, 25), 16000, sampling_rate)  # 50 s, three segments
    fixed = Fixed(separator.model)
    in_pieces = fixed.separate(waveform, sampling_rate).sources[3]
    in_one_segment(monkeypatch)
    in_one = fixed.separate(waveform, sampling_rate).sources[3]
    assert np.abs(in_one).max() > 0.1
    inside = slice(sampling_rate, -sampling_rate)
    assert np.mean((in_pieces - in_one)[inside] ** 2) <= error * np.mean(in_one**2)


@pytest.mark.parametrize(
    "waveform",
    [np.zeros(0, np.float32), np.zeros((1, 2, 3)), np.full(100, np.nan), np.zeros(100, np.int16)],
)
def test_what_is_no_waveform_is_refused(separator, waveform):
    with pytest.raises(InputError):
        separator.separate(waveform, 16000)


def test_double_precision_is_taken_as_well(separator, short_mixture):
    assert separator.separate(short_mixture.astype(np.float64), 16000).sources.dtype == np.float32


def test_a_model_can_be_trained_on_after_it_has_separated(checkpoint, short_mixture):
    separator = Separator.from_checkpoint(str(checkpoint))
    separator.separate(short_mixture, 16000)
    separator.model.train()
    separator.model(torch.from_numpy(short_mixture)[None]).probabilities.sum().backward()
    assert separator.model.mask_net.to_masks.weight.grad is not None


def test_blocks_of_any_length_give_the_same(separator, short_mixture):
    waveform = np.tile(short_mixture, 16)[None]
    in_one_block = np.concatenate(
        [part.sources for part in separator.stream([waveform], 16000, waveform.shape[1])], -1
    )
    blocks = np.array_split(waveform, [7, 5000, 5001, 300_000], axis=1)
    in_blocks = np.concatenate(
        [part.sources for part in separator.stream(blocks, 16000, waveform.shape[1])], -1
    )
    np.testing.assert_array_equal(in_one_block, in_blocks)


def test_memory_is_bounded_by_segments_that_shrink_with_the_number_of_channels(separator):
    options = {"n_classes": len(separator.classes), "hop": separator.hop}
    mono = choose_segmentation(sampling_rate=16000, n_channels=1, **options)
    assert mono.advance == round(19.968 * 16000)
    many = choose_segmentation(sampling_rate=192000, n_channels=64, **options)
    assert many.advance < mono.advance * 12
    assert many.advance >= many.overlap


@pytest.mark.parametrize("n_segments", [1, 2, 3])
def test_masks_have_a_value_per_band_and_frame_whatever_the_length(separator, n_segments):
    n = round((n_segments - 0.5) * 20 * 16000)
    separated = separator.separate(noise(n), 16000)
    config = separator.model.front_end.config
    assert separated.masks.shape == (4, config.n_mels, config.n_frames(n))
    assert separated.power.shape == separated.masks.shape[1:]
    parts = list(separator.stream([noise(n)[None]], 16000, n, with_sources=False))
    assert all(part.sources.shape[0] == 0 for part in parts)
    np.testing.assert_array_equal(
        np.concatenate([part.masks for part in parts], -1), separated.masks
    )


def test_a_checkpoint_is_enough(checkpoint):
    separator = Separator.from_checkpoint(str(checkpoint), config=SeparationConfig(smoothing=0))
    assert separator.classes == ["alert", "knock", "pageturn", "speech"]
    assert separator.hop == pytest.approx(0.032)
    assert Path(checkpoint).exists()


def test_the_power_of_a_long_recording_has_no_seams(separator):
    waveform = noise(50 * 16000)
    front_end = separator.model.front_end
    with torch.no_grad():
        expected = front_end.power(front_end.stft(torch.from_numpy(waveform)[None]))[
            0
        ].numpy()  # (M, T)
    np.testing.assert_allclose(
        separator.separate(waveform, 16000).power, expected, rtol=1e-3, atol=1e-7 * expected.max()
    )


@pytest.mark.parametrize(
    "config",
    [
        SeparationConfig(mask_power=3, mask_threshold=0.05),
        SeparationConfig(mask_power=0),
        SeparationConfig(wiener=2, mask_floor=0.1),
        SeparationConfig(mask_threshold=1),
    ],
)
def test_however_masks_are_shaped_nothing_is_lost(separator, short_mixture, config):
    plain, separated = (
        Separator(separator.model, choice).separate(short_mixture, 16000)
        for choice in (SeparationConfig(), config)
    )
    np.testing.assert_allclose(
        separated.sources.sum(0) + separated.residual, short_mixture, atol=1e-6
    )
    shaped = shape_masks(torch.from_numpy(plain.masks), config).numpy()
    np.testing.assert_allclose(separated.masks, shaped, atol=1e-6)


@pytest.mark.parametrize(
    "rate", [0, -1, None, np.nan, np.inf, 16000.5, "16000", True, 16, 1, 2**31 - 1]
)
def test_a_rate_that_no_sound_has_is_refused_in_a_line(separator, rate):
    with pytest.raises(InputError, match=r"sampling_rate is .*: expected a whole number of Hz"):
        separator.separate(noise(1000), rate)


@pytest.mark.parametrize("rate", [100, 1000, 1_000_000, 10_000_000])
def test_the_lowest_and_highest_rates_are_separated(separator, rate):
    waveform = noise(3000)
    separation = separator.separate(waveform, float(rate))
    np.testing.assert_allclose(separation.sources.sum(0) + separation.residual, waveform, atol=1e-5)


def test_an_array_read_backwards_is_separated_as_its_copy(separator):
    for waveform in (noise(2000)[::-1], noise(4000, 2)[::-1, ::-2]):
        expected = separator.separate(np.ascontiguousarray(waveform), 16000)
        np.testing.assert_array_equal(separator.separate(waveform, 16000).sources, expected.sources)


@pytest.mark.parametrize("value", [3.4e38, 1e300, np.nan, np.inf])
def test_an_array_with_a_sample_that_no_sound_has_is_refused(separator, value):
    waveform = noise(2000).astype(np.float64)
    waveform[7] = value
    with pytest.raises(InputError, match="the waveform"):
        separator.separate(waveform, 16000)


def test_a_model_whose_weights_are_nan_separates_nothing(checkpoint, tmp_path):
    content = torch.load(checkpoint, weights_only=True)
    name = next(name for name in content["weights"] if name.startswith("mask_net."))
    content["weights"][name][0] = np.nan
    torch.save(content, tmp_path / "nan.ckpt")
    with pytest.raises(InputError, match=r"nan\.ckpt can't be used: its weights hold NaN"):
        load_checkpoint(tmp_path / "nan.ckpt")
    model = load_checkpoint(checkpoint).model
    with torch.no_grad():
        next(model.mask_net.parameters()).fill_(np.nan)
    with pytest.raises(InputError, match=r"the model gives no numbers \(NaN\)"):
        Separator(model).separate(noise(20000), 16000)
