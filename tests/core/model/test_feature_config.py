"""Settings of the features are checked, and give the sizes of the transform."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from absslab.core.audio.stft import STFT
from absslab.core.common.errors import InputError
from absslab.core.model.feature_config import FeatureConfig


@given(n_samples=st.integers(1, 5000))
@settings(deadline=None, max_examples=30)
def test_the_config_knows_how_many_frames_there_are(n_samples):
    config = FeatureConfig(window_length=0.008, hop_length=0.003)
    stft = STFT(window_size=config.window_size, hop_size=config.hop_size)
    assert stft(torch.zeros(n_samples)).shape == (
        config.n_bands if not config.is_mel else 65,
        config.n_frames(n_samples),
    )
    assert config.n_frames(torch.tensor([n_samples])).tolist() == [config.n_frames(n_samples)]


@pytest.mark.parametrize(
    "settings",
    [
        {"hop_length": 0.1},
        # A Hann window is zero at its ends, so samples between two frames would be lost.
        {"hop_length": 0.04, "window": "hann"},
        {"f_min": 9000.0},
        {"f_max": 9000.0},
        {"f_min": 500.0, "f_max": 400.0},
        {"window": "kaiser"},
        {"n_mels": 0},
        {"n_mels": 1_000_000},
        {"window_length": 1_000_000.0},  # would fill the memory
        {"window_length": 10.5},
        {"sampling_rate": 10},
        {"log_offset": 0.0},
    ],
)
def test_settings_that_make_no_picture_are_refused_in_one_line(settings):
    with pytest.raises(InputError) as error:
        FeatureConfig(**settings)
    assert next(iter(settings)) in str(error.value)
    assert "\n" not in str(error.value)
