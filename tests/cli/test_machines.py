"""Commands on machines as they are: without a home, with odd packages, with full disks."""

import builtins
import errno
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.evaluation.score_files import read_scores

SMALL = ("model_type", "fine_channels", "context", "masks", "n_mels", "device")
# A user without a name or a home, and packages that have no place for their caches.
BARE_MACHINE = """
import os, pwd, sys
def refuse(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = refuse
for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_CACHE_HOME", "ABSSLAB_CACHE"):
    os.environ.pop(name, None)
sys.modules["librosa"] = sys.modules["numba"] = None  # importing them fails
from absslab.cli.main import main
"""


def run_python(code, folder, **options):
    """Run Python code in a new process, and return the process that has ended."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def test_the_main_commands_need_no_home_and_no_numba(event_folder, small_model, tmp_path):
    flags = " ".join(f"--{name} {value}" for name, value in small_model.items() if name in SMALL)
    steps = [
        f"mix --event_folder {event_folder} --output_folder m --n_files 10 --length 1",
        f"train {flags} --data_folder m --save_path r.ckpt --n_epochs 1",
        "evaluate --checkpoint_path r.ckpt --bss_eval none --n_resamples 0 --output s.json",
        "separate --checkpoint_path r.ckpt --input m/test --output_folder o",
    ]
    code = BARE_MACHINE + f"for step in {steps}:\n    assert main(step.split()) == 0, step\n"
    done = run_python(code, tmp_path, env=os.environ | {"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_package_that_hides_pathlib_does_no_harm(tmp_path, place):
    (tmp_path / "pathlib.py").write_text("from collections import Sequence\n")
    environment = os.environ | ({"PYTHONPATH": str(tmp_path)} if place == "first" else {})
    code = f"import sys; sys.path.append({str(tmp_path)!r})\n" if place == "last" else ""
    code += "import absslab, pathlib\nprint(pathlib.Path('a').name, absslab.__version__)"
    done = run_python(code, "/", env=environment)
    assert done.stdout.startswith("a "), done.stderr


def test_what_a_finished_run_says_about_going_on_is_true(
    mixtures, small_model, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    flags = [f"--{name}={value}" for name, value in small_model.items() if name in SMALL]
    schedule = ["--scheduler_type", "oneCycle", "--patience", "1", "--test_every", "1"]
    new = ["--data_folder", str(mixtures), "--save_path", "r.ckpt", "--n_epochs", "1"]
    assert main(["train", *new, *flags, *schedule, "--learning_rate", "1e-9"]) == 0
    resume = ["train", "--checkpoint_path", "r/last.ckpt"]
    assert main(resume) == 0
    out = capsys.readouterr().out
    command = f"absslab train --checkpoint_path {tmp_path}/r/last.ckpt"
    assert f"the run is finished (1 epochs); to train longer: {command} --n_epochs N" in out
    assert main([*resume, "--n_epochs", "30"]) == 0
    out, err = capsys.readouterr()
    assert "for 30 epochs instead of 1" in err
    assert (
        f"ended early: the last 1 evaluations were no better; to go on all the same: {command}"
        in out
    )
    n_epochs = len((tmp_path / "r/metrics.jsonl").read_text().splitlines()) + 1
    assert main([*resume, "--n_epochs", str(n_epochs), "--patience", "0"]) == 0
    assert f"epoch {n_epochs:3}/{n_epochs}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 16.0 GiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        OSError("libgomp.so.1: failed to map segment from shared object"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("std::bad_alloc"),
    ],
)
@pytest.mark.parametrize("command", ["train", "separate", "evaluate", "mix", "compare"])
def test_a_full_memory_is_one_line_that_says_what_to_do(command, error, monkeypatch, capsys):
    def fail(arguments):
        raise error

    monkeypatch.setattr(f"absslab.cli.{command}.run", fail)
    assert main([command]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"absslab {command}: the memory is full: ")
    assert "try" in line or "close other programs" in line


@pytest.mark.parametrize("size", [20, 40, 140, 300])
def test_too_little_memory_to_load_the_program_is_one_line(size, tmp_path):
    code = (
        "import resource, runpy, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({size} << 20, {size} << 20))\n"
        "sys.argv = ['absslab', 'train', '--data_folder', 'd', '--save_path', 'r.ckpt']\n"
        "runpy.run_module('absslab', run_name='__main__')\n"
    )
    done = run_python(code, tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"})
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert "the memory is full" in line
    assert not list(tmp_path.iterdir())


def test_memory_that_is_really_full_is_one_line(checkpoint, mixtures, tmp_path):
    """The process may have as much memory as it has when its work begins, and no more."""
    code = f"""
