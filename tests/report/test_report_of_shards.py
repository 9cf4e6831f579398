"""The report on a run that was trained on shards."""

from types import SimpleNamespace

from shard_folders import pack, write_field

from absslab.core.data.layouts import SHARDS
from absslab.report.run_sections import render_data


def test_the_page_counts_the_recordings_in_shards(tmp_path):
    pack(write_field(tmp_path / "field"), tmp_path / "shards")
    data = SimpleNamespace(data_set_type=SHARDS)
    run = SimpleNamespace(settings=SimpleNamespace(data=data), data_folder=str(tmp_path / "shards"))
    text = render_data(run).html
    assert "40 recordings of 2 classes in 7 shards: 30 train, 6 validation, 4 test" in text
