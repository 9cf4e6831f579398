"""What is wrong with a shard is said in one line."""

import errno
import hashlib
import io
import json
import os
import tarfile
import time

import psutil
import pytest
from shard_folders import pack, write_field

from absslab.core.common.errors import InputError, WorkError
from absslab.core.data.shards.places import find_place, is_remote
from absslab.core.data.shards.shard_index import read_index
from absslab.core.data.shards.shard_reading import check_shards, read_shard
from absslab.core.data.shards.shard_split import decode
from absslab.core.data.shards.shard_stream import ShardStream, read_whole


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    pack(write_field(folder / "field"), folder / "shards")
    return folder / "shards"


@pytest.fixture
def shards(packed, tmp_path):
    """A copy of the shards, to damage."""
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def read_first(folder, *, number=0, timeout=0.1, data_folder=None) -> list:
    index = read_index(folder / "shards.json")
    place = find_place(data_folder or str(folder), timeout=timeout, may_run_command=True)
    return list(read_shard(place, index.shards[number], index.classes, timeout))


def refusal(folder, kind=InputError, **options) -> str:
    with pytest.raises(kind) as refused:
        read_first(folder, **options)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def list_again(path) -> None:
    """Let shards.json say of a shard what is true of it now."""
    listed = path.parent / "shards.json"
    content = json.loads(listed.read_text())
    for shard in content["shards"]:
        if shard["name"] == path.name:
            shard["n_bytes"] = path.stat().st_size
            shard["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    listed.write_text(json.dumps(content))


def rewrite(path, change) -> None:
    """Write a shard again with other members, given as a list of name and content."""
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in change(members):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    list_again(path)


def test_a_shard_is_read_in_order(packed):
    samples = read_first(packed)
    assert [sample.number for sample in samples] == list(range(len(samples)))
    assert samples[0].suffix == ".wav"
    assert samples[0].sound[:4] == b"RIFF"


@pytest.mark.parametrize("part", range(1, 23))
def test_a_cut_shard_names_the_last_recording(shards, part):
    path = shards / "train-000000.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * part // 24])
    text = refusal(shards)
    assert "train-000000.tar is cut or damaged" in text
    if part > 8:
        assert "after the recording 00000000" in text


def test_a_shard_that_lost_its_last_recordings_is_cut(shards):
    rewrite(shards / "train-000000.tar", lambda members: members[:4])
    assert "is cut or damaged after the recording 000000001" in refusal(shards)


def test_an_empty_shard_is_said_to_be_empty(shards):
    (shards / "train-000000.tar").write_bytes(b"")
    assert "train-000000.tar is empty" in refusal(shards)


def test_another_file_is_no_shard(shards):
    (shards / "train-000000.tar").write_bytes(b"no tar file" * 1000)
    assert "before its first recording" in refusal(shards)


def test_a_recording_without_its_labels_is_refused(shards):
    rewrite(shards / "train-000000.tar", lambda members: members[:2] + members[3:])
    assert "lacks the labels of the recording 000000001" in refusal(shards)


def test_a_recording_without_its_sound_is_refused(shards):
    rewrite(shards / "train-000000.tar", lambda members: members[:1] + members[2:])
    assert "lacks the sound of the recording 000000000" in refusal(shards)


def test_labels_that_lack_a_class_are_refused(shards):
    def change(members):
        name, content = members[0]
        said = json.loads(content)
        del said["labels"]["dog"]
        return [(name, json.dumps(said).encode()), *members[1:]]

    rewrite(shards / "train-000000.tar", change)
    assert "lacks the label dog of the recording 000000000" in refusal(shards)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"name": 1}', b"\xff\xfe"])
def test_labels_that_are_no_labels_are_refused(shards, content):
    rewrite(shards / "train-000000.tar", lambda members: [(members[0][0], content), *members[1:]])
    assert "has unreadable labels of the recording 000000000" in refusal(shards)


def test_a_label_that_is_no_truth_value_is_refused(shards):
    def change(members):
        return [(members[0][0], members[0][1].replace(b'"dog": ', b'"dog": 7')), *members[1:]]

    rewrite(shards / "train-000000.tar", change)
    assert "expected 0, 1 or null" in refusal(shards)


def test_a_recording_that_is_there_twice_is_refused(shards):
    rewrite(shards / "train-000000.tar", lambda members: members[:4] + members)
    assert "has the recording 000000000 twice" in refusal(shards)


