"""What libraries print is caught without a place on the disk, and nothing else is lost."""

import os
import tempfile

import pytest
from sound_kinds import encode, tone

from absslab.core.audio import decoder_messages, sound_files
from absslab.core.audio.decoder_messages import hide_decoder_messages


def refuse(*arguments, **options):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("has_memory", [True, False])
@pytest.mark.parametrize("container", ["FLAC", "OGG", "MP3"])
def test_sounds_are_read_where_no_temporary_file_can_be_made(
    tmp_path, monkeypatch, container, has_memory
):
    coding = {"FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}[container]
    (tmp_path / "a.bin").write_bytes(encode(tone(0.5), 16000, container, coding))
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    if not has_memory:
        monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    assert sound_files.info(tmp_path / "a.bin").n_samples == 8000
    assert decoder_messages._n_inside == 0


def print_all():
    with hide_decoder_messages(), hide_decoder_messages():
        os.write(2, b"[src/libmpg123/parse.c] error\na line of others\n")


def test_lines_of_others_are_printed_with_and_without_a_place_for_them(capfd, monkeypatch):
    print_all()
    assert capfd.readouterr().err == "a line of others\n"
    monkeypatch.delattr(os, "memfd_create", raising=False)
    print_all()
    assert capfd.readouterr().err == "a line of others\n"
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    n_open = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    print_all()
    assert "libmpg123" in capfd.readouterr().err
    if n_open:
        assert len(os.listdir("/proc/self/fd")) == n_open


def test_a_forked_process_prints_to_the_standard_error_of_the_program(capfd):
    if not hasattr(os, "fork"):
        pytest.skip("this system can't fork")
    with hide_decoder_messages():
        child = os.fork()
        if not child:
            os.write(2, b"from the child\n")
            os._exit(0)
        os.waitpid(child, 0)
        assert capfd.readouterr().err == "from the child\n"
