"""Sources are synthesised on one device, with all that is needed for it."""

import numpy as np
import pytest
import torch

from absslab.core.audio.stft import scale_spectra
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.separation.synthesis import build_mask_synthesis


@pytest.mark.parametrize("sampling_rate", [16000, 44100])
@pytest.mark.reference_flaw("masks were on one device, and the filters that expand them on another")
def test_filters_are_on_the_device_of_the_masks(sampling_rate):
    """The device `meta`, which computes shapes alone, is another one than the CPU everywhere."""
    device = torch.device("meta")
    synthesis = build_mask_synthesis(FeatureConfig(), sampling_rate, device)
    filters = [*synthesis.expander.buffers(), *synthesis.stft.buffers()]
    assert len(filters) >= 2
    assert {values.device for values in filters} == {device}
    spectrum = synthesis.spectrum(np.zeros((1, sampling_rate), np.float32))  # (1, F, T)
    masks = torch.rand(3, 64, FeatureConfig().n_frames(16000), device=device)  # of one second
    linear = synthesis.expander(masks, spectrum.shape[-1])  # (3, F, T)
    sources = synthesis.stft.inverse(scale_spectra(spectrum, linear), sampling_rate)
    assert sources.device == device
    assert sources.shape == (3, sampling_rate)