def test_a_file_that_is_there_twice_is_refused(shards):
    rewrite(shards / "train-000000.tar", lambda members: members[:2] + members[1:])
    assert "has 000000000.wav twice" in refusal(shards)


def test_the_name_of_another_recording_is_refused(shards):
    def change(members):
        return [(name.replace("000000001.", "dog/bark."), content) for name, content in members]

    rewrite(shards / "train-000000.tar", change)
    assert "dog/bark.json where the recording 000000001 is expected" in refusal(shards)


def test_more_recordings_than_are_listed_are_refused(shards):
    first = shards / "train-000000.tar"
    n_first = len(read_first(shards))
    rewrite(
        first,
        lambda members: [*members, *((f"{n_first:09d}{n[9:]}", c) for n, c in members[:2])],
    )
    assert f"has more recordings than the {n_first}" in refusal(shards)


def header(name="000000000.wav", kind=tarfile.REGTYPE, size=0) -> bytes:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (header(kind=tarfile.GNUTYPE_SPARSE, size=10), "is cut or damaged before"),
        (header(kind=tarfile.XHDTYPE, size=700_000_000), "is cut or damaged before"),
        (header(kind=tarfile.GNUTYPE_LONGNAME, size=700_000_000), "is cut or damaged before"),
        (header(kind=tarfile.DIRTYPE), "is cut or damaged before"),
        (header(kind=tarfile.SYMTYPE), "is cut or damaged before"),
        (header(size=700_000_000), "is cut or damaged before"),
        (header(size=10**12), "is cut or damaged before"),
        (header(size=-512), "is cut or damaged before"),
        (header("000000000.json", size=2_000_000), "has 000000000.json of 2000000 bytes"),
        (header("000000000./../../x"), "000000000./../../x, which has no suffix of a sound"),
        (header("000000000.a\nb"), "has 000000000.a\\nb, which has no suffix of a sound"),
        (header("000000000"), "has 000000000, which has no suffix of a sound"),
    ],
)
def test_headers_are_not_trusted(shards, block, text):
    path = shards / "train-000000.tar"
    with path.open("wb") as file:
        file.write(block)
        file.truncate(3_000_000)
    list_again(path)
    assert text in refusal(shards)


def test_a_shard_that_goes_on_and_on_is_left(shards):
    command = f"pipe:sh -c 'cat {shards}/$0; cat /dev/zero' {{name}}"
    assert "has more than the" in refusal(shards, data_folder=command)


def test_a_list_that_goes_on_and_on_is_left(monkeypatch):
    place = find_place("pipe:sh -c 'cat /dev/zero' {name}", timeout=5, may_run_command=True)
    with pytest.raises(InputError, match="has more than 3000000 bytes; expected shards"):
        read_whole(place, "shards.json", 5, 3_000_000)


def test_a_huge_list_in_a_folder_is_refused(shards):
    with (shards / "shards.json").open("r+b") as file:
        file.truncate(300_000_000)
    with pytest.raises(InputError, match="has more than 256000000 bytes"):
        read_index(shards / "shards.json")


def test_a_changed_byte_within_a_sound_is_found(shards):
    path = shards / "train-000000.tar"
    content = bytearray(path.read_bytes())
    content[content.index(b"RIFF") + 1000] ^= 1
    path.write_bytes(content)
    assert "train-000000.tar is damaged: its SHA-256 is not the one in" in refusal(shards)


def test_a_disk_that_fails_is_told_with_shard_and_recording(shards, monkeypatch):
    read = ShardStream.read

    def fail(stream, n_bytes):
        if stream.position > 9000:
            raise OSError(errno.EIO, "Input/output error")
        return read(stream, n_bytes)

    monkeypatch.setattr(ShardStream, "read", fail)
    text = refusal(shards, WorkError)
    assert "train-000000.tar can't be read after the recording 00000000" in text
    assert "(Input/output error)" in text


def test_a_shard_that_may_not_be_read_is_told(shards):
    (shards / "train-000000.tar").unlink()
    (shards / "train-000000.tar").mkdir()
    assert "can't be read before its first recording (Is a dir" in refusal(shards, WorkError)


