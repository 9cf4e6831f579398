"""Compare the noise suppression of ABSSLab with that of other packages, on mixtures with speech.

    python benchmarks/noise_suppression.py --benchmark_folder data/benchmark

It takes models and test mixtures of a finished `absslab benchmark`. All get the same mixtures that
hold the class `--keep`; what they return is shifted by the delay that it has to the mixtures, which
is the same for all mixtures. The files are kept in the output folder: to listen to them, and so
that a script that is started again goes on. What they cost is measured on some of the mixtures,
alternately, each time in a process of its own with one thread. Packages that are not installed are
left out; `pip install 'absslab[benchmark]'` brings them all.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import suppressors
from suppressors import MAX_DELAY, SUPPRESSORS, Cost, Job

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.files import write_text
from absslab.core.data.mixture_folder import mixture_names, source_files
from absslab.core.evaluation.scorer import is_audible
from absslab.core.metrics.separation import plain_sdr, si_sdr
from absslab.core.runs.benchmark_conditions import CONDITIONS

HINT = "(pip install 'absslab[benchmark]')"
_DEFAULT_CONDITIONS = ("overlap", "background", "loud_background")
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
PERCEPTUAL = {"pesq": "PESQ", "stoi": "STOI", "estoi": "ESTOI"}  # the columns and their titles
PERCEPTUAL_RATE = 16000  # Hz: of wideband PESQ
MODULES = {"pesq": "pesq", "stoi": "pystoi", "estoi": "pystoi"}
WORST = {"pesq": 1.0, "stoi": 0.0, "estoi": 0.0}  # of silence


@dataclass(frozen=True)
class Source:
    """A test mixture that holds the class that is kept, and that class alone."""

    mixture: Path
    reference: Path


def find_sources(folder: Path, keep: str) -> list[Source]:
    """Find the test mixtures that hold a class."""
    sources = []
    for name in mixture_names(folder, "test"):
        path = folder / "test" / name
        files = source_files(path)
        if keep in files and is_audible(sound_files.load(files[keep])):
            sources.append(Source(path, files[keep]))
    return sources


@dataclass(frozen=True)
class TestSet:
    """The model of a condition and a seed, and the test mixtures that hold the class."""

    condition: str
    seed: int
    model: Path
    sources: list[Source]


def find_test(arguments: argparse.Namespace, condition: str, seed: int) -> TestSet:
    """Find the model and the mixtures of a condition.

    Raises:
        InputError: the model or the mixtures are missing, or no mixture holds the class.
    """
    folder = arguments.benchmark_folder
    trained = CONDITIONS[condition].model_of or condition
    model = folder / "runs" / f"{trained}-{arguments.recipe}-weak-{seed}.ckpt"
    mixtures = folder / "mixtures" / f"{condition}-{seed}"
    if not model.exists():
        raise InputError(
            "{path} does not exist: expected the folder of an absslab benchmark, with the model of "
            "this condition, recipe and seed",
            path=model,
        )
    sources = find_sources(mixtures, arguments.keep)
    if not sources:
        raise InputError(
            f"no test mixture of {{path}} holds the class {arguments.keep}: choose another with "
            "--keep",
            path=mixtures,
        )
    return TestSet(condition, seed, model, sources[: arguments.n_mixtures])


def run_in_process(job: Job) -> Cost:
    """Suppress the noise of mixtures in a process of its own."""
    finished = subprocess.run(
        [sys.executable, suppressors.__file__],
        input=json.dumps(asdict(job)),
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Cost(**json.loads(finished.stdout.splitlines()[-1]))


def suppress_missing(
    suppressor: str, sources: Sequence[Source], folder: Path, model: Path, keep: str
) -> None:
    """Suppress the noise of the mixtures for which the folder has no file that is up to date."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for item in sources:
        used = [item.mixture, model] if suppressor == "ABSSLab" else [item.mixture]
        output = folder / item.mixture.name
        if not output.exists() or output.stat().st_mtime < max(x.stat().st_mtime for x in used):
            missing.append(str(item.mixture))
    if missing:
        run_in_process(Job(suppressor, missing, str(folder), str(model), keep))


def find_delay(mixture: np.ndarray, suppressed: np.ndarray, rate: int) -> int:
    """Find by how many samples a suppressor is late: where both correlate most.

    Shape:
        (N,), (n,) → int ≥ 0.
    """
    n = 1 << (len(mixture) + len(suppressed)).bit_length()
    spectrum = np.fft.rfft(suppressed, n) * np.fft.rfft(mixture, n).conj()
    return int(np.argmax(np.fft.irfft(spectrum, n)[: round(MAX_DELAY * rate) + 1]))