import resource, sys
from absslab.cli.main import main
import absslab.cli.separate, psutil
load = absslab.cli.separate.load_checkpoint
def limited(*arguments):
    checkpoint = load(*arguments)
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + (20 << 20), -1))
    return checkpoint
absslab.cli.separate.load_checkpoint = limited
sys.exit(main(["separate", "--checkpoint_path", {str(checkpoint)!r}, "--output_folder", "o",
    "--input", {str(tmp_path / "long.wav")!r}, "--device", "cpu"]))
"""
    noise = 0.1 * np.random.default_rng(0).standard_normal((16000 * 60, 8))
    soundfile.write(tmp_path / "long.wav", noise, 16000)
    done = run_python(code, tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 1, done.stderr
    assert "the memory is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("existing", ["table alone", "something else"])
def test_scores_that_were_cut_between_their_files_can_be_repeated(
    existing, checkpoint, tmp_path, capsys
):
    flags = ["--checkpoint_path", str(checkpoint), "--bss_eval", "none", "--n_resamples", "0"]
    command = ["evaluate", *flags, "--output", str(tmp_path / "s.json")]
    if existing == "something else":
        (tmp_path / "s.csv").write_text("filename,speech\n")
        assert main(command) == 2
        assert "is something else" in capsys.readouterr().err
        return
    assert main(command) == 0
    complete = (tmp_path / "s.json").read_bytes()
    (tmp_path / "s.json").unlink()
    assert main(command) == 0
    assert (tmp_path / "s.json").read_bytes() == complete
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.csv", "s.json"]


def test_scores_of_a_folder_whose_name_is_not_utf_8_are_not_lost(checkpoint, mixtures, tmp_path):
    folder = tmp_path / os.fsdecode(b"s\xe9t")
    shutil.copytree(mixtures, folder)
    flags = ["--checkpoint_path", checkpoint, "--data_folder", folder, "--bss_eval", "none"]
    flags += ["--n_resamples", 0, "--output", tmp_path / "s.json"]
    assert main(["evaluate", *map(str, flags)]) == 0
    scores, table = read_scores(tmp_path / "s.json")
    assert scores.settings["evaluation"]["data_folder"] == str(folder)
    written = str(folder).encode(errors="backslashreplace").decode()
    assert all(path.startswith(f"{written}/test/") for path in table["path"])


def test_a_full_disk_keeps_the_scores_of_before(checkpoint, tmp_path, full_disk, capsys):
    flags = ["--checkpoint_path", str(checkpoint), "--bss_eval", "none", "--n_resamples", "0"]
    command = ["evaluate", *flags, "--output", str(tmp_path / "s.json")]
    assert main(command) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    with full_disk(1000):
        assert main(command) == 2
    assert re.search(r"/s\.(csv|json): File too large$", capsys.readouterr().err)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_name_that_the_file_system_can_not_write_is_one_line(monkeypatch, capsys):
    def fail(arguments):
        "Müller".encode("ascii")

    monkeypatch.setattr("absslab.cli.mix.run", fail)
    assert main(["mix"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "set PYTHONUTF8=1" in line


LONG = "9" * 400


@pytest.mark.parametrize(
    "arguments",
    [
        ["mix", "--n_files", LONG],
        ["mix", "--n_files", "9" * 5000],
        ["mix", "--length", LONG],
        ["mix", "--length", "1e-320"],
        ["mix", "--seed", f"-{LONG}"],
        ["mix", "--length", "x" * 10_000],
        ["mix", "--overlap", "x" * 10_000],
        ["mix", f"--{'x' * 10_000}"],
        ["mix", "--sources", "x" * 10_000],
        ["train", "--learning_rate", "1e-320"],
        ["train", "--n_epochs", LONG],
        ["train", "--scheduler_milestones", LONG, "1"],
        ["train", "--recipe", "x" * 10_000],
        ["train", "--f_max", "1e-320"],
        ["train", "--window_length", "1e300"],
        ["evaluate", "--collar", "1e-320"],
        ["evaluate", "--n_resamples", LONG],
        ["separate", "--mask_power", "1e308"],
        ["separate", "--gains", f"speech={LONG}"],
        ["separate", "--checkpoint_path", "x" * 10_000, "--input", "a", "--output_folder", "b"],
        ["report", "--n_examples", LONG],
        ["report", "--run_directory", "x" * 10_000],
        ["compare", "x" * 10_000, "y" * 10_000],
        ["dashboard", "x" * 10_000],
        ["dashboard", "listen", "--port", LONG],
        ["x" * 10_000],
    ],
)
def test_long_numbers_and_texts_are_one_short_line(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert len(line) < 4200
    assert "9" * 300 not in line
    assert list(tmp_path.iterdir()) == []


def forbid_reading(path, monkeypatch):
    """Let a file be one that the user may not read; root may read all."""
    allowed = builtins.open

    def open_or_refuse(file, *arguments, **options):
        if not isinstance(file, int) and Path(os.fsdecode(file)) == path:
            raise PermissionError(13, "Permission denied", str(file))
        return allowed(file, *arguments, **options)

    monkeypatch.setattr(builtins, "open", open_or_refuse)
    monkeypatch.setattr(io, "open", open_or_refuse)  # of pathlib


@pytest.mark.parametrize("kind", ["sound", "checkpoint", "settings"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(
    kind, checkpoint, mixtures, tmp_path, monkeypatch, capsys
):
    files = {
        "sound": shutil.copy(mixtures / "test/000000.wav", tmp_path / "a.wav"),
        "checkpoint": shutil.copy(checkpoint, tmp_path / "r.ckpt"),
        "settings": tmp_path / "s.json",
    }
    files["settings"].write_text("{}")
    forbid_reading(Path(files[kind]), monkeypatch)
    flags = ["--checkpoint_path", files["checkpoint"], "--input", files["sound"]]
    flags += ["--settings", files["settings"]] if kind == "settings" else []
    assert main(["separate", *map(str, flags), "--output_folder", str(tmp_path / "o")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(files[kind]) in line
    assert "Permission denied" in line
    assert "damaged" not in line
    assert "cut short" not in line


def test_a_report_of_a_run_that_can_not_be_written_is_refused_before_it_is_scored(
    checkpoint, tmp_path, monkeypatch, capsys
):
    run = tmp_path / "r"
    shutil.copytree(checkpoint.with_suffix(""), run)
    for path in run.glob("scores*"):
        path.unlink()
    shutil.copy(checkpoint, tmp_path / "r.ckpt")
    make_file = tempfile.TemporaryFile

    def refuse(*arguments, dir=None, **options):
        if dir is not None and Path(dir) == run:
            raise OSError(30, "Read-only file system", str(dir))
        return make_file(*arguments, dir=dir, **options)

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr("absslab.report.report.score_run", None)
    output = tmp_path / "elsewhere" / "r.html"
    assert main(["report", "--run_directory", str(run), "--output", str(output)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{run} is not scored, and its scores can't be written there" in line


READ_ONLY = """
mount -t tmpfs tmpfs $1 || exit 77
cp -r $2 $1/m && cp -r $3 $1/e && cp $4 $1/r.ckpt && mount -o remount,ro $1 || exit 77
cd $5
exec $6 -c '
from absslab.cli.main import main
import sys
import tempfile
from pathlib import Path
steps = [
    f"mix --event_folder {sys.argv[1]}/e --output_folder o --n_files 10 --length 1",
    f"train {sys.argv[2]} --data_folder {sys.argv[1]}/m --save_path n.ckpt --n_epochs 1",
    f"evaluate --checkpoint_path {sys.argv[1]}/r.ckpt --data_folder {sys.argv[1]}/m"
    " --bss_eval none --n_resamples 0 --output s.json",
    f"separate --checkpoint_path {sys.argv[1]}/r.ckpt --input {sys.argv[1]}/m/test"
    " --output_folder p",
]
sys.exit(max(main(step.split()) for step in steps))' $1 "$7"
"""


def test_data_on_a_read_only_disk_are_used(
    checkpoint, mixtures, event_folder, small_model, tmp_path
):
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare")
    (tmp_path / "disk").mkdir()
    (tmp_path / "work").mkdir()
    flags = " ".join(f"--{name} {value}" for name, value in small_model.items() if name in SMALL)
    places = [tmp_path / "disk", mixtures, event_folder, checkpoint, tmp_path / "work"]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", READ_ONLY, "", *places, sys.executable, flags],
        capture_output=True,
        text=True,
        timeout=200,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"mounting is not allowed: {done.stderr}")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def locked_class(event_folder, tmp_path):
    """Recordings in a sub-folder per class, of which one may not be read.

    They are half as loud as those of `event_folder`: none is a copy.
    """
    folder = tmp_path / "e"
    for path in event_folder.iterdir():
        name = path.stem.rstrip("0123456789")
        (folder / name).mkdir(parents=True, exist_ok=True)
        samples, rate = sound_files.load_channels(path)
        sound_files.save(folder / name / path.name, samples / 2, rate)
    locked = folder / "speech"
    locked.chmod(0)
    yield locked
    locked.chmod(0o700)


@pytest.mark.parametrize("flag", ["--event_folder", "--background_folder"])
@pytest.mark.usefixtures("plain_user")
def test_a_class_whose_folder_may_not_be_read_is_never_passed_over(
    flag, locked_class, event_folder, tmp_path, capsys
):
    folders = {"--event_folder": event_folder, flag: locked_class.parent}
    flags = [str(part) for item in folders.items() for part in item]
    flags += ["--output_folder", str(tmp_path / "m"), "--n_files", "10", "--length", "1"]
    assert main(["mix", *flags, "--n_workers", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{locked_class} can't be read: Permission denied" in line
    assert not (tmp_path / "m").exists()
    assert main(["mix", *flags, "--n_workers", "1", "--on_error", "skip"]) == 3
    assert str(locked_class) in (tmp_path / "m/left_out.csv").read_text()
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.usefixtures("plain_user")
def test_sounds_that_may_not_be_read_do_not_stop_the_others(
    locked_class, checkpoint, tmp_path, capsys
):
    inside = min(locked_class.parent.glob("knock/*"))
    locked_class.chmod(0o700)
    closed = min(locked_class.iterdir())
    for given, mode in ((locked_class, 0o400), (locked_class, 0), (closed, 0)):
        locked_class.chmod(mode)  # of 400, files are listed, but can't be opened
        output = tmp_path / f"o-{given.stem}-{mode}"
        flags = ["--checkpoint_path", checkpoint, "--input", given, inside]
        assert main(["separate", *map(str, flags), "--output_folder", str(output)]) == 3
        assert "can't be read: Permission denied" in (output / "left_out.csv").read_text()
        assert (output / inside.stem / "residual.wav").exists()
    capsys.readouterr()


def test_a_folder_without_sounds_does_not_stop_the_others(checkpoint, mixtures, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    flags = ["--checkpoint_path", checkpoint, "--output_folder", tmp_path / "o"]
    flags += ["--input", empty, mixtures / "test/000000.wav"]
    assert main(["separate", *map(str, flags)]) == 3
    assert f"{empty} holds no sound file" in (tmp_path / "o/left_out.csv").read_text()
    assert (tmp_path / "o/000000/residual.wav").exists()
    assert main(["separate", *map(str, flags), "--on_error", "stop"]) == 2
    capsys.readouterr()


@pytest.mark.usefixtures("plain_user")
def test_references_that_may_not_be_read_are_left_out(checkpoint, mixtures, tmp_path, capsys):
    shutil.copytree(mixtures, tmp_path / "m")
    locked = tmp_path / "m/test/000000"
    locked.chmod(0)
    flags = ["--checkpoint_path", checkpoint, "--data_folder", tmp_path / "m", "--bss_eval", "none"]
    flags += ["--n_resamples", "0", "--output", tmp_path / "s.json", "--on_error"]
    try:
        assert main(["evaluate", *map(str, flags), "stop"]) == 2
        (line,) = capsys.readouterr().err.splitlines()[-1:]
        assert f"{locked} can't be read: Permission denied" in line
        assert main(["evaluate", *map(str, flags), "skip"]) == 3
    finally:
        locked.chmod(0o700)
    capsys.readouterr()
    assert list(json.loads((tmp_path / "s.json").read_text())["left_out"]) == ["000000.wav"]


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_may_never_end_is_not_waited_for(kind, checkpoint, mixtures, tmp_path, capsys):
    place = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
    else:
        place = Path("/dev/zero")
    separate = ["--checkpoint_path", checkpoint, "--input", mixtures / "test"]
    recordings = ["--data_set_type", "weakly_labelled_folder", "--data_folder", mixtures / "test"]
    for command in (
        ["separate", *separate, "--output_folder", tmp_path / "o", "--settings", place],
        ["compare", place, place],
        ["mix", "--event_folder", mixtures, "--output_folder", tmp_path / "m", "--recordings_csv"]
        + [place],
        ["train", *recordings, "--save_path", tmp_path / "r.ckpt", "--labels", place],
    ):
        assert main([str(part) for part in command]) == 2, command
        (line,) = capsys.readouterr().err.splitlines()
        assert f"{place} is a {kind}" in line


@pytest.mark.parametrize(
    "flags",
    [
        "separate --checkpoint_path r.ckpt --output_folder o --input=",
        "mix --event_folder e --output_folder o --recordings_csv=",
        "train --data_folder d --save_path r.ckpt --labels=",
        "evaluate --checkpoint_path r.ckpt --data_folder=",
        "evaluate --checkpoint_path r.ckpt --output=",
        "evaluate --checkpoint_path r.ckpt --status_path=",
        "train --checkpoint_path=",
        "compare a.json b.json --output=",
        "fetch esc50 --output_folder=",
    ],
)
def test_a_path_that_is_empty_is_not_taken_for_another(flags, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # "" would be this folder, or no table
    assert main(flags.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is empty" in line