def test_a_full_temporary_folder_is_told_with_the_recording(packed, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    sample = read_first(packed)[0]
    monkeypatch.setattr("tempfile.NamedTemporaryFile", fail)
    with pytest.raises(WorkError, match=r"000000000 \(r\d+\.wav\) can't be written to a temporary"):
        decode(sample, 8000)


def test_all_shards_that_are_not_whole_are_named_at_once(shards):
    (shards / "train-000000.tar").write_bytes(b"")
    path = shards / "train-000001.tar"
    path.write_bytes(path.read_bytes()[:600])
    (shards / "test-000000.tar").unlink()
    index = read_index(shards / "shards.json")
    with pytest.raises(InputError) as refused:
        check_shards(find_place(str(shards), timeout=1, may_run_command=False), index.shards, 1)
    text = str(refused.value)
    assert "train-000000.tar is empty" in text
    assert "train-000001.tar is cut: it has 600 bytes of" in text
    assert "test-000000.tar does not exist" in text
    assert "shards.json names 1 shard; copy" in text


def test_a_list_that_contradicts_itself_is_refused(shards):
    content = json.loads((shards / "shards.json").read_text())
    content["shards"][1]["first"] = 0
    (shards / "shards.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"damaged: train-000001\.tar does not follow"):
        read_index(shards / "shards.json")


def test_a_list_that_names_a_file_elsewhere_is_refused(shards):
    content = json.loads((shards / "shards.json").read_text())
    content["shards"][0]["name"] = "../train-000000.tar"
    (shards / "shards.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="is no name of a file"):
        read_index(shards / "shards.json")


def test_the_output_of_a_command_is_read(packed):
    assert is_remote("pipe:cat x")
    command = f"pipe:cat '{packed}/{{name}}'"
    samples = read_first(packed, data_folder=command)
    assert [sample.number for sample in samples] == list(range(len(samples)))


def test_a_command_that_fails_says_its_status_and_last_line(packed):
    command = f"pipe:sh -c 'test $0 = shards.json && cat {packed}/$0 || ls gone/$0' {{name}}"
    text = refusal(packed, WorkError, data_folder=command)
    assert "its exit status is 2: ls: cannot access" in text
    assert "tried 5 times" in text


def test_a_command_that_can_not_give_the_first_file_twice_is_taken_for_a_wrong_one(packed):
    counted = packed.parent / "runs_of_the_command"
    command = f"pipe:sh -c 'echo >> {counted}; ls {packed}/gone/$0' {{name}}"
    place = find_place(command, timeout=1.0, may_run_command=True)
    with pytest.raises(InputError, match=r"status is 2: ls: .*, tried twice: check the address or"):
        read_whole(place, "shards.json", 1.0, 1000)
    assert counted.read_text() == "\n\n"


def test_a_command_that_stalls_is_given_up(packed):
    text = refusal(packed, WorkError, data_folder="pipe:sh -c 'sleep 60' {name}")
    assert "no byte came for 0.1 s" in text


def test_a_command_that_closes_its_output_but_stays_is_given_up(packed):
    command = f"pipe:sh -c 'cat {packed}/$0; exec >&-; sleep 60' {{name}}"
    assert "closed its output, but did not end in 0.1 s" in refusal(
        packed, WorkError, data_folder=command
    )


def test_nothing_that_a_command_started_remains(packed, tmp_path):
    command = f"pipe:sh -c 'echo $$ > {tmp_path}/pid; sleep 34567 | cat' {{name}}"
    place = find_place(command, timeout=5, may_run_command=True)
    source = place.open("x", 0, None)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        time.sleep(0.01)
    group = int((tmp_path / "pid").read_text())
    assert os.getpgid(group) == group
    source.close()
    end = time.monotonic() + 10
    while members_of(group) and time.monotonic() < end:  # the system ends them
        time.sleep(0.01)
    assert not members_of(group)


def members_of(group) -> list[int]:
    """Return the processes of a group that have not ended."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != "zombie":
                found.append(process.pid)
        except ProcessLookupError:
            continue
    return found


def test_a_command_gets_no_shell(packed, tmp_path):
    refusal(packed, WorkError, data_folder=f"pipe:ls {{name}}; touch {tmp_path}/made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("command", ["pipe:", "pipe:cat shards", "pipe:{name}", "pipe:cat '{name}"])
def test_a_command_without_a_place_for_the_name_is_refused(packed, command):
    assert "expected pipe: and a command with {name}" in refusal(packed, data_folder=command)


def test_a_program_that_is_not_there_is_named(packed):
    text = refusal(packed, data_folder="pipe:no_such_program {name}")
    assert "no_such_program can't be run: No such file" in text


def test_a_command_runs_only_if_the_user_has_stated_it():
    with pytest.raises(InputError, match="which a file says: to run it, pass it with"):
        find_place("pipe:cat {name}", timeout=1, may_run_command=False)
