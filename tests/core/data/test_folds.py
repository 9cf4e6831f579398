"""Folds: no recording, copy or background of one fold is heard in another."""

import itertools
import json
import shutil

import numpy as np
import pytest

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.data.folds import choose_splits, divide_into_folds, shares_of_splits
from absslab.core.data.mixture_folder import read_manifest, read_specs
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.recordings import Recording, index_recordings

RATE = 8000
N_FOLDS = 4


def save_noise(path, seed):
    noise = 0.1 * np.random.default_rng(seed).standard_normal(RATE // 4)
    sound_files.save(path, noise.astype(np.float32), RATE)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three classes of nine recordings, of which two are copies, and ten backgrounds of five."""
    root = tmp_path_factory.mktemp("folds")
    for number, name in enumerate(("bell", "dog", "rain")):
        for take in range(9):
            save_noise(root / "events" / f"{name}{take}.wav", 100 * number + take)
    shutil.copy(root / "events/dog0.wav", root / "events/dog9.wav")
    for place in range(5):
        for take in range(2):
            save_noise(root / "backgrounds" / f"place{place}-{take}.wav", 1000 + 10 * place + take)
    return root


def entries(n_origins, per_origin=1):
    return [
        Recording(f"{name}{origin}-{take}.wav", name, f"{name}{origin}", 1.0)
        for name in ("a", "b")
        for origin in range(n_origins)
        for take in range(per_origin)
    ]


def test_every_recording_is_in_one_fold_and_every_class_in_each():
    recordings = entries(9, per_origin=2)
    folds = divide_into_folds(recordings, n_folds=N_FOLDS, seed=1)
    paths = [recording.path for fold in folds for recording in fold]
    assert sorted(paths) == sorted(recording.path for recording in recordings)
    origins = [{recording.origin for recording in fold} for fold in folds]
    for one, other in itertools.combinations(origins, 2):
        assert not one & other
    for fold in folds:
        assert {recording.event_label for recording in fold} == {"a", "b"}
    assert max(map(len, origins)) - min(map(len, origins)) <= 2  # one of each class


def test_folds_depend_on_the_seed_alone():
    recordings = entries(9)
    first = divide_into_folds(recordings, n_folds=N_FOLDS, seed=1)
    assert first == divide_into_folds(recordings, n_folds=N_FOLDS, seed=1)
    assert first != divide_into_folds(recordings, n_folds=N_FOLDS, seed=2)


def test_origins_of_several_classes_are_divided_too():
    recordings = [
        Recording(f"{name}{origin}.wav", name, f"{origin}", 1.0)
        for origin in range(12)
        for name in ("a", "b", "c")[: 1 + origin % 3]
    ]
    folds = divide_into_folds(recordings, n_folds=3)
    origins = [{recording.origin for recording in fold} for fold in folds]
    for one, other in itertools.combinations(origins, 2):
        assert not one & other
    assert all({recording.event_label for recording in fold} == set("abc") for fold in folds)


def test_the_fold_before_the_one_that_is_tested_validates():
    folds = [["1"], ["2"], ["3"], ["4"]]
    assert choose_splits(folds, 3) == {"train": ["1", "4"], "validation": ["2"], "test": ["3"]}
    assert choose_splits(folds, 1) == {"train": ["2", "3"], "validation": ["4"], "test": ["1"]}
    assert shares_of_splits(4) == (50, 25, 25)


def mix(folders, output, holdout_fold):
    flags = (
        f"--event_folder {folders}/events --background_folder {folders}/backgrounds --n_files 40"
    )
    flags += f" --length 0.5 --sampling_rate {RATE} --snr_range 0 10 --n_workers 1 --seed 3"
    flags += rf" --background_origin_pattern ^(place\d) --output_folder {output}"
    flags += f" --n_folds {N_FOLDS} --holdout_fold {holdout_fold}"
    with collect_notices():
        assert main(["mix", *flags.split()]) == 0


def test_no_recording_or_background_of_a_fold_is_heard_in_another(folders, tmp_path):
    """In the code of arXiv 1804.04715 backgrounds were shared between the folds."""
    heard = {}  # by fold and kind: names of files that the mixtures of its test split hold
    for fold in range(1, N_FOLDS + 1):
        output = tmp_path / str(fold)
        mix(folders, output, fold)
        manifest = read_manifest(output)
        assert manifest.n_mixtures == {"train": 20, "validation": 10, "test": 10}
        for parts in (manifest.recordings, manifest.backgrounds):
            checksums = [{item.sha256 for item in parts[split]} for split in parts]
            origins = [{item.origin for item in parts[split]} for split in parts]
            for groups in (checksums, origins):
                assert all(groups)
                assert not any(one & other for one, other in itertools.combinations(groups, 2))
        specs = read_specs(output, "test")
        heard[fold, "events"] = {event.recording for spec in specs for event in spec.events}
        heard[fold, "backgrounds"] = {spec.background for spec in specs}
    for kind in ("events", "backgrounds"):
        folds = [heard[fold, kind] for fold in range(1, N_FOLDS + 1)]
        assert not any(one & other for one, other in itertools.combinations(folds, 2))


def test_copies_of_a_file_are_in_one_fold(folders):
    with collect_notices() as notices:
        folds = divide_into_folds(index_recordings(folders / "events"), n_folds=N_FOLDS)
    (fold,) = (fold for fold in folds if any("dog0" in item.path for item in fold))
    assert any("dog9" in item.path for item in fold)
    assert "count as one origin, which is within one fold" in str(notices[0])


def test_copies_are_never_divided_even_where_too_few_recordings_are_left(tmp_path):
    save_noise(tmp_path / "a1.wav", 0)
    for number in (2, 3):
        shutil.copy(tmp_path / "a1.wav", tmp_path / f"a{number}.wav")
    with collect_notices(), pytest.raises(InputError, match="class 'a' has 1 origin: expected at"):
        divide_into_folds(index_recordings(tmp_path), n_folds=3)


def test_a_class_with_fewer_origins_than_folds_is_refused():
    with pytest.raises(InputError, match="class 'a' has 3 origins: expected at least 4, one for"):
        divide_into_folds(entries(3), n_folds=N_FOLDS)


def test_too_few_backgrounds_are_refused(folders, tmp_path, capsys):
    flags = f"--event_folder {folders}/events --background_folder {folders}/backgrounds --n_files 9"
    flags += rf" --output_folder {tmp_path}/out --background_origin_pattern ^(place\d)"
    assert main(["mix", *flags.split(), "--n_folds", "6", "--holdout_fold", "1"]) != 0
    assert "of 5 origins: expected at least 6, one for each fold" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_folds": 2, "holdout_fold": 1}, "n_folds is 2: expected at least 3"),
        (
            {"n_folds": 4},
            "holdout_fold is none: expected the number of the fold to test on, 1 to 4",
        ),
        ({"n_folds": 4, "holdout_fold": 5}, "holdout_fold is 5: expected the number of the fold"),
        ({"holdout_fold": 1}, "holdout_fold is 1, but there are no folds: pass --n_folds 4"),
        (
            {"n_folds": 4, "holdout_fold": 1, "split_percentages": (60, 20, 20)},
            "split_percentages is 60 20 20, and n_folds 4: both divide the recordings",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(InputError) as caught:
        MixtureFolderConfig(**settings)
    assert str(caught.value).startswith(message)


def test_another_fold_is_refused_in_the_same_folder(folders, tmp_path, capsys):
    mix(folders, tmp_path / "out", 1)
    settings = json.loads((tmp_path / "out/manifest.json").read_text())["config"]
    assert (settings["n_folds"], settings["holdout_fold"]) == (4, 1)
    with pytest.raises(AssertionError):
        mix(folders, tmp_path / "out", 2)
    assert "was made with holdout_fold 1, not 2" in capsys.readouterr().err
