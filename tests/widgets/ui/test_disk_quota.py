"""A folder holds no more than it may, and work that would write more ends and cleans up."""

import pytest

from absslab.core.common.errors import InputError
from absslab.core.common.progress import Progress, run_to_end
from absslab.widgets.ui.disk_quota import DiskQuota


def write_in_steps(path, n_steps):
    """Write 1000 bytes with each step; a file that is not complete is removed."""
    try:
        for step in range(n_steps):
            with path.open("ab") as file:
                file.write(bytes(1000))
            yield Progress(step + 1, n_steps)
    except GeneratorExit:
        path.unlink()
        raise
    return "result"


def test_work_within_the_quota_returns_its_result(tmp_path):
    quota = DiskQuota(tmp_path, 5000)
    assert run_to_end(quota.watch(write_in_steps(tmp_path / "a", 5), "a")) == "result"
    assert (tmp_path / "a").stat().st_size == 5000


def test_work_beyond_the_quota_ends_and_leaves_nothing(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "before").write_bytes(bytes(3000))
    quota = DiskQuota(tmp_path, 5000)
    with pytest.raises(InputError, match=r"made of a.wav your files here would .* 0.005 MB"):
        run_to_end(quota.watch(write_in_steps(tmp_path / "a", 5), "a.wav"))
    assert not (tmp_path / "a").exists()


def test_a_file_without_room_is_refused_before_it_is_written(tmp_path):
    quota = DiskQuota(tmp_path, 5_000_000)
    quota.require(5_000_000, "a.wav")
    with pytest.raises(InputError, match=r"a.wav has 6.0 MB: .* more than 5 MB"):
        quota.require(6_000_000, "a.wav")
    (tmp_path / "a").write_bytes(bytes(1))
    with pytest.raises(InputError):
        quota.require(5_000_000, "a.wav")


def test_without_a_size_there_is_no_limit(tmp_path):
    quota = DiskQuota(tmp_path, 0)
    quota.require(10**15, "a.wav")
    assert run_to_end(quota.watch(write_in_steps(tmp_path / "a", 3), "a")) == "result"
