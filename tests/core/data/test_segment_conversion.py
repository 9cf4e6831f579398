"""AudioSet segments of the thesis become sounds again, and no recording is in two splits."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from thesis_miniatures import (
    RATE,
    SEGMENT_CLASSES,
    change_arrays,
    make_segments,
    make_single_segments,
    segment_names,
)

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.audio_data_set import read_split
from absslab.core.data.layouts import DataConfig
from absslab.core.data.segment_conversion import SegmentsConfig, convert_segments


def convert(folder, output, **settings):
    return run_to_end(convert_segments(folder, output, SegmentsConfig(**settings)))


def refusal_of(folder, **settings):
    """Return the line with which a conversion is refused, after which nothing is there."""
    output = folder.parent / "converted"
    with pytest.raises(InputError) as error:
        convert(folder, output, **settings)
    assert "\n" not in str(error.value)
    assert list(folder.parent.iterdir()) == [folder]
    return str(error.value)


def config_of(folder):
    return DataConfig(data_set_type="weakly_labelled_folder", data_folder=str(folder))


def splits_of(folder):
    return {
        split: {
            Path(item.path).stem: item for item in read_split(config_of(folder), split).recordings
        }
        for split in ("train", "validation", "test")
    }


def test_packed_segments_become_their_sounds_with_labels_and_splits(tmp_path):
    sounds = make_segments(tmp_path / "segments")
    converted = convert(tmp_path / "segments", tmp_path / "out")
    assert converted == (24, SEGMENT_CLASSES, True)
    for name, samples in sounds.items():
        written, rate = soundfile.read(tmp_path / "out" / f"{name}.wav", dtype="float32")
        assert rate == RATE
        np.testing.assert_allclose(written, samples, atol=1e-5)
    splits = splits_of(tmp_path / "out")
    assert [len(part) for part in splits.values()] == [12, 6, 6]
    assert splits["train"]["Ya-000000000_30.000_1"].labels == {"dog"}
    assert splits["train"]["Ya-000000000_30.000_1"].origin == "youtube a-000000000"


@pytest.mark.parametrize("start", [0, 48])
def test_segments_in_files_of_their_own_become_their_sounds(tmp_path, start):
    sounds = make_single_segments(tmp_path / "segments", start=start)
    assert convert(tmp_path / "segments", tmp_path / "out") == (9, SEGMENT_CLASSES, True)
    for name, samples in sounds.items():
        written, _ = soundfile.read(tmp_path / "out" / f"{name}.wav", dtype="float32")
        assert len(written) == len(samples)
        np.testing.assert_allclose(written[2:-2], samples[2:-2], atol=1e-4)  # Hann begins at 0
    splits = splits_of(tmp_path / "out")
    for number, name in enumerate(segment_names(9, 1)):
        item = splits[("train", "validation", "test")[number // 3]][name]
        assert item.labels == {SEGMENT_CLASSES[number % 3]}


def scale_magnitudes(folder, factor, kind):
    """Multiply the magnitudes of single segments, and store them as another type."""
    for path in folder.glob("*.hdf5"):
        with h5py.File(path) as file:
            magnitudes = file["magnitude"][:]
        change_arrays(path, magnitude=np.round(magnitudes * factor).astype(kind))


def check_sounds(folder, sounds, level=1.0):
    for name, samples in sounds.items():
        written, _ = soundfile.read(folder / f"{name}.wav", dtype="float32")
        np.testing.assert_allclose(written[2:-2], level * samples[2:-2], atol=1e-3 * level)


def test_whole_numbers_are_divided_by_their_range(tmp_path):
    sounds = make_single_segments(tmp_path / "segments")
    scale_magnitudes(tmp_path / "segments", 2**31 / 256, "int32")
    with collect_notices() as notices:
        convert(tmp_path / "segments", tmp_path / "out")
    assert notices == []
    check_sounds(tmp_path / "out", sounds, 1 / 256)


def test_samples_beyond_full_scale_are_told_with_the_file_and_the_peak(tmp_path):
    sounds = make_single_segments(tmp_path / "segments")
    scale_magnitudes(tmp_path / "segments", 2**15, "float32")
    with collect_notices() as notices:
        convert(tmp_path / "segments", tmp_path / "out")
    (notice,) = notices
    peaks = {name: np.abs(samples[2:-2]).max() for name, samples in sounds.items()}
    assert "samples of 9 of 9 segments are outside of −1 to 1, up to " in str(notice)
    loudest = next(name for name in peaks if f" in {name} of " in str(notice))
    peak = float(str(notice).partition("up to ")[2].split()[0])
    assert peak == pytest.approx(2**15 * peaks[loudest], rel=0.01)
    assert loudest in notice.path.name
    assert str(notice).endswith("pass --full_scale, such as 32768 for 16 bits")
    check_sounds(tmp_path / "out", sounds, 2**15)


def test_full_scale_may_be_given(tmp_path):
    sounds = make_single_segments(tmp_path / "segments")
    scale_magnitudes(tmp_path / "segments", 2**15, "int32")
    with collect_notices() as notices:
        convert(tmp_path / "segments", tmp_path / "out", full_scale=2**15)
    assert notices == []
    check_sounds(tmp_path / "out", sounds)


def test_a_recording_on_both_sides_of_a_split_is_told_and_put_on_one(tmp_path):
    names = segment_names(12, 3)
    splits = {"train": names[0::3], "dev": names[1::3], "test": names[2::3]}
    make_segments(tmp_path / "segments", splits=splits)
    with collect_notices() as notices:
        converted = convert(tmp_path / "segments", tmp_path / "out")
    assert not converted.has_split
    assert "12 of 12 recordings have segments in several splits" in str(notices[0])
    drawn = splits_of(tmp_path / "out")
    origins = [{item.origin for item in part.values()} for part in drawn.values()]
    assert all(origins)
    assert sum(map(len, origins)) == len(set().union(*origins)) == 12


def test_flags_take_precedence_over_the_settings_in_the_folder(tmp_path):
    sounds = make_segments(tmp_path / "segments")
    path = tmp_path / "segments" / "config.json"
    config = json.loads(path.read_text()) | {"sampling_rate": 8000, "STFT_frame_width_ms": 128}
    path.write_text(json.dumps(config | {"STFT_frame_shift_ms": 64}))
    settings = {"sampling_rate": RATE, "window_length": 0.064, "hop_length": 0.032}
    with collect_notices() as notices:
        convert(tmp_path / "segments", tmp_path / "out", **settings, classes=("a", "b", "c"))
    assert len(notices) == 3
    assert "sampling_rate is 16000, as given; the settings in" in str(notices[0])
    name, samples = next(iter(sounds.items()))
    written, rate = soundfile.read(tmp_path / "out" / f"{name}.wav", dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(written, samples, atol=1e-5)
    assert set(read_split(config_of(tmp_path / "out"), "train").classes) == {"a", "b", "c"}


def test_names_of_segments_that_are_alike_get_files_of_their_own(tmp_path):
    splits = {"train": ["a/x.wav", "b/X.wav", "../x"], "dev": ["x?"], "test": ["y"]}
    make_segments(tmp_path / "segments", splits=splits)
    with collect_notices():
        convert(tmp_path / "segments", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.wav")) == [
        "X_2.wav",
        "x%3F.wav",
        "x.wav",
        "x_3.wav",
        "y.wav",
    ]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"filenames": np.array([b"a"] * 5)}, "labels has the shape (6, 3): expected 2 axes, the"),
        ({"labels": np.zeros((6, 4))}, "labels has 4 columns: expected 3, one for each of bell"),
        ({"labels": np.full((6, 3), 2)}, "labels holds other values than 0 and 1"),
        ({"stft_phases": None}, "has no array stft_phases"),
        ({"stft_phases": np.zeros((6, 513, 2))}, "expected the same, with bins and frames"),
        ({"stft_magnitudes": np.zeros((5, 513, 15))}, "the first with 6 values"),
        ({"stft_magnitudes": np.full((6, 513, 15), np.nan)}, "holds NaN or infinite values"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path, arrays, message):
    make_segments(tmp_path / "segments")
    # test_data.hdf5 is read last, after the others are written
    change_arrays(tmp_path / "segments" / "test_data.hdf5", **arrays)
    assert message in refusal_of(tmp_path / "segments")


def test_single_files_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path):
    make_single_segments(tmp_path / "segments")
    path = next((tmp_path / "segments").glob("V_*"))
    change_arrays(path, labels=np.zeros((2, 50)))
    assert "labels has the shape (2, 50)" in refusal_of(tmp_path / "segments")
    path.write_bytes(path.read_bytes()[:500])
    assert "can't be read as HDF5" in refusal_of(tmp_path / "segments")


@pytest.mark.parametrize(
    ("spoil", "settings", "message"),
    [
        (lambda f: (f / "dev_data.hdf5").unlink(), {}, "but not dev_data.hdf5: expected all"),
        (lambda f: [path.unlink() for path in f.glob("*.hdf5")], {}, "has neither train_data.hdf5"),
        (lambda f: (f / "config.json").unlink(), {}, "pass them in their order after --classes"),
        (lambda f: (f / "config.json").write_text("[]"), {}, "holds no settings"),
        (
            lambda f: (f / "config.json").write_text('{"sampling_rate": "x"}'),
            {"classes": ("a", "b", "c")},
            "have sampling_rate 'x': expected a number above 0; pass --sampling_rate",
        ),
        (lambda f: None, {"classes": ("a", "b")}, "labels has 3 columns: expected 2"),
        (lambda f: None, {"window_length": 1.0}, "513 bins, too few for a window of 16000"),
        (lambda f: None, {"hop_length": 1.0}, "the hop 16000: expected a hop of at least"),
        (lambda f: None, {"classes": ("a", "a", "b")}, "has a class twice"),
    ],
)
def test_a_folder_of_another_layout_is_refused(tmp_path, spoil, settings, message):
    make_segments(tmp_path / "segments")
    spoil(tmp_path / "segments")
    with collect_notices():
        assert message in refusal_of(tmp_path / "segments", **settings)


def test_a_folder_that_holds_something_is_not_replaced(tmp_path):
    make_segments(tmp_path / "segments")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty: choose a new folder"):
        convert(tmp_path / "segments", tmp_path / "out")
    assert (tmp_path / "out" / "a.txt").read_text() == "mine"


def test_the_command_converts_and_its_folder_is_trained_on(tmp_path, small_model, capsys):
    make_segments(tmp_path / "segments")
    out = tmp_path / "out"
    with pytest.raises(InputError, match="begin with absslab convert-segments"):
        read_split(config_of(tmp_path / "segments"), "train")
    assert main(["convert-segments", str(tmp_path / "segments"), str(out)]) == 0
    assert "24 segments, 3 classes: bell, dog, rain" in capsys.readouterr().out
    layout = ["--data_set_type", "weakly_labelled_folder", "--data_folder", str(out)]
    model = ["--save_path", str(tmp_path / "model.ckpt"), "--n_epochs", "1"]
    assert main(["train", *layout, *model, *to_arguments(small_model)]) == 0


def to_arguments(settings):
    arguments = []
    for name, value in settings.items():
        values = value if isinstance(value, tuple | list) else (value,)
        if name not in ("n_epochs", "data_set_type"):
            arguments += [f"--{name}", *map(str, values)]
    return arguments
