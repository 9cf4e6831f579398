"""With valid borders, the network sees only frames that lie within the recording."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from absslab.core.model.border_frames import SeenFrames, extend_to_borders, find_seen_frames
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.separation_model import build_model

from .small_models import CLASSES, FEATURES, PRESENCE, UNET, VGG, waveforms

VALID = FeatureConfig(borders="valid")


@given(
    n_samples=st.integers(1, 5000),
    window=st.integers(2, 300),
    hop_share=st.floats(0.05, 1),
)
def test_the_windows_of_seen_frames_lie_within_the_recording(n_samples, window, hop_share):
    hop = max(1, int(window * hop_share))
    config = FeatureConfig(
        sampling_rate=1000, window_length=window / 1000, hop_length=hop / 1000, borders="valid"
    )
    n_frames = config.n_frames(n_samples)
    seen = find_seen_frames(config, n_frames, n_samples)
    starts = [frame * hop - window // 2 for frame in range(n_frames)]
    inside = [f for f, start in enumerate(starts) if 0 <= start <= n_samples - window]
    assert 0 <= seen.first < seen.stop <= n_frames
    if inside:
        assert list(range(seen.first, seen.stop)) == inside
    else:
        assert seen.n_frames == 1


def test_of_unknown_lengths_the_shortest_is_assumed():
    config = VALID
    for n_samples in (159_745, 160_000, 160_255):
        seen = find_seen_frames(config, config.n_frames(n_samples), None)
        assert seen == (1, 312, None)
    assert find_seen_frames(config, 314, 160_256) == (1, 313, None)


def test_padded_recordings_have_their_own_last_frame():
    lengths = torch.tensor([160_000, 80_000, 100])
    seen = find_seen_frames(VALID, 314, lengths)
    assert (seen.first, seen.stop) == (1, 312)
    assert seen.counts.tolist() == [311, 155, 1]


def test_first_and_last_frames_are_repeated():
    values = torch.arange(6.0).reshape(2, 1, 3)
    seen = SeenFrames(1, 4, None)
    assert extend_to_borders(values, seen, 6)[0, 0].tolist() == [0, 0, 1, 2, 2, 2]
    seen = SeenFrames(1, 4, torch.tensor([3, 1]))
    extended = extend_to_borders(values, seen, 6)[:, 0].tolist()
    assert extended == [[0, 0, 1, 2, 2, 2], [3, 3, 3, 3, 3, 3]]


@pytest.mark.parametrize("configs", [VGG, UNET, PRESENCE], ids=["VGG", "U-Net", "presence"])
def test_what_is_beyond_a_recording_does_not_change_its_masks(configs):
    """The zeros of the padding are only in frames that are not seen."""
    configs = replace(configs, features=replace(FEATURES, borders="valid"))
    torch.manual_seed(0)
    model = build_model(configs, CLASSES).eval()
    features = torch.randn(1, 1, 16, FEATURES.n_frames(4000))
    seen = find_seen_frames(model.front_end.config, features.shape[-1], 4000)
    other = features.clone()
    other[..., : seen.first] += 1
    other[..., seen.stop :] += 1
    a = model.predict_from_features(features, 4000)
    b = model.predict_from_features(other, 4000)
    assert torch.equal(a.masks, b.masks)
    assert torch.equal(a.probabilities, b.probabilities)
    assert a.masks.shape[-1] == features.shape[-1]
    assert torch.equal(a.masks[..., seen.stop - 1], a.masks[..., -1])
    if a.presence is not None:
        assert a.presence.shape[-1] == features.shape[-1]


def test_recordings_of_a_padded_batch_are_predicted_as_alone():
    configs = replace(VGG, features=replace(FEATURES, borders="valid"))
    configs = replace(configs, mask_net=replace(configs.mask_net, kernel_sizes=(1,)))
    model = build_model(configs, CLASSES).eval()
    recording = waveforms(1, 3000)
    alone = model(recording)
    padded = torch.nn.functional.pad(recording, (0, 2500))
    together = model(torch.cat([padded, waveforms(1, 5500)]), torch.tensor([3000, 5500]))
    assert torch.allclose(together.probabilities[:1], alone.probabilities, atol=1e-5)
    n_frames = alone.masks.shape[-1]
    assert torch.allclose(together.masks[:1, ..., :n_frames], alone.masks, atol=1e-5)
