"""Shards behind a URL: stalls, cuts and refusals of a server on loopback."""

import pytest
from isolated_servers import free_port
from loopback_server import serve_folder
from shard_folders import pack, write_field

from absslab.core.common.errors import InputError, WorkError
from absslab.core.data.shards.places import find_place
from absslab.core.data.shards.shard_index import read_index
from absslab.core.data.shards.shard_reading import read_shard
from absslab.core.data.shards.shard_stream import N_ATTEMPTS, read_whole

TIMEOUT = 0.1


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    pack(write_field(folder / "field"), folder / "shards")
    return folder / "shards"


@pytest.fixture
def server(packed):
    with serve_folder(packed) as served:
        yield served


def read_first(packed, url) -> list:
    index = read_index(packed / "shards.json")
    place = find_place(url, timeout=TIMEOUT, may_run_command=False)
    return list(read_shard(place, index.shards[0], index.classes, TIMEOUT))


def sounds(samples) -> list[bytes]:
    return [sample.sound for sample in samples]


def test_a_url_gives_what_the_folder_gives(packed, server):
    url, faults = server
    assert sounds(read_first(packed, url)) == sounds(read_first(packed, str(packed)))
    assert faults.requests == [("/train-000000.tar", "")]


def test_a_stalled_answer_goes_on_from_its_last_byte(packed, server):
    url, faults = server
    faults.stalls = [5000, 0, 3000]
    assert sounds(read_first(packed, url)) == sounds(read_first(packed, str(packed)))
    assert [asked for _, asked in faults.requests] == [
        "",
        "bytes=5000-",
        "bytes=5000-",
        "bytes=8000-",
    ]


def test_a_cut_connection_goes_on_from_its_last_byte(packed, server):
    url, faults = server
    faults.ends = [1234]
    assert sounds(read_first(packed, url)) == sounds(read_first(packed, str(packed)))
    assert faults.requests[1][1] == "bytes=1234-"


def test_a_server_without_ranges_is_read_again(packed, server):
    url, faults = server
    faults.has_ranges = False
    faults.ends = [4000, 6000]
    assert sounds(read_first(packed, url)) == sounds(read_first(packed, str(packed)))


def test_a_server_that_is_busy_is_asked_again(packed, server):
    url, faults = server
    faults.statuses = [503, 429]
    assert sounds(read_first(packed, url)) == sounds(read_first(packed, str(packed)))


def test_a_server_that_stalls_for_ever_is_given_up(packed, server):
    url, faults = server
    faults.stalls = [700] + [0] * 20
    with pytest.raises(WorkError) as failed:
        read_first(packed, url)
    text = str(failed.value)
    assert f"{url}train-000000.tar can't be read after 700 bytes" in text
    assert f"no byte came in time), tried {N_ATTEMPTS} times" in text
    assert len(faults.requests) == N_ATTEMPTS


def test_an_address_at_which_nobody_answers_is_told_soon():
    url = f"http://127.0.0.1:{free_port()}/shards"
    place = find_place(url, timeout=TIMEOUT, may_run_command=False)
    with pytest.raises(InputError, match=r"refused\), tried twice: check the address"):
        read_whole(place, "shards.json", TIMEOUT, 1000)


@pytest.mark.parametrize(("status", "word"), [(403, "Forbidden"), (404, "Not Found")])
def test_a_refusal_is_told_at_once(packed, server, status, word):
    url, faults = server
    faults.statuses = [status]
    with pytest.raises(InputError, match=f"the server answers {status} {word}; check the address"):
        read_first(packed, url)
    assert len(faults.requests) == 1


def test_a_shard_that_is_cut_on_the_server_is_told_at_once(packed, server, tmp_path):
    url, faults = server
    shard = (packed / "train-000000.tar").read_bytes()
    (tmp_path / "train-000000.tar").write_bytes(shard[:9000])
    faults.folder = tmp_path
    with pytest.raises(InputError, match=f"has 9000 bytes, but shards.json says {len(shard)}"):
        read_first(packed, url)


def test_no_server_is_told_after_a_few_attempts(packed, server):
    url = "http://127.0.0.1:9/"
    with pytest.raises(WorkError, match=r"Connection refused\), tried"):
        read_first(packed, url)


def test_a_file_that_changes_is_not_joined(packed, server):
    url, faults = server
    faults.ends = [4000]
    faults.versions = ['"one"', '"two"']
    with pytest.raises(InputError, match=r"train-000000\.tar changed while it was read"):
        read_first(packed, url)


def test_a_file_with_a_version_goes_on(packed, server):
    url, faults = server
    faults.ends = [4000, 500]
    faults.versions = ['"one"']
    assert sounds(read_first(packed, url)) == sounds(read_first(packed, str(packed)))
    assert faults.requests[2][1] == "bytes=4500-"


def test_another_part_than_was_asked_for_is_refused(packed, server):
    url, faults = server
    faults.ends = [4000]
    faults.shift = 7
    with pytest.raises(InputError, match="sends another part of it"):
        read_first(packed, url)


def test_a_url_with_a_password_is_refused(server):
    url, faults = server
    with pytest.raises(InputError, match=r"keep them in ~/\.netrc, and read with 'pipe:curl") as no:
        find_place(url.replace("//", "//user:secret@"), timeout=TIMEOUT, may_run_command=False)
    assert "secret" not in str(no.value)
    assert not faults.requests


@pytest.mark.parametrize("url", ["http://", "https://[abc/x?secret", "http://a:b/?secret"])
def test_a_url_without_a_host_is_refused(url):
    with pytest.raises(InputError, match="without a valid host") as refused:
        find_place(url, timeout=TIMEOUT, may_run_command=False)
    assert "secret" not in str(refused.value)


def test_a_token_with_a_space_is_in_no_message(server):
    url, _ = server
    place = find_place(url + "?token=my secret", timeout=TIMEOUT, may_run_command=False)
    with pytest.raises(InputError, match="expected an address without spaces") as refused:
        place.open("x.tar", 0, None)
    assert "secret" not in str(refused.value)


def test_tokens_of_an_address_are_in_no_message(packed, server):
    url, faults = server
    address = url + "sub/?token=secret"
    place = find_place(address, timeout=TIMEOUT, may_run_command=False)
    assert place.describe("a b.tar").startswith("http://127.0.0.1")
    assert "secret" not in place.describe("a b.tar")
    assert place.describe("a b.tar").endswith("/sub/a%20b.tar")
    with pytest.raises(InputError):
        find_place(url + "?token=1", timeout=TIMEOUT, may_run_command=False).open("x.tar", 0, None)
    assert faults.requests == [("/x.tar", "")]
