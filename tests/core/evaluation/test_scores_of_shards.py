"""Recordings in shards are scored as those in a folder."""

from pathlib import Path

import pytest
from loopback_server import serve_folder
from shard_folders import pack

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end
from absslab.core.data.audio_data_set import read_split
from absslab.core.data.layouts import SHARDS, DataConfig
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.evaluation.scorer import ScoringConfig


@pytest.fixture(scope="module")
def shards(mixtures, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "shards"
    pack(mixtures, folder, data=DataConfig(data_folder=str(mixtures)), shard_size=0.2)
    return folder


def evaluate(checkpoint, **settings):
    config = EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu", **settings)
    scoring = ScoringConfig(bss_eval="none", n_resamples=0)
    return run_to_end(open_evaluation(config, scoring=scoring).run())


def test_tags_have_the_scores_of_the_folder(checkpoint, shards):
    folder = evaluate(checkpoint)
    packed = evaluate(checkpoint, data_folder=str(shards), data_set_type=SHARDS)
    for name, section in folder.scores.to_json()["tagging"].items():
        assert packed.scores.to_json()["tagging"][name] == pytest.approx(section), name
    assert len(packed.table) == len(folder.table)


def test_a_server_gives_the_same_scores(checkpoint, shards):
    local = evaluate(checkpoint, data_folder=str(shards), data_set_type=SHARDS, n_recordings=3)
    with serve_folder(shards) as (url, _):
        remote = evaluate(checkpoint, data_folder=url, data_set_type=SHARDS, n_recordings=3)
    assert remote.table.equals(local.table)


def test_the_command_scores_shards(checkpoint, shards, capsys):
    flags = ["--checkpoint_path", checkpoint, "--data_folder", shards, "--data_set_type", SHARDS]
    flags += ["--bss_eval", "none", "--n_resamples", 0, "--device", "cpu"]
    assert main(["evaluate", *map(str, flags)]) == 0
    assert "scoring 8 recordings (the test split)" in capsys.readouterr().out


def test_all_splits_at_once_are_refused(checkpoint, shards):
    with pytest.raises(InputError, match="shards are read split by split: expected one of train"):
        evaluate(checkpoint, data_folder=str(shards), data_set_type=SHARDS, split="all")


def test_a_cut_shard_ends_an_evaluation_before_it_begins(checkpoint, shards, tmp_path):
    for path in shards.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "test-000000.tar").write_bytes(b"")
    with pytest.raises(InputError, match=r"test-000000\.tar is empty"):
        evaluate(checkpoint, data_folder=str(tmp_path), data_set_type=SHARDS)


def test_shards_of_other_classes_are_refused(checkpoint, mixtures, tmp_path):
    groups = ("speech.knock", "alert")
    data = DataConfig(data_folder=str(mixtures), class_categories=groups)
    pack(mixtures, tmp_path / "shards", data=data)
    with pytest.raises(InputError, match=r"are not those of the model: it adds speech\.knock"):
        evaluate(checkpoint, data_folder=str(tmp_path / "shards"), data_set_type=SHARDS)


def test_what_needs_files_says_so(shards):
    with pytest.raises(InputError, match="for all else pass files; tar -xf writes those"):
        read_split(DataConfig(data_set_type=SHARDS, data_folder=str(shards)), "test")
