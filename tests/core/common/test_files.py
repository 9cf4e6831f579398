"""Files appear complete or not at all; only unfinished files of dead processes are removed."""

import os
import subprocess
import sys

import pytest

from absslab.core.common.errors import InputError
from absslab.core.common.files import (
    atomic_write,
    cache_folder,
    check_output_folder,
    check_output_path,
    read_json,
    remove_unfinished,
    temporary_sibling,
    write_bytes,
    write_json,
    write_text,
)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(b"all of it")
        assert unfinished.parent == path.parent
        assert not path.exists()
    assert contents(path.parent) == {"a.txt": b"all of it"}


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_of_a_file_that_failed(tmp_path, error):
    def write():
        with atomic_write(tmp_path / "a.txt") as unfinished:
            unfinished.write_bytes(b"half of")
            raise error

    with pytest.raises(error):
        write()
    assert contents(tmp_path) == {}
    write_bytes(tmp_path / "a.txt", b"before")
    with pytest.raises(error):
        write()
    assert contents(tmp_path) == {"a.txt": b"before"}


def test_a_full_disk_leaves_nothing_and_the_error_names_the_file(tmp_path, full_disk):
    with full_disk(1000), pytest.raises(OSError, match=r"a\.bin") as caught:
        write_bytes(tmp_path / "a.bin", bytes(5000))
    assert not isinstance(caught.value, InputError)
    assert contents(tmp_path) == {}


def test_what_dead_processes_left_is_removed_and_what_living_ones_write_is_not(tmp_path):
    ended, zombie = (subprocess.Popen([sys.executable, "-c", ""]) for _ in range(2))
    ended.wait()
    # It has ended, but its exit status has not been read.
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    (tmp_path / "sub").mkdir()
    dead = [tmp_path / f".a.wav.{ended.pid}.part", tmp_path / "sub" / f".b.{zombie.pid}.part"]
    living = [
        temporary_sibling(tmp_path / "c.wav"),
        tmp_path / "sub" / f".d.wav.{os.getppid()}.part",
    ]
    foreign = [
        tmp_path / name
        for name in (".part", ".x.part", ".film.mkv.part", "y.1.part", ".1.part", ".a.wav")
    ]
    for path in [*dead, *living, *foreign]:
        path.write_bytes(b"")
    remove_unfinished(tmp_path)
    zombie.wait()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        [*living, *foreign]
    )


def test_json_has_no_nan_and_a_refused_one_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert contents(tmp_path) == {}
    write_json(tmp_path / "a.json", {"name": "Tür", "values": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"name": "Tür", "values": [1, 2.5, None]}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_a_file_that_is_not_json_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json is not readable JSON"):
        read_json(tmp_path / "a.json")


def test_json_that_is_missing_or_a_folder_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"a\.json does not exist"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match="is not readable JSON"):
        read_json(tmp_path)


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("ABSSLAB_CACHE", raising=False)
    assert cache_folder() == tmp_path / "xdg" / "absslab"
    monkeypatch.setenv("ABSSLAB_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_where_results_can_not_be_written_is_said_before_the_work(tmp_path):
    check_output_path(tmp_path / "new" / "deep" / "scores.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "file").write_text("")
    for path in ("", tmp_path / "model.ckpt", tmp_path / "folder.json", tmp_path / "scores"):
        with pytest.raises(InputError, match=r"expected the name of a file that ends in \.json"):
            check_output_path(path)
    with pytest.raises(InputError, match="nothing can be written"):
        check_output_path(tmp_path / "file" / "scores.json")


def test_a_place_that_only_looks_as_if_it_could_be_written_is_refused_and_nothing_is_left(
    tmp_path, monkeypatch
):
    def refuse(**_):
        raise PermissionError("no")

    check_output_path(tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(InputError, match="nothing can be written to"):
        check_output_path(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["x" * 300, "ä" * 130, "x" * 256, "/".join(["x" * 200] * 21)])
def test_a_name_that_is_too_long_is_refused_before_the_work(tmp_path, name):
    with pytest.raises(InputError, match="choose shorter names"):
        check_output_path(tmp_path / name / "a.json")
    with pytest.raises(InputError, match=r"output_folder is .* choose shorter names"):
        check_output_folder(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_be_written_need_not_exist(tmp_path):
    check_output_folder(tmp_path)
    check_output_folder(tmp_path / "new" / "deep")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"output_folder .*file is a file"):
        check_output_folder(tmp_path / "file")
    with pytest.raises(InputError, match=r"nothing can be written to .*file"):
        check_output_folder(tmp_path / "file" / "below")


def test_a_folder_in_place_of_the_output_is_called_one(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(InputError, match="output is the folder"):
        check_output_path(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["x" * 250 + ".json", "ä" * 125 + ".json"])
def test_a_file_may_have_the_longest_name_that_a_disk_allows(tmp_path, name):
    other = "y" + name[1:]
    check_output_path(tmp_path / name)
    for path in (tmp_path / name, tmp_path / other):
        write_json(path, {"name": path.name})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, other])
    assert temporary_sibling(tmp_path / name) != temporary_sibling(tmp_path / (name[:-1] + "m"))


def test_names_that_are_not_utf_8_are_written_and_read_again(tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    write_json(tmp_path / "a.json", {"path": name})
    assert read_json(tmp_path / "a.json") == {"path": name}
    write_text(tmp_path / "a.tsv", f"{name}\t0.0")
    assert (tmp_path / "a.tsv").read_text() == "caf\\udce9.wav\t0.0"
