"""Hostile inputs: each kind damages copies of good files, and gives them to what reads them."""

import hashlib
import io
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import torch
from material import CLASSES, MODEL, Material, words
from mutations import (
    ODD_VALUES,
    damage_bytes,
    damage_json,
    damage_table,
    damage_tree,
    is_damaging,
)
from sound_kinds import KINDS as ALL_SOUND_KINDS

from absslab.cli.main import main
from absslab.core.audio.uploaded_sounds import inspect_upload, transcode_upload
from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end
from absslab.core.data.layouts import DataConfig, find_layout
from absslab.core.data.strong_labels import read_events
from absslab.core.runs.catalogue import find_runs, tabulate_runs
from absslab.core.runs.run_scores import read_run_scores
from absslab.core.training.run_directory import RunReader

Work = Callable[[], int | None]
Prepare = Callable[[Material, Path, np.random.Generator], Work]
MARKER = "code of a file was run"
# Those that this PyAV can write.
SOUND_KINDS = [
    kind for kind in ALL_SOUND_KINDS if kind.container or kind.coding in av.codecs_available
]


@dataclass(frozen=True)
class Kind:
    """A kind of hostile input.

    Args:
        prepare: writes an input to an empty folder, and returns the work that reads it.
        share: of all inputs.
        n_each: number of inputs in one process.
    """

    prepare: Prepare
    share: float
    n_each: int = 1


def as_command(work: Callable[[], object]) -> int:
    """Do work that is no command, with the exit status and the message of one."""
    try:
        work()
    except InputError as error:
        print(error)
        return 2
    except OSError as error:
        print(error)
        return 2
    return 0


def link_tree(source: Path, copy: Path) -> None:
    """Make a folder tree whose files are links to those of another."""
    shutil.copytree(source, copy, copy_function=os.symlink)


def replace_file(path: Path, content: bytes) -> None:
    """Put a file in the place of a link, whose target stays as it is."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def make_sound(folder: Path, generator: np.random.Generator) -> tuple[bytes, str]:
    """Return a damaged sound file of any kind, and its suffix.

    Args:
        folder: for the file before it is damaged.
        generator: draws the kind, the sound and the damage.
    """
    kind = SOUND_KINDS[int(generator.integers(len(SOUND_KINDS)))]
    samples = 0.1 * generator.standard_normal(kind.rate // 2).astype(np.float32)
    if kind.name == "wav float" and is_damaging() and generator.random() < 0.5:
        samples[int(generator.integers(len(samples)))] = generator.choice([np.nan, np.inf, 3.4e38])
    path = kind.write(folder / f"whole{kind.suffix}", samples, kind.rate)
    content = path.read_bytes()
    path.unlink()
    suffix = kind.suffix
    if is_damaging() and generator.random() < 0.1:
        suffix = SOUND_KINDS[int(generator.integers(len(SOUND_KINDS)))].suffix
    return damage_bytes(content, generator), suffix


def prepare_sound(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Separate a folder with a good and a damaged sound file: the good one must be done."""
    content, suffix = make_sound(folder, generator)
    sounds = folder / "sounds"
    sounds.mkdir()
    good = sorted(material.mixtures.glob("test/*.wav"))[0]
    shutil.copy(good, sounds / "good.wav")
    (sounds / f"damaged{suffix}").write_bytes(content)
    flags = {
        "--checkpoint_path": material.checkpoint,
        "--input": sounds,
        "--output_folder": folder / "separated",
        "--device": "cpu",
    }

    def work() -> int:
        status = main(["separate", *words(flags)])
        residual = folder / "separated" / "good" / "residual.wav"
        assert residual.is_file(), "the good file was not separated"
        assert soundfile.info(residual).frames == soundfile.info(good).frames
        assert (sounds / f"damaged{suffix}").read_bytes() == content
        return status

    return work


def prepare_upload_of_sound(
    material: Material, folder: Path, generator: np.random.Generator
) -> Work:
    """Decode a damaged sound file as that of a visitor."""
    content, suffix = make_sound(folder, generator)
    raw = folder / f"raw{suffix}"
    raw.write_bytes(content)
    decoded = folder / "decoded.wav"

    def accept() -> None:
        inspect_upload(raw, name="x", max_duration=5.0)
        run_to_end(transcode_upload(raw, decoded, name="x", max_duration=5.0))
        assert np.isfinite(soundfile.read(decoded)[0]).all()

    return lambda: as_command(accept)


