"""Mixtures of the built-in recordings have the requested classes, and are made only once."""

import pytest

from absslab.core.common.errors import InputError
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import read_manifest
from absslab.core.data.synthetic import mixtures
from absslab.core.data.synthetic.mixtures import built_in_mixtures

SHORT = MixingConfig(length=0.5, sampling_rate=8000)


@pytest.fixture(autouse=True)
def _few_recordings(monkeypatch, event_folder):
    monkeypatch.setattr(mixtures, "cached_recordings", lambda n_takes: event_folder)


def test_chosen_classes_are_mixed_and_the_second_time_nothing_is_made(tmp_path):
    folder = built_in_mixtures(
        tmp_path / "set", n_files=10, classes=["knock", "speech"], mixing=SHORT
    )
    manifest = read_manifest(folder)
    assert manifest.classes == ["knock", "speech"]
    assert manifest.n_mixtures == {"train": 8, "validation": 1, "test": 1}
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.wav")}
    assert len(before) == 10
    built_in_mixtures(folder, n_files=10, classes=["knock", "speech"], mixing=SHORT)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.wav")} == before


def test_an_unknown_class_and_other_settings_are_refused(tmp_path):
    with pytest.raises(InputError, match="unknown class 'dog': expected one of alert"):
        built_in_mixtures(tmp_path / "set", n_files=10, classes=["dog"])
    built_in_mixtures(tmp_path / "set", n_files=10, classes=["knock"], mixing=SHORT)
    with pytest.raises(InputError, match="was made with n_files 10, not 20"):
        built_in_mixtures(tmp_path / "set", n_files=20, classes=["knock"], mixing=SHORT)
