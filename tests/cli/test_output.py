"""What is printed never ends the work: terminals without letters, closed pipes, full disks."""

import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from absslab.cli.main import COMMANDS, main
from absslab.core.common.streams import printable_text


class Encoded(io.TextIOWrapper):
    """A standard output of another encoding, which keeps its bytes."""

    def __init__(self, encoding):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)

    @property
    def text(self):
        return self.buffer.getvalue().decode(self.encoding)


def run(arguments):
    """Run a command, and return its exit status, also that of --help."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


@contextmanager
def standard_output(kind):
    """Let the process have another standard output, a full one or one without a reader."""
    if kind == "full":
        number = os.open("/dev/full", os.O_WRONLY)
    else:  # a pipe, as with `| head -1`
        reader, number = os.pipe()
        os.close(reader)
    with pytest.MonkeyPatch.context() as patch, open(number, "w") as stream:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "__stdout__", stream)
        yield


def work(command, checkpoint, mixtures, event_folder, scores, folder):
    """Return the arguments of a command, and the files that it must have written."""
    calls = {
        "mix": (
            ["--event_folder", event_folder, "--output_folder", folder / "o", "--n_files", 10]
            + ["--length", 4, "--n_workers", 1],
            ["o/train/weak_labels.csv", "o/test/weak_labels.csv"],
        ),
        "train": (
            ["--recipe", "thesis", "--data_folder", mixtures, "--save_path", folder / "r.ckpt"]
            + ["--n_epochs", 1, "--device", "cpu"],
            ["r.ckpt", "r/last.ckpt", "r/metrics.jsonl"],
        ),
        "evaluate": (
            ["--checkpoint_path", checkpoint, "--output", folder / "s.json"]
            + ["--bss_eval", "none", "--n_resamples", 0, "--device", "cpu"],
            ["s.json", "s.csv"],
        ),
        "separate": (
            ["--checkpoint_path", checkpoint, "--output_folder", folder / "o", "--device", "cpu"]
            + ["--input", mixtures / "test/000000.wav", mixtures / "test/000001.wav"],
            ["o/000000/residual.wav", "o/000001/residual.wav", "o/000001/events.tsv"],
        ),
        "compare": ([scores, scores, "--output", folder / "c.json"], ["c.json"]),
    }
    arguments, files = calls[command]
    return [command, *arguments], [folder / name for name in files]


WORKING = ["mix", "train", "evaluate", "separate", "compare"]


@pytest.fixture(scope="module")
def scores(checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("scores") / "s.json"
    flags = ["--checkpoint_path", checkpoint, "--output", path, "--bss_eval", "none"]
    assert run(["evaluate", *flags, "--n_resamples", 0]) == 0
    return path


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_can_be_read_in_any_encoding(command, encoding, monkeypatch):
    stream = Encoded(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    assert run([*filter(None, [command]), "--help"]) == 0
    assert "usage: absslab" in stream.text
    assert "?" not in stream.text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_into_a_pipe_without_a_reader_is_silent(command, capfd):
    with standard_output("no reader"):
        assert run([command, "--help"]) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("command", WORKING)
def test_work_is_done_in_an_encoding_without_letters(
    command, checkpoint, mixtures, event_folder, scores, tmp_path, monkeypatch
):
    stream = Encoded("ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    arguments, files = work(command, checkpoint, mixtures, event_folder, scores, tmp_path)
    assert run(arguments) == 0
    assert stream.text
    assert [path for path in files if not path.is_file()] == []


@pytest.mark.parametrize("command", WORKING)
def test_work_is_done_when_the_reader_has_gone(
    command, checkpoint, mixtures, event_folder, scores, tmp_path
):
    arguments, files = work(command, checkpoint, mixtures, event_folder, scores, tmp_path)
    with standard_output("no reader"):
        assert run(arguments) == 0
    assert [path for path in files if not path.is_file()] == []


@pytest.mark.parametrize("command", WORKING)
def test_work_is_done_when_standard_output_is_full(
    command, checkpoint, mixtures, event_folder, scores, tmp_path, capfd
):
    arguments, files = work(command, checkpoint, mixtures, event_folder, scores, tmp_path)
    with standard_output("full"):
        assert run(arguments) == 2
    assert [path for path in files if not path.is_file()] == []
    (line,) = capfd.readouterr().err.splitlines()
    assert "could be printed (No space left on device)" in line


def test_names_that_are_not_utf_8_are_printed():
    name = os.fsdecode(b"caf\xe9.wav")
    assert printable_text(f"→ {name}", Encoded("utf-8")) == "→ caf\\xe9.wav"
    assert printable_text("Zoë\u0301 …", Encoded("ascii")) == "Zoe ..."


@pytest.mark.parametrize(
    "closing", ["", ">&-", ">&- 2>&-", "2>&- <&-", ">/dev/full", "2>/dev/full"]
)
def test_a_process_of_any_streams_ends_as_its_work_does(closing, scores, tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    command = f"{sys.executable} -m absslab compare {scores} {scores} --output c.json {closing}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == (2 if closing == ">/dev/full" else 0)
    assert len(done.stderr.splitlines()) == (1 if closing == ">/dev/full" else 0)
    assert "systems" in json.loads((tmp_path / "c.json").read_text())
