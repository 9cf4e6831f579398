"""The feature store holds the same features as computed ones, and only for its settings."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end
from absslab.core.data.audio_data_set import build_data_set
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.training import feature_store
from absslab.core.training.augmentation import AugmentationConfig
from absslab.core.training.experiment import Experiment
from absslab.core.training.feature_store import FeatureStore, open_store, store_fingerprint

RATE = 8000
CONFIG = FeatureConfig(sampling_rate=RATE, n_mels=8)


def recordings(folder, lengths=(4000, 1000, 2500)):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    items = []
    for index, n in enumerate(lengths):
        soundfile.write(folder / f"{index}.wav", 0.1 * rng.standard_normal(n), RATE)
        items.append(
            LabelledRecording(str(folder / f"{index}.wav"), frozenset({"dog"}), str(index))
        )
    return build_data_set(items, ["dog"], RATE)


@pytest.fixture
def data_set(tmp_path):
    return recordings(tmp_path / "audio")


def test_what_is_stored_is_what_the_front_end_computes_for_recordings_of_any_lengths(
    tmp_path, data_set
):
    front_end = FrontEnd(CONFIG)
    store = open_store(tmp_path / "store", data_set, front_end)
    assert len(store) == len(data_set)
    for index, n_samples in enumerate(data_set.lengths):
        picture = front_end.features(front_end.stft(data_set[index][None]))[0]
        assert store[index].shape == (1, 8, CONFIG.n_frames(n_samples))
        assert torch.equal(store[index], picture)


def test_what_is_stored_is_not_normalised(tmp_path, data_set):
    fitted = FrontEnd(CONFIG)
    spectra = fitted.stft(data_set[0][None])
    fitted.fit([fitted.features(spectra)])
    stored = open_store(tmp_path / "store", data_set, fitted)[0]
    assert torch.equal(stored, open_store(tmp_path / "other", data_set, FrontEnd(CONFIG))[0])
    assert torch.allclose(fitted.normalise(stored), fitted(spectra)[0], atol=1e-5)


def test_pieces_of_long_recordings_are_stored_one_by_one(tmp_path, data_set):
    cut = build_data_set(data_set.recordings, ["dog"], RATE, clip_length=0.2)
    store = open_store(tmp_path / "store", cut, FrontEnd(CONFIG))
    assert [store[index].shape[-1] for index in range(len(store))] == [
        CONFIG.n_frames(n) for n in cut.lengths
    ]
    assert store_fingerprint(cut, FrontEnd(CONFIG)) != store_fingerprint(data_set, FrontEnd(CONFIG))


def test_a_store_is_made_once(tmp_path, data_set, monkeypatch):
    open_store(tmp_path / "store", data_set, FrontEnd(CONFIG))
    monkeypatch.setattr(feature_store, "make_store", None)
    assert len(open_store(tmp_path / "store", data_set, FrontEnd(CONFIG))) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"window": "hann"},
        {"window_length": 0.032},
        {"hop_length": 0.016},
        {"feature_type": "mel"},
        {"n_mels": 9},
        {"f_min": 50.0},
        {"f_max": 3000.0},
        {"log_offset": 1e-5},
        {"mel_area": "slaney"},
        {"sampling_rate": 8001},
    ],
)
@pytest.mark.reference_flaw(
    "stored features were used with other settings than they were made with"
)
def test_any_setting_of_the_features_changes_the_fingerprint(data_set, change):
    changed = FrontEnd(replace(CONFIG, **{"f_max": 3999.0, **change}))
    assert store_fingerprint(data_set, changed) != store_fingerprint(
        data_set, FrontEnd(replace(CONFIG, f_max=3999.0))
    )


def test_normalisation_does_not_change_the_fingerprint(data_set):
    fingerprints = {
        store_fingerprint(data_set, FrontEnd(replace(CONFIG, **change)))
        for change in (
            {},
            {"normalisation": "scalar"},
            {"standardise": False},
            {"borders": "valid"},
        )
    }
    assert len(fingerprints) == 1


def test_every_setting_of_the_features_is_tested_above():
    named = {
        "window",
        "window_length",
        "hop_length",
        "feature_type",
        "n_mels",
        "f_min",
        "f_max",
        "log_offset",
        "mel_area",
        "sampling_rate",
    }
    # Stored features are not normalised yet, hold the frames of all borders, and with
    # feature_type pcen are the magnitudes of which a model computes it.
    later = {name for name in CONFIG.to_json() if "pcen" in name}
    assert set(CONFIG.to_json()) == named | later | {"normalisation", "standardise", "borders"}


def test_models_with_other_pcen_read_the_same_stored_features(data_set):
    one = FeatureConfig(feature_type="pcen", pcen_s=0.04)
    other = FeatureConfig(feature_type="pcen", pcen_s=0.2, train_pcen=True)
    key = store_fingerprint(data_set, FrontEnd(one))
    assert store_fingerprint(data_set, FrontEnd(other)) == key
    assert store_fingerprint(data_set, FrontEnd(FeatureConfig(feature_type="mel"))) != key


def test_other_recordings_or_another_order_change_the_fingerprint(tmp_path, data_set):
    front_end = FrontEnd(CONFIG)
    before = store_fingerprint(data_set, front_end)
    fewer = build_data_set(data_set.recordings[:2], ["dog"], RATE)
    other_order = build_data_set(data_set.recordings[::-1], ["dog"], RATE)
    soundfile.write(data_set.path(1), np.zeros(1001), RATE)
    fingerprints = [
        before,
        *(
            store_fingerprint(recordings_set, front_end)
            for recordings_set in (fewer, other_order, data_set)
        ),
    ]
    assert len(set(fingerprints)) == 4


def test_a_recording_that_was_written_anew_changes_the_fingerprint(data_set):
    before = store_fingerprint(data_set, FrontEnd(CONFIG))
    os.utime(data_set.path(0), ns=(1, 1))
    assert store_fingerprint(data_set, FrontEnd(CONFIG)) != before


def stored(tmp_path, data_set):
    open_store(tmp_path / "store", data_set, FrontEnd(CONFIG)).file.close()
    (path,) = (tmp_path / "store").iterdir()
    return path


def refusal_of(path, expected, data_set=None):
    with pytest.raises(InputError) as error:
        FeatureStore.open(path, data_set, expected)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert "remove it, then it will be made again" in str(error.value)
    return str(error.value)


def test_features_made_with_other_settings_are_refused(tmp_path, data_set):
    path = stored(tmp_path, data_set)
    assert "other settings or recordings" in refusal_of(path, "0" * 16)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"features, as a text",
        b"{}\n",
        b"[]\n",
        b"\x89HDF\r\n\x1a\n",
        b'{"edges": [1e999]}\n',
        None,
    ],
)
def test_a_damaged_store_is_refused(tmp_path, data_set, content):
    path = stored(tmp_path, data_set)
    undamaged = path.read_bytes()
    path.write_bytes(undamaged[: len(undamaged) // 2] if content is None else content)
    assert "is not a feature store" in refusal_of(
        path, store_fingerprint(data_set, FrontEnd(CONFIG))
    )


@pytest.mark.reference_flaw("features in the working directory were used unasked")
def test_stored_features_are_used_only_where_they_are_asked_for(new_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = replace(
        new_run,
        augmentation=AugmentationConfig(),
        training=replace(new_run.training, share_weight=0.0),
    )
    stored = replace(plain, data=replace(plain.data, feature_store="."))
    run_to_end(Experiment(stored).prepare())
    paths = list(tmp_path.glob("features-*.bin"))
    assert len(paths) == 2
    for path in paths:
        path.write_bytes(b"")
    assert run_to_end(Experiment(plain).prepare()).validate().metrics["loss"] > 0
    with pytest.raises(InputError, match="is not a feature store"):
        run_to_end(Experiment(stored).prepare())


def test_a_store_that_may_not_be_read_is_not_called_damaged(tmp_path, data_set, monkeypatch):
    path = stored(tmp_path, data_set)

    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError):
        FeatureStore.open(path, data_set, "")


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, data_set, full_disk):
    with full_disk(500), pytest.raises(OSError) as error:
        open_store(tmp_path / "store", data_set, FrontEnd(CONFIG))
    assert "features-" in error.value.filename
    assert os.listdir(tmp_path / "store") == []


FULL_DISK = """
mount -t tmpfs -o size=40k tmpfs $2 || exit 77
cd $1
exec $3 -c '
import sys
from absslab.core.data.audio_data_set import build_data_set
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.training.feature_store import open_store
recordings = [LabelledRecording("long.wav", frozenset({"a"}), "train")] * 8
data_set = build_data_set(recordings, ["a"], 8000, in_memory=False)
try:
    open_store(sys.argv[1], data_set, FrontEnd(FeatureConfig(sampling_rate=8000, n_mels=64)))
