"""Corpora are downloaded whole or not at all, from servers that cut, stall and send nonsense."""

import hashlib
import io
import random
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from absslab.cli.main import main
from absslab.core.common.errors import InputError, WorkError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data import fetching
from absslab.core.data.corpora import CORPORA
from absslab.core.data.fetching import SOURCES, Corpus, fetch_steps

CONTENT = {
    "ESC-50-master/meta/esc50.csv": b"filename\n",
    "ESC-50-master/audio/1.wav": random.Random(0).randbytes(400_000),
}


def make_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in CONTENT.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def make_tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in CONTENT.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    """A server on loopback that serves one archive, in the way that a test sets."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.archive = make_zip()
        self.mode = "whole"
        self.requests = []
        self.released = threading.Event()  # ends stalling answers

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/archive.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(self.headers.get("Range"))
        if server.mode == "404":
            self.send_error(404)
            return
        start = 0
        if self.headers.get("Range") and server.mode != "without ranges":
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
        else:
            self.send_response(200)
        content = server.archive[start:]
        if server.mode not in ("without length", "cut without length"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if server.mode == "cut without length":
            content = content[: len(content) // 2]
        if server.mode in ("cut once", "cut", "without ranges", "stall"):
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            if server.mode == "stall":
                server.released.wait(20)
            server.mode = "whole" if server.mode == "cut once" else server.mode
            self.close_connection = True
            return
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.released.set()
    running.shutdown()
    running.server_close()
    thread.join(10)


def fetch(server, folder, checksum="", **options):
    corpus = Corpus("ESC-50", "CC BY-NC", "https://example.org", url=server.url, checksum=checksum)
    return run_to_end(fetch_steps("esc50", corpus, folder, timeout=0.4, tries=2, **options))


def check_content(folder):
    for name, content in CONTENT.items():
        assert (folder / name.removeprefix("ESC-50-master/")).read_bytes() == content


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_corpus_is_downloaded_and_unpacked(server, tmp_path, make):
    server.archive = make()
    checksum = f"md5:{hashlib.md5(server.archive).hexdigest()}"
    folder = fetch(server, tmp_path / "data", checksum)
    assert folder == tmp_path / "data" / "esc50"
    check_content(folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["esc50"]
    with pytest.raises(InputError, match="esc50 exists"):
        fetch(server, tmp_path / "data", checksum)


def test_a_download_that_is_cut_goes_on_where_it_was(server, tmp_path):
    server.mode = "cut once"
    check_content(fetch(server, tmp_path))
    first, second = server.requests
    assert first is None
    n_kept = int(second.removeprefix("bytes=").removesuffix("-"))
    assert 0 < n_kept <= len(server.archive) // 2


def test_a_later_call_goes_on_with_what_came(server, tmp_path):
    server.mode = "stall"
    with pytest.raises(
        WorkError, match=r"stopped after \d+ bytes \(nothing came for 0.4 s\)"
    ) as error:
        fetch(server, tmp_path)
    assert "same command again" in str(error.value)
    n_kept = (tmp_path / ".esc50.part").stat().st_size
    assert n_kept > 0
    assert not (tmp_path / "esc50").exists()
    server.mode = "whole"
    check_content(fetch(server, tmp_path))
    assert server.requests[-1] == f"bytes={n_kept}-"


def test_a_server_without_ranges_that_cuts_is_given_up(server, tmp_path):
    server.mode = "without ranges"
    with pytest.raises(WorkError, match="the connection was cut"):
        fetch(server, tmp_path)


@pytest.mark.parametrize("checksum", ["md5:" + "0" * 32, "0" * 64])
def test_an_archive_with_another_checksum_is_removed(server, tmp_path, checksum):
    with pytest.raises(WorkError, match="which its authors publish: it is damaged"):
        fetch(server, tmp_path, checksum)
    assert list(tmp_path.iterdir()) == []


def test_the_checksum_of_the_first_download_is_kept_and_compared(server, tmp_path):
    folder = fetch(server, tmp_path)
    record = tmp_path / ".esc50.sha256"
    assert record.read_text().strip() == hashlib.sha256(server.archive).hexdigest()
    folder.rename(tmp_path / "elsewhere")
    server.archive = make_tar()
    with pytest.raises(WorkError, match=r"the first download had \(kept in \.esc50\.sha256"):
        fetch(server, tmp_path)
    record.unlink()
    check_content(fetch(server, tmp_path))


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>sign in</html>", make_zip()[:-30], make_tar()[:-5000]],
    ids=["nothing", "a page", "half a zip", "half a tar"],
)
def test_what_is_no_archive_is_told_and_removed(server, tmp_path, content):
    server.archive = content
    with pytest.raises(WorkError) as error:
        fetch(server, tmp_path)
    assert "can't be unpacked" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "esc50").exists()
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".esc50.*.part"))
    server.archive = make_zip()
    check_content(fetch(server, tmp_path))


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_an_archive_of_unknown_length_is_checked_by_unpacking(server, tmp_path, make):
    server.archive = make()
    server.mode = "cut without length"
    with collect_notices() as notices, pytest.raises(WorkError, match="can't be unpacked"):
        fetch(server, tmp_path)
    assert "shows only when it is unpacked" in str(notices[0])
    assert list(tmp_path.iterdir()) == []
    server.mode = "without length"
    with collect_notices():
        check_content(fetch(server, tmp_path))


def test_an_archive_can_not_write_outside(server, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("../../outside.txt")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    server.archive = buffer.getvalue()
    with pytest.raises(WorkError, match="can't be unpacked"):
        fetch(server, tmp_path / "a" / "b")
    assert not list(tmp_path.rglob("outside.txt"))


def test_a_server_that_refuses_or_is_not_there_is_told(server, tmp_path):
    server.mode = "404"
    with pytest.raises(WorkError, match="the server answers 404"):
        fetch(server, tmp_path)
    corpus = Corpus("ESC-50", "", "https://example.org", url="http://127.0.0.1:9/a.zip")
    with pytest.raises(WorkError, match="there is no connection to the server"):
        run_to_end(fetch_steps("esc50", corpus, tmp_path, timeout=1, tries=1))


def test_a_full_disk_is_told_before_anything_is_written(server, tmp_path, monkeypatch):
    usage = fetching.shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(InputError, match=r"needs about .* GB are free: choose another disk"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_each_corpus_is_fetched_or_its_page_is_named(tmp_path, capsys):
    assert set(SOURCES) == set(CORPORA)
    for name, corpus in SOURCES.items():
        assert bool(corpus.url) != bool(corpus.by_hand)
        assert corpus.licence
        if corpus.by_hand:
            assert main(["fetch", name, "--output_folder", str(tmp_path)]) == 2
            captured = capsys.readouterr()
            assert corpus.licence in captured.out
            assert f"got by hand: see {corpus.page}" in captured.err
            assert captured.err.count("\n") == 1


def test_the_command_fetches_and_says_how_to_train(server, tmp_path, capsys, monkeypatch):
    corpus = Corpus("ESC-50", "CC BY-NC", "https://example.org", url=server.url)
    monkeypatch.setitem(SOURCES, "esc50", corpus)
    assert main(["fetch", "esc50", "--output_folder", str(tmp_path)]) == 0
    assert f"--data_set_type esc50 --data_folder {tmp_path / 'esc50'}" in capsys.readouterr().out
    assert main(["fetch", "nothing"]) == 2
    assert "there is no corpus 'nothing'" in capsys.readouterr().err
