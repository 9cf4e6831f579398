"""The benchmark of labels changes what its conditions say, and nothing else."""

from functools import partial

import label_conditions
import numpy as np
import pytest
from label_conditions import Labels, list_conditions, read_labels, write_folder

from absslab.core.common.notices import collect_notices
from absslab.core.data.audio_data_set import open_split
from absslab.core.data.layouts import DataConfig

CLASSES = ["bell", "dog", "horn"]


def draw(n=400, seed=0):
    cells = np.random.default_rng(seed).random((n, 3)) < 0.4
    return Labels([f"{i}.wav" for i in range(n)], CLASSES, np.where(cells, "1", "0"))


def change_with(change, labels, seed=1):
    return change(labels, "dog", np.random.default_rng(seed))


def test_half_of_the_labels_become_unknown_and_the_others_stay():
    labels = draw()
    hidden = change_with(label_conditions.hide_cells, labels).cells
    assert (hidden == "").mean() == pytest.approx(0.5, abs=0.05)
    assert ((hidden == "") | (hidden == labels.cells)).all()
    rows = (change_with(label_conditions.hide_recordings, labels).cells == "").sum(1)
    assert sorted(rows) == [0] * 200 + [3] * 200


def test_one_of_twenty_labels_becomes_wrong():
    labels = draw()
    wrong = change_with(label_conditions.make_wrong, labels).cells != labels.cells
    assert wrong.mean() == pytest.approx(0.05, abs=0.02)


def test_a_rare_class_is_in_a_tenth_of_its_mixtures_and_others_stay():
    labels = draw()
    rare = change_with(label_conditions.make_rare, labels)
    assert rare.has("dog").sum() == labels.has("dog").sum() // 10
    assert (~rare.has("dog")).sum() == (~labels.has("dog")).sum()
    by_name = dict(zip(labels.files, labels.cells.tolist(), strict=True))
    assert [by_name[file] for file in rare.files] == rare.cells.tolist()


def test_a_class_is_left_out_with_its_mixtures_and_few_are_taken():
    labels = draw()
    without = change_with(label_conditions.leave_out_class, labels)
    assert without.classes == ["bell", "horn"]
    assert len(without.files) == (~labels.has("dog")).sum()
    few = change_with(partial(label_conditions.take_few, n_new=10, n_others=30), labels)
    assert (few.has("dog").sum(), len(few.files)) == (10, 40)


@pytest.mark.parametrize(
    "name", ["half of the labels unknown", "new class, 10 mixtures, fine-tuned"]
)
def test_the_changed_folder_has_the_same_sounds_and_the_same_test_split(mixtures, tmp_path, name):
    folder = tmp_path / "changed"
    write_folder(mixtures, folder, list_conditions(5)[name], "knock", 0)
    config = DataConfig(data_folder=str(folder))
    for split in ("train", "validation"):
        labels = read_labels(folder / split / "weak_labels.csv")
        for file in labels.files:
            path = folder / split / file
            assert path.samefile(mixtures / split / file)
            assert path.with_suffix("").is_dir()
    known = open_split(DataConfig(data_folder=str(mixtures)), "test", sampling_rate=16000)
    with collect_notices():
        tested = open_split(config, "test", sampling_rate=16000)
    assert np.array_equal(tested.labels, known.labels)