def prepare_labels(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Read a folder whose table of weak labels is damaged."""
    layout = str(generator.choice(["mixture_folder", "weakly_labelled_folder"]))
    data = folder / "data"
    table = "weak_labels.csv"
    if layout == "mixture_folder":
        link_tree(material.mixtures, data)
        path = data / str(generator.choice(["train", "validation", "test"])) / table
    else:
        link_tree(material.mixtures / "train", data)
        path = data / table
    text = path.read_text()
    if layout == "weakly_labelled_folder" and generator.random() < 0.5:
        path.unlink()
        path = data / "weak.tsv"
        text = "filename\tevent_labels\n" + "".join(
            f"{sound.name}\t{','.join(generator.choice(CLASSES, 2, replace=False))}\n"
            for sound in sorted(data.glob("*.wav"))
        )
    replace_file(path, damage_table(text, generator))
    config = DataConfig(data_folder=str(data), data_set_type=layout)
    return lambda: as_command(lambda: find_layout(layout)(config, data))


def prepare_events(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Read a damaged table of events."""
    path = folder / "events.tsv"
    source = material.mixtures / "test"
    path.write_bytes(damage_table((source / "events.tsv").read_text(), generator))
    durations = {sound.name: 1.0 for sound in source.glob("*.wav")}
    return lambda: as_command(lambda: read_events(path, classes=CLASSES, durations=durations))


def prepare_event_tables(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Convert a damaged label track of Audacity or selection table of Raven."""
    if generator.random() < 0.5:
        text = "0.1\t0.4\tknock\n0.5\t0.75\talert\n"
        path = folder / "000000.txt"
    else:
        text = (
            "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tAnnotation\n"
            "1\tWaveform 1\t1\t0.1\t0.4\tknock\n2\tWaveform 1\t1\t0.5\t0.75\talert\n"
        )
        path = folder / "000000.Table.1.selections.txt"
    path.write_bytes(damage_table(text, generator))
    flags = {"--input": path, "--output": folder / "events.tsv"}
    return lambda: main(["labels", "convert", *words(flags)])


def prepare_recordings_table(
    material: Material, folder: Path, generator: np.random.Generator
) -> Work:
    """Mix recordings that a damaged table names."""
    table = folder / "recordings.csv"
    rows = [f"{path.name},{path.stem[:-2]}" for path in sorted(material.events.glob("*.wav"))]
    text = "\n".join(["filename,event_label", *rows]) + "\n"
    table.write_bytes(damage_table(text, generator))
    flags = _mixing_flags(material, folder / "mixtures") | {"--recordings_csv": table}
    return lambda: main(["mix", *words(flags)])


def _mixing_flags(material: Material, output: Path) -> dict[str, object]:
    return {
        "--event_folder": material.events,
        "--output_folder": output,
        "--n_files": 4,
        "--length": 0.5,
        "--max_event": 1,
        "--n_workers": 1,
        "--split_percentages": (50, 25, 25),
    }


def prepare_run_files(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Read a run directory of which a file is damaged."""
    runs = folder / "runs"
    link_tree(material.folder / "run", runs / "run")
    shutil.copy(material.checkpoint, runs / "run.ckpt")
    names = ("config.json", "status.json", "metrics.jsonl", "scores.json", "scores.csv")
    path = runs / "run" / names[int(generator.integers(len(names)))]
    text = path.read_text()
    damaged = damage_table if path.suffix == ".csv" else damage_json
    replace_file(path, damaged(text, generator))

    def read() -> None:
        found = find_runs(runs)
        tabulate_runs(found)
        assert len(found) == 1, "the run is not listed"
        reader = RunReader.open(runs / "run")
        reader.poll()
        reader.status()
        read_run_scores(runs / "run", "test")

    def work() -> int:
        status = as_command(read)
        scores = [str(runs / "run" / "scores.json"), str(material.folder / "run" / "scores.json")]
        return max(status, main(["compare", *scores, "--n_resamples", "100"]))

    return work


def prepare_mixture_files(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Go on with a folder of mixtures whose manifest or list of mixtures is damaged."""
    mixtures = folder / "mixtures"
    shutil.copytree(material.folder / "few_mixtures", mixtures)
    path = mixtures / str(generator.choice(["manifest.json", "train/mixtures.jsonl"]))
    path.write_bytes(damage_json(path.read_text(), generator))
    flags = _mixing_flags(material, mixtures)
    return lambda: main(["mix", *words(flags)])


def prepare_shards(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Train on shards of which one, or their list, is damaged."""
    shards = folder / "shards"
    link_tree(material.shards, shards)
    paths = [shards / "shards.json", *sorted(shards.glob("*.tar"))]
    path = paths[int(generator.integers(len(paths)))]
    if path.suffix == ".json":
        replace_file(path, damage_json(path.read_text(), generator))
    else:
        content = damage_bytes(path.read_bytes(), generator)
        replace_file(path, content)
        listed = json.loads((shards / "shards.json").read_text())
        for shard in listed["shards"]:
            if shard["name"] == path.name and generator.random() < 0.7:  # no checksum tells then
                shard["n_bytes"] = len(content)
                shard["sha256"] = hashlib.sha256(content).hexdigest()
        replace_file(shards / "shards.json", json.dumps(listed).encode())
    flags = MODEL | {
        "--data_folder": shards,
        "--data_set_type": "weakly_labelled_shards",
        "--save_path": folder / "run.ckpt",
        "--n_epochs": 2,
    }
    return lambda: main(["train", *words(flags)])


def prepare_settings(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Separate with a damaged file of settings."""
    path = folder / "settings.json"
    path.write_bytes(damage_json((material.folder / "settings.json").read_text(), generator))
    flags = {
        "--checkpoint_path": material.checkpoint,
        "--input": sorted(material.mixtures.glob("test/*.wav"))[0],
        "--output_folder": folder / "separated",
        "--settings": path,
        "--device": "cpu",
    }
    return lambda: main(["separate", *words(flags)])


class _RunsCode:
    """A pickle that would run a command when it is loaded."""

    def __reduce__(self):
        return (os.system, (f"echo {MARKER}",))


def prepare_checkpoint(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Separate with a damaged checkpoint."""
    path = folder / "model.ckpt"
    flags = {
        "--checkpoint_path": path,
        "--input": sorted(material.mixtures.glob("test/*.wav"))[0],
        "--output_folder": folder / "separated",
        "--device": "cpu",
    }
    way = generator.random()

    def work() -> int:
        content = material.checkpoint.read_bytes()
        if way < 0.5:
            path.write_bytes(damage_bytes(content, generator))
        elif way < 0.55 and is_damaging():
            path.write_bytes(pickle.dumps({"weights": _RunsCode()}))
        else:
            tree = torch.load(io.BytesIO(content), weights_only=True)
            odd = (*ODD_VALUES, torch.zeros(2, 3), torch.full((4,), torch.nan))
            torch.save(damage_tree(tree, generator, odd=odd), path)
        return main(["separate", *words(flags)])

    return work


_FLAG = re.compile(r"^  (--\w+)(?: [A-Z])", re.MULTILINE)
# These may rightly take long, or much memory.
_SIZES = re.compile("n_files|n_epochs|n_workers|n_loaders|channels|context|n_resamples|device|size")
_ODD_WORDS = (
    *("", " ", "x", "-", "--", "nan", "inf", "-inf", "0", "-1", "1e-320", "1e400", "9" * 400),
    *("1,2", "1,2,3,4", "True", "None", "[]", "{}", "../..", "/dev/null", "/dev/full", "é\u202e"),
    *("A" * 10_000, "0.5", "1", "3", "1000000"),
)


def find_flags(command: str) -> list[str]:
    """Return the flags of a command that take a value."""
    text = io.StringIO()
    with redirect_stdout(text), suppress(SystemExit):
        main([command, "--help"])
    return [flag for flag in _FLAG.findall(text.getvalue()) if not _SIZES.search(flag)]


def prepare_flags(material: Material, folder: Path, generator: np.random.Generator) -> Work:
    """Call a command with odd values of one to three flags."""
    mixture = sorted(material.mixtures.glob("test/*.wav"))[0]
    of_checkpoint = {"--checkpoint_path": material.checkpoint, "--device": "cpu"}
    training = {"--data_folder": material.mixtures, "--save_path": "run.ckpt", "--n_epochs": 1}
    good: dict[str, dict[str, object]] = {
        "mix": _mixing_flags(material, folder / "mixtures"),
        "train": {**MODEL, **training},
        "evaluate": of_checkpoint | {"--output": "scores.json", "--n_resamples": 10},
        "separate": of_checkpoint | {"--input": mixture, "--output_folder": "separated"},
    }
    command = str(generator.choice(list(good)))

    def work() -> int:
        flags = good[command]
        known = find_flags(command)
        for _ in range(int(generator.integers(1, 4)) if is_damaging() else 0):
            flag = known[int(generator.integers(len(known)))]
            flags[flag] = _ODD_WORDS[int(generator.integers(len(_ODD_WORDS)))]
        arguments = words(flags)
        print(json.dumps([command, *arguments])[:2000])
        return main([command, *arguments])

    return work


def prepare_upload_messages(
    material: Material, folder: Path, generator: np.random.Generator
) -> Work:
    """Send messages of the upload protocol in an odd order, and with odd contents."""
    sound = sorted(material.mixtures.glob("test/*.wav"))[0].read_bytes()

    def work() -> None:
        from absslab.widgets.ui.upload import Limits, Upload

        uploads = folder / "uploads"
        uploads.mkdir()
        limits = Limits(size=len(sound), count=5, duration=2.0)
        upload = Upload(uploads, limits, arrived=lambda uploaded: None)
        number = 0
        for _ in range(int(generator.integers(1, 12))):
            if generator.random() < 0.4:
                number += 1
            half = len(sound) // 2
            messages: tuple[tuple[dict[str, object], list[bytes]], ...] = (
                ({"type": "begin", "number": number, "name": "a.wav", "size": len(sound)}, []),
                ({"type": "piece", "number": number, "offset": 0}, [sound[:half]]),
                ({"type": "piece", "number": number, "offset": half}, [sound[half:]]),
                ({"type": "piece", "number": number, "offset": 0}, [sound]),
                ({"type": "cancel"}, []),
            )
            content, buffers = messages[int(generator.integers(len(messages)))]
            if generator.random() < 0.5:
                content = damage_tree(content, generator)
            if generator.random() < 0.2:
                buffers = [damage_bytes(b"x" * 100, generator)] * int(generator.integers(0, 3))
            data = {"method": "custom", "content": content}
            upload._handle_msg({"content": {"data": data}, "buffers": buffers})
            if generator.random() < 0.5:
                upload._loop.settle()
            size = sum(path.stat().st_size for path in uploads.iterdir())
            assert size <= 4 * len(sound), f"{size} bytes are kept"
        upload._loop.settle()
        upload.close()
        assert list(uploads.iterdir()) == [], "files are left"

    return lambda: as_command(work)


def prepare_socket_messages(
    material: Material, folder: Path, generator: np.random.Generator
) -> Work:
    """Check damaged messages of a web socket, and read those that pass as the server does."""

    def work() -> None:
        from jupyter_server.services.kernels.connection.base import (
            deserialize_msg_from_ws_v1,
            serialize_msg_to_ws_v1,
        )

        from absslab.widgets.dashboards.kernel_messages import MessageError, check_message

        for _ in range(SOCKET_MESSAGES):
            header: object = {"msg_id": "a" * 32, "msg_type": "comm_msg", "session": "x"}
            content: object = {"comm_id": "a" * 32, "data": {"method": "update", "state": {}}}
            if generator.random() < 0.6:
                content = damage_tree(content, generator)
            if generator.random() < 0.3:
                header = damage_tree(header, generator)
            documents = (header, {}, {}, content)
            parts = [*(json.dumps(document).encode() for document in documents), b"x" * 10]
            message: str | bytes = serialize_msg_to_ws_v1(parts, "shell")
            if generator.random() < 0.7:
                message = damage_bytes(bytes(message), generator)
            if generator.random() < 0.05:
                message = bytes(message).decode(errors="replace")
            try:
                check_message(message)
            except MessageError:
                continue
            if isinstance(message, bytes):
                deserialize_msg_from_ws_v1(message)

    return lambda: as_command(work)


SOCKET_MESSAGES = 100

KINDS = {
    "sounds": Kind(prepare_sound, 0.17),
    "uploaded sounds": Kind(prepare_upload_of_sound, 0.15),
    "tables of labels": Kind(prepare_labels, 0.12),
    "tables of events": Kind(prepare_events, 0.06),
    "tables of other programs": Kind(prepare_event_tables, 0.02),
    "tables of recordings": Kind(prepare_recordings_table, 0.04),
    "files of runs": Kind(prepare_run_files, 0.08),
    "files of mixtures": Kind(prepare_mixture_files, 0.04),
    "shards": Kind(prepare_shards, 0.06),
    "settings": Kind(prepare_settings, 0.04),
    "checkpoints": Kind(prepare_checkpoint, 0.06),
    "flags": Kind(prepare_flags, 0.05),
    "messages of uploads": Kind(prepare_upload_messages, 0.05),
    "messages of web sockets": Kind(prepare_socket_messages, 0.06, n_each=SOCKET_MESSAGES),
}
