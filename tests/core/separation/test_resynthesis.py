"""A resynthesis with other settings uses the masks that were predicted first."""

import numpy as np
import pytest

from absslab.core.common.errors import InputError
from absslab.core.model.separation_model import build_model
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.resynthesis import Resynthesis
from absslab.core.separation.separator import Separator
from absslab.core.training.settings import Settings

CONFIGS = (
    SeparationConfig(),
    SeparationConfig(smoothing=0, tag_exponent=0),
    SeparationConfig(mask_power=2, mask_threshold=0.1, wiener=1.5, mask_floor=0.05),
    SeparationConfig(),  # the first settings again, after others
)

ARRAYS = ("sources", "residual", "probabilities", "masks", "power")


@pytest.fixture(scope="module")
def separator(checkpoint) -> Separator:
    return Separator.from_checkpoint(str(checkpoint))


@pytest.mark.parametrize(
    ("sampling_rate", "shape"),
    [
        (16000, (32000,)),
        (16000, (50 * 16000,)),
        (44100, (2, 30 * 44100)),
        (8000, (1, 30 * 8000)),
        (16000, (1,)),
    ],
)
def test_it_gives_what_separating_gives_whatever_the_settings(separator, sampling_rate, shape):
    waveform = (0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)
    given = waveform.copy()
    resynthesis = Resynthesis.prepare(separator, waveform, sampling_rate)
    for config in CONFIGS:
        again = resynthesis.separate(config)
        expected = Separator(separator.model, config).separate(waveform, sampling_rate)
        for name in ARRAYS:
            np.testing.assert_allclose(
                getattr(again, name), getattr(expected, name), atol=1e-6, err_msg=name
            )
    np.testing.assert_array_equal(waveform, given)


def test_segments_that_overlap_leave_what_was_predicted_as_it_is(small_model):
    """Independent masks that nothing is done to are those that were predicted, and not a copy."""
    settings = Settings.from_flags({**small_model, "masks": "independent", "data_folder": "none"})
    config = SeparationConfig(smoothing=0, tag_exponent=0)
    own = Separator(build_model(settings.models, ["a", "b"]).eval(), config)
    waveform = 0.1 * np.random.default_rng(0).standard_normal(50 * 16000).astype(np.float32)
    resynthesis = Resynthesis.prepare(own, waveform, 16000)
    first, second = (resynthesis.separate(config) for _ in range(2))
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def test_the_model_is_asked_once(separator, monkeypatch):
    lengths = []
    predict = Separator.predict
    monkeypatch.setattr(
        Separator,
        "predict",
        lambda self, waveform: lengths.append(len(waveform)) or predict(self, waveform),
    )
    resynthesis = Resynthesis.prepare(separator, np.full(32000, 0.1, np.float32), 16000)
    for config in CONFIGS:
        resynthesis.separate(config)
    assert lengths == [32000]


def test_what_came_out_can_be_changed_without_changing_what_comes_next(separator):
    resynthesis = Resynthesis.prepare(separator, np.full(32000, 0.1, np.float32), 16000)
    first = resynthesis.separate(SeparationConfig(smoothing=0, tag_exponent=0))
    expected = {name: getattr(first, name).copy() for name in ARRAYS}
    for name in ARRAYS:
        getattr(first, name)[:] = 7
    again = resynthesis.separate(SeparationConfig(smoothing=0, tag_exponent=0))
    for name, before in expected.items():
        np.testing.assert_array_equal(getattr(again, name), before)


def test_what_is_no_waveform_is_refused(separator):
    for waveform in (np.zeros(0, np.float32), np.full(100, np.nan), np.zeros((1, 2, 3))):
        with pytest.raises(InputError):
            Resynthesis.prepare(separator, waveform, 16000)
