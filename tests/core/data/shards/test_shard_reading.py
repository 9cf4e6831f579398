"""What is wrong with a shard is said in one line."""

import io
import json
import tarfile

import pytest
from shard_folders import pack, write_field

from absslab.core.common.errors import InputError, WorkError
from absslab.core.data.shards.places import find_place, is_remote
from absslab.core.data.shards.shard_index import read_index
from absslab.core.data.shards.shard_reading import check_shards, read_shard


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
    place = find_place(data_folder or str(folder), timeout=timeout, may_run=True)
    return list(read_shard(place, index.shards[number], index.classes, timeout))


def refusal(folder, kind=InputError, **options) -> str:
    with pytest.raises(kind) as refused:
        read_first(folder, **options)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def rewrite(path, change) -> None:
    """Write a shard again with other members, given as a list of name and content."""
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in change(members):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


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
    assert "goes on from its last.ckpt" in text
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


def test_all_shards_that_are_not_whole_are_named_at_once(shards):
    (shards / "train-000000.tar").write_bytes(b"")
    path = shards / "train-000001.tar"
    path.write_bytes(path.read_bytes()[:600])
    (shards / "test-000000.tar").unlink()
    index = read_index(shards / "shards.json")
    with pytest.raises(InputError) as refused:
        check_shards(find_place(str(shards), timeout=1, may_run=False), index.shards)
    text = str(refused.value)
    assert "train-000000.tar is empty" in text
    assert "train-000001.tar is cut: it has 600 bytes of" in text
    assert "test-000000.tar does not exist" in text


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
    text = refusal(packed, WorkError, data_folder=f"pipe:ls {packed}/gone/{{name}}")
    assert "its exit status is 2: ls: cannot access" in text
    assert "tried 5 times" in text


def test_a_command_that_stalls_is_given_up(packed):
    text = refusal(packed, WorkError, data_folder="pipe:sh -c 'sleep 60' {name}")
    assert "no byte came for 0.1 s" in text


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
        find_place("pipe:cat {name}", timeout=1, may_run=False)