except OSError as error:
    print(error.strerror)' $2
"""


def test_a_disk_that_is_really_full_is_an_error_and_leaves_nothing(tmp_path):
    """A file that is mapped into memory would end the process there."""
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare")
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "long.wav", 0.1 * rng.standard_normal(16000), 8000)
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", FULL_DISK, "", tmp_path, tmp_path / "disk", sys.executable],
        capture_output=True,
        text=True,
        timeout=200,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"mounting is not allowed: {done.stderr}")
    assert (done.returncode, done.stdout) == (0, "No space left on device\n"), done.stderr


def test_a_store_cut_while_it_is_written_leaves_nothing(tmp_path, data_set, monkeypatch):
    computed = []

    def cut(*_):
        if computed:
            raise KeyboardInterrupt
        computed.append(np.zeros((1, 8, CONFIG.n_frames(4000)), np.float32))
        return computed[0]

    with monkeypatch.context() as patch:
        patch.setattr(feature_store, "_compute_features", cut)
        with pytest.raises(KeyboardInterrupt):
            open_store(tmp_path / "store", data_set, FrontEnd(CONFIG))
    assert os.listdir(tmp_path / "store") == []
    assert len(open_store(tmp_path / "store", data_set, FrontEnd(CONFIG))) == 3


def test_batches_are_those_of_the_waveforms_with_no_recording_decoded_again(
    tmp_path, data_set, monkeypatch
):
    front_end = FrontEnd(CONFIG)
    store = open_store(tmp_path / "store", data_set, front_end)
    by_waveform = list(data_set.batches(2, rng=np.random.default_rng(3)))
    monkeypatch.setattr("absslab.core.audio.sound_files.load", None)
    groups = data_set.groups(2, rng=np.random.default_rng(3))
    stored_batches = list(store.batches_of(groups))
    assert len(stored_batches) == len(by_waveform)
    for features, waveforms in zip(stored_batches, by_waveform, strict=True):
        assert torch.equal(features.labels, waveforms.labels)
        for row, index in enumerate(waveforms.indices.tolist()):
            expected = store[index]
            torch.testing.assert_close(features.features[row, ..., : expected.shape[-1]], expected)
