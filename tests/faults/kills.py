"""Kill commands at random moments, or fill the disk, and let them go on: nothing may be lost."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from isolated import Outcome, run_isolated
from material import MODEL, PACKING, Material, words

from absslab.cli.main import main

_SECONDS = 300.0  # after which a command counts as hanging
_MOST_KILLS = 6  # of a job, before it may end
_CHANGING = ("seconds", "recordings_per_second")  # names of what differs from run to run


@dataclass(frozen=True)
class Job:
    """A command whose process is killed, and called again.

    Args:
        arguments: returns the arguments of the command, given the material and the folder of its
            output; after a kill too.
        results: patterns of the files that must be the same as without a kill.
        share: of all kills.
    """

    arguments: Callable[[Material, Path], list[str]]
    results: tuple[str, ...]
    share: float


def _mix(material: Material, output: Path, n_workers: int = 1) -> list[str]:
    flags = {
        "--event_folder": material.events,
        "--output_folder": output / "mixtures",
        "--n_files": 30,
        "--length": 1,
        "--n_workers": n_workers,
    }
    return ["mix", *words(flags)]


def _train(material: Material, output: Path) -> list[str]:
    last = output / "run" / "last.ckpt"
    if last.exists():
        return ["train", "--checkpoint_path", str(last)]
    flags = MODEL | {
        "--data_folder": material.mixtures,
        "--save_path": output / "run.ckpt",
        "--n_epochs": 4,
        "--test_every": 1,
    }
    return ["train", *words(flags)]


def _pack(material: Material, output: Path) -> list[str]:
    return ["pack", str(material.mixtures), str(output / "shards"), *words(PACKING)]


def _train_on_shards(material: Material, output: Path) -> list[str]:
    arguments = _train(material, output)
    if "--data_folder" not in arguments:
        return arguments
    arguments[arguments.index("--data_folder") + 1] = str(material.shards)
    return [*arguments, "--data_set_type", "weakly_labelled_shards"]


def _evaluate(material: Material, output: Path) -> list[str]:
    flags = {
        "--checkpoint_path": material.checkpoint,
        "--output": output / "scores.json",
        "--device": "cpu",
        "--n_resamples": 50,
    }
    return ["evaluate", *words(flags)]


def _separate(material: Material, output: Path) -> list[str]:
    flags = {
        "--checkpoint_path": material.checkpoint,
        "--input": material.mixtures / "train",
        "--output_folder": output / "separated",
        "--device": "cpu",
    }
    return ["separate", *words(flags)]


def _report(material: Material, output: Path) -> list[str]:
    flags = {
        "--run_directory": material.folder / "run",
        "--output": output / "report.html",
        "--n_examples": 0,
        "--device": "cpu",
    }
    return ["report", *words(flags)]


def _mix_in_processes(material: Material, output: Path) -> list[str]:
    return _mix(material, output, n_workers=2)


def _compare(material: Material, output: Path) -> list[str]:
    scores = str(material.folder / "run" / "scores.json")
    return ["compare", scores, scores, "--output", str(output / "compared.json")]


JOBS = {
    "mix": Job(_mix, ("mixtures/**/*",), 0.21),
    "mix in processes": Job(_mix_in_processes, ("mixtures/**/*",), 0.05),
    "pack": Job(_pack, ("shards/**/*",), 0.06),
    "train": Job(_train, ("run.ckpt", "run/metrics.jsonl"), 0.22),
    "train on shards": Job(_train_on_shards, ("run.ckpt", "run/metrics.jsonl"), 0.1),
    "evaluate": Job(_evaluate, ("scores.json", "scores.csv"), 0.14),
    "compare": Job(_compare, ("compared.json",), 0.04),
    "separate": Job(_separate, ("separated/**/*",), 0.16),
    "report": Job(_report, ("report.html",), 0.02),
}


def without_times(value: object) -> object:
    """Return a JSON tree without what differs from one run to the next."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in _CHANGING}
    if isinstance(value, list):
        return [without_times(item) for item in value]
    return value