def shift(suppressed: np.ndarray, delay: int, n_samples: int) -> np.ndarray:
    """Cut off a delay; what is then missing at the end is silent.

    Shape:
        (n,) → (n_samples,).
    """
    shifted = np.zeros(n_samples, np.float32)
    samples = suppressed[delay : delay + n_samples]
    shifted[: len(samples)] = samples
    return shifted


def list_perceptual() -> list[str]:
    """Return the perceptual scores whose packages are installed."""
    return [name for name in PERCEPTUAL if importlib.util.find_spec(MODULES[name])]


def score_perception(reference: np.ndarray, estimate: np.ndarray, rate: int) -> dict[str, float]:
    """Compute PESQ, STOI and ESTOI, as far as they are installed; NaN where one is not defined.

    Shape:
        (N,), (N,) → floats.
    """
    scores: dict[str, float] = {}
    installed = list_perceptual()
    if not estimate.any():
        return {name: WORST[name] for name in installed}
    for name in installed:
        if name == "pesq":
            from pesq import PesqError, pesq

            pair = (sound_files.resample(x, rate, PERCEPTUAL_RATE) for x in (reference, estimate))
            value = pesq(PERCEPTUAL_RATE, *pair, "wb", on_error=PesqError.RETURN_VALUES)
            scores[name] = value if value >= 1 else np.nan  # −1: no utterance was found
        else:
            from pystoi import stoi

            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                try:
                    scores[name] = float(stoi(reference, estimate, rate, extended=name == "estoi"))
                except RuntimeWarning:  # too little speech
                    scores[name] = np.nan
    return scores


def score_outputs(
    sources: Sequence[Source],
    folder: Path,
    perceive: Callable[[np.ndarray, np.ndarray, int], dict[str, float]],
) -> list[dict[str, object]]:
    """Score what a suppressor returned: a row for each mixture."""
    loaded = []
    for item in sources:
        mixture, rate = sound_files.load_channels(item.mixture)
        reference, _ = sound_files.load_channels(item.reference)
        suppressed, _ = sound_files.load_channels(folder / item.mixture.name)
        loaded.append((mixture[0], reference[0], suppressed[0], rate))
    delays = [find_delay(mixture, output, rate) for mixture, _, output, rate in loaded]
    delay = round(median(delays))
    rows = []
    for item, (mixture, reference, suppressed, rate) in zip(sources, loaded, strict=True):
        estimate = shift(suppressed, delay, len(mixture))
        row: dict[str, object] = {"mixture": item.mixture.name, "delay": delay / rate}
        for score in (si_sdr, plain_sdr):
            improvement = score(reference, estimate) - score(reference, mixture)
            row[f"{score.__name__}_improvement"] = float(improvement)
        rows.append(row | perceive(reference, estimate, rate))
    return rows


def format_number(value: float, n_digits: int) -> str:
    """Return a number for a table."""
    return f"{value:.{n_digits}f}".replace("-", "−")


def tabulate_scores(scores: pd.DataFrame) -> str:
    """Return the means of the scores as a table in Markdown, and which are of fewer mixtures."""
    perceptual = [name for name in PERCEPTUAL if name in scores]
    titles = ["condition", "suppressor", "mixtures", "SI-SDRi mean (median), dB", "SDRi, dB"]
    titles += [PERCEPTUAL[name] for name in perceptual]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for (condition, suppressor), rows in scores.groupby(["condition", "suppressor"], sort=False):
        improvement = rows["si_sdr_improvement"]
        mean = format_number(improvement.mean(), 1)
        cells = [condition, suppressor, str(len(rows))]
        cells.append(f"{mean} ({format_number(improvement.median(), 1)})")
        cells.append(format_number(rows["plain_sdr_improvement"].mean(), 1))
        cells += [format_number(rows[name].mean(), 2) for name in perceptual]
        lines.append(f"| {' | '.join(cells)} |")
    mixtures = ["condition", "seed", "mixture"]
    for name in perceptual:
        n_undefined = len(scores.loc[scores[name].isna(), mixtures].drop_duplicates())
        if n_undefined:
            n_all = len(scores[mixtures].drop_duplicates())
            lines += ["", f"{PERCEPTUAL[name]} leaves out {n_undefined} of {n_all} mixtures."]
    return "\n".join(lines) + "\n"