def fingerprint(path: Path) -> str:
    """Return what a file holds, as a text that two runs have in common."""
    if path.suffix in (".json", ".jsonl"):
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        documents = [without_times(json.loads(line)) for line in lines]
        if path.name == "metrics.jsonl":  # an epoch is repeated after a kill; its last line counts
            documents = list({document["epoch"]: document for document in documents}.values())
        return json.dumps(documents, sort_keys=True)
    if path.suffix == ".html":  # it holds times and folders
        text = path.read_text()
        assert text.rstrip().endswith("</html>"), "the report has no end"
        return str(re.findall(r"<h[1-6]\b.*?</h[1-6]>|<img\b|<audio\b", text, flags=re.DOTALL))
    if path.suffix == ".ckpt":
        weights = torch.load(path, weights_only=True)["weights"]
        return str({name: hash_bytes(value.numpy().tobytes()) for name, value in weights.items()})
    return hash_bytes(path.read_bytes())


def hash_bytes(content: bytes) -> str:
    """Return a checksum."""
    return hashlib.sha256(content).hexdigest()


def read_results(job: Job, output: Path) -> dict[str, str]:
    """Return what the result files of a job hold, by their names."""
    paths = {path for pattern in job.results for path in output.glob(pattern) if path.is_file()}
    return {str(path.relative_to(output)): fingerprint(path) for path in sorted(paths)}


@dataclass(frozen=True)
class Trial:
    """A kill, or a full disk, and what came of it.

    Args:
        kind: the job.
        fault: what is wrong; empty if nothing is.
        printed: the output of the command.
    """

    kind: str
    fault: str
    printed: str


def call(arguments: list[str], output: Path, **limits: float | None) -> Outcome:
    """Run a command in a process of its own."""
    return run_isolated(lambda: main(arguments), output, seconds=_SECONDS, **limits)  # type: ignore[arg-type]


def kill_again_and_again(
    name: str, material: Material, folder: Path, generator: np.random.Generator
) -> Iterator[Trial]:
    """Kill a job at random moments, let it go on, and compare its results at the end.

    Yields:
        a trial per kill; and one more if the results at the end are not as without a kill.
    """
    job = JOBS[name]
    expected, seconds = _undisturbed(name, material, folder)
    output = folder / f"{name}-{generator.integers(2**32):08x}"
    output.mkdir()
    n_kills = 0
    while True:
        kill_after = float(generator.uniform(0, seconds)) if n_kills < _MOST_KILLS else None
        outcome = call(job.arguments(material, output), output, kill_after=kill_after)
        if outcome.status != -9 or outcome.is_late:
            break
        n_kills += 1
        yield Trial(name, "", outcome.printed)
    fault = outcome.fault or find_difference(read_results(job, output), expected)
    if fault:
        yield Trial(name, fault, outcome.printed)


def fill_the_disk(
    name: str, material: Material, folder: Path, generator: np.random.Generator
) -> Iterator[Trial]:
    """Run a job while no file can grow beyond a random size, then let it go on without a limit."""
    job = JOBS[name]
    expected, _ = _undisturbed(name, material, folder)
    output = folder / f"{name}-full-{generator.integers(2**32):08x}"
    output.mkdir()
    limit = int(10 ** generator.uniform(0, 6))
    outcome = call(job.arguments(material, output), output, max_file_size=limit)
    # What another library says of a full disk may end with status 1.
    fault = "" if outcome.fault in ("", "status 1") else outcome.fault
    printed = outcome.printed
    if not fault:
        again = call(job.arguments(material, output), output)
        fault = again.fault or find_difference(read_results(job, output), expected)
        printed += again.printed
    yield Trial(f"{name}, full disk", fault, f"{limit} bytes\n{printed}")


_REFERENCES: dict[str, tuple[dict[str, str], float]] = {}


def _undisturbed(name: str, material: Material, folder: Path) -> tuple[dict[str, str], float]:
    """Return the results of a job that nobody disturbs, and how many seconds it takes."""
    if name not in _REFERENCES:
        output = folder / f"{name}-undisturbed"
        output.mkdir()
        outcome = call(JOBS[name].arguments(material, output), output)
        assert outcome.status == 0, outcome.printed
        _REFERENCES[name] = (read_results(JOBS[name], output), outcome.seconds)
    return _REFERENCES[name]


def find_difference(results: dict[str, str], expected: dict[str, str]) -> str:
    """Return in words what is not as expected; nothing if all is."""
    if missing := sorted(expected.keys() - results.keys()):
        return f"lost: {missing[0]}"
    if added := sorted(results.keys() - expected.keys()):
        return f"left over: {added[0]}"
    different = [name for name, content in expected.items() if results[name] != content]
    return f"different: {different[0]}" if different else ""