def tabulate_costs(costs: dict[str, list[Cost]], model: Path) -> str:
    """Return what the suppressors cost as a table in Markdown."""
    titles = ["suppressor", "package", "real-time factor", "memory, MiB", "weights, MB", "licence"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for name, measured in costs.items():
        suppressor = SUPPRESSORS[name]
        package = "–"
        if suppressor.package:
            package = f"{suppressor.package} {version(suppressor.package)}"
        factor = median(cost.seconds / cost.duration for cost in measured)
        memory = median(cost.memory for cost in measured)
        size = measure_weights(name, model)
        weights = f"{size / 1e6:.1f}" if size else "–"
        cells = [name, package, f"{factor:.4f}", f"{memory:.0f}", weights, suppressor.licence]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def measure_weights(name: str, model: Path) -> int:
    """Return the size of the file with a suppressor's weights in bytes; 0 if it has none."""
    suppressor = SUPPRESSORS[name]
    if name == "ABSSLab":
        return model.stat().st_size
    if not suppressor.weights:
        return 0
    specification = importlib.util.find_spec(suppressor.module)
    assert specification is not None
    assert specification.origin is not None
    (path,) = Path(specification.origin).parent.glob(suppressor.weights)
    return path.stat().st_size


def compare(
    test: TestSet, names: Sequence[str], arguments: argparse.Namespace
) -> list[dict[str, object]]:
    """Suppress the noise of the mixtures of a condition in all ways, and score the results."""
    rows: list[dict[str, object]] = []
    for name in names:
        place = f"{test.condition}-{test.seed}"
        folder = arguments.output_folder / place / name.replace(" ", "_")
        suppress_missing(name, test.sources, folder, test.model, arguments.keep)
        shared = {"condition": test.condition, "seed": test.seed, "suppressor": name}
        rows += [shared | row for row in score_or_read(test.sources, folder)]
    return rows


def score_or_read(sources: Sequence[Source], folder: Path) -> list[dict[str, object]]:
    """Score what a suppressor returned, unless it is scored already."""
    path = folder / "scores.csv"
    newest = max((folder / item.mixture.name).stat().st_mtime for item in sources)
    if path.exists() and path.stat().st_mtime > newest:
        scores = pd.read_csv(path)
        names = [item.mixture.name for item in sources]
        if {*list_perceptual()} <= set(scores) and list(scores["mixture"]) == names:
            return scores.to_dict("records")
    rows = score_outputs(sources, folder, score_perception)
    write_text(path, pd.DataFrame(rows).to_csv(index=False))
    return rows


def measure_costs(
    test: TestSet, names: Sequence[str], arguments: argparse.Namespace
) -> dict[str, list[Cost]]:
    """Measure alternately what the suppressors take for some of the mixtures."""
    timed = [str(item.mixture) for item in test.sources[: arguments.n_timed]]
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for _ in range(arguments.n_repetitions):
        for name in names:
            job = Job(name, timed, "", str(test.model), arguments.keep)
            costs[name].append(run_in_process(job))
    return costs


def list_installed(names: Iterable[str]) -> list[str]:
    """Return the suppressors that are installed, and say which are not."""
    installed = []
    for name in names:
        if SUPPRESSORS[name].is_installed():
            installed.append(name)
        else:
            package = SUPPRESSORS[name].package
            print(f"{name} is left out: {package} is not installed {HINT}", file=sys.stderr)
    for module in sorted(set(MODULES.values())):
        if not importlib.util.find_spec(module):
            print(f"a score is left out: {module} is not installed {HINT}", file=sys.stderr)
    return installed


def main() -> None:
    """Print two tables in Markdown: scores by condition, and costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--benchmark_folder", type=Path, required=True, help="folder that absslab benchmark wrote"
    )
    parser.add_argument("--output_folder", type=Path, default=Path("data/noise_suppression"))
    parser.add_argument(
        "--conditions",
        nargs="+",
        default=_DEFAULT_CONDITIONS,
        choices=CONDITIONS,
        metavar="NAME",
        help=f"conditions of absslab benchmark: {', '.join(CONDITIONS)}",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--recipe", default="recommended")
    parser.add_argument("--keep", default="speech", help="the class that is kept")
    parser.add_argument(
        "--suppressors", nargs="+", default=list(SUPPRESSORS), choices=SUPPRESSORS, metavar="NAME"
    )
    parser.add_argument("--n_mixtures", type=int, help="number of test mixtures; default: all")
    parser.add_argument("--n_timed", type=int, default=10, help="number of mixtures to time")
    parser.add_argument("--n_repetitions", type=int, default=3, help="of the timing; 0: none")
    arguments = parser.parse_args()
    try:
        tests = [
            find_test(arguments, condition, seed)
            for condition in arguments.conditions
            for seed in arguments.seeds
        ]
    except InputError as error:
        parser.error(str(error))
    names = list_installed(arguments.suppressors)
    scores = pd.DataFrame([row for test in tests for row in compare(test, names, arguments)])
    write_text(arguments.output_folder / "scores.csv", scores.to_csv(index=False))
    text = tabulate_scores(scores)
    if arguments.n_repetitions:
        costs = measure_costs(tests[0], names, arguments)
        text += f"\n{tabulate_costs(costs, tests[0].model)}"
    write_text(arguments.output_folder / "table.md", text)
    print(text, end="")


if __name__ == "__main__":
    main()
