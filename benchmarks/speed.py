"""Print how fast each path is: beside a reference, and as a fraction of what the machine can do.

    python benchmarks/speed.py
    python benchmarks/speed.py --paths rank_pooling features --n_rounds 9

Reference and ours run alternately in one process, or alternate processes; values are medians, and
a ratio is the median of the ratios of the rounds. The limit of arithmetic is a large matrix product
in the same number format, that of memory a large copy, both measured at the beginning. Run it
while nothing else does. `--before` names a checkout of an earlier commit, to which training,
evaluation and separation are compared.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from bench_metrics import time_bss_eval
from fresh_training import build_fresh_model
from measured_command import run_command
from several_processes import measure_rate
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from absslab.core.common.devices import PRECISIONS, choose_precision
from absslab.core.data.synthetic.recording_files import cached_recordings
from absslab.core.evaluation.score_table import BASELINES
from absslab.core.metrics import psds
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.model.pcen import build_pcen
from absslab.core.model.pooling import GWRP
from absslab.core.model.separation_model import SeparationModel

RATE = 16000
SECONDS = 10
THESIS_MIXTURES_PER_SECOND = 7.0  # of the thesis' own code, on the machine of its author
PRECISION = PRECISIONS[choose_precision("auto", torch.device("cpu"))]  # that trainings choose
GIGA = 1e9


class Row(NamedTuple):
    """A line of the table."""

    path: str
    unit: str
    reference: str
    reference_value: float | None
    ours: float
    ratio: float | None  # how many times as good ours is
    limit: str = ""


@dataclass(frozen=True)
class Machine:
    """What the machine can do at most."""

    n_threads: int
    flops: dict[torch.dtype, float]  # of matrix products, per second
    bytes_copied: float  # per second, read and written

    @classmethod
    def measure(cls) -> "Machine":
        """Measure large matrix products and a large copy."""
        n = 4096
        flops = {}
        for dtype in dict.fromkeys((torch.float32, PRECISION)):
            a = torch.rand(n, n).to(dtype)
            seconds = min(time_call(lambda a=a: a @ a) for _ in range(5))
            flops[dtype] = 2 * n**3 / seconds
        source = torch.rand(1 << 27)
        target = torch.empty_like(source)
        target.copy_(source)  # its pages exist now
        seconds = min(time_call(lambda: target.copy_(source)) for _ in range(5))
        return cls(torch.get_num_threads(), flops, 2 * 4 * len(source) / seconds)


def name_of(dtype: torch.dtype) -> str:
    """Return the name of a number format."""
    return str(dtype).removeprefix("torch.")


def time_call(function: Callable[[], object]) -> float:
    """Call a function, and return how long it took, in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(
    reference: Callable[[], object], ours: Callable[[], object], n_rounds: int
) -> tuple[float, float, float]:
    """Time two functions alternately, after a call of each that does not count.

    Returns:
        medians of both in seconds, and the median of reference ÷ ours.
    """
    reference()
    ours()
    rounds = [(time_call(reference), time_call(ours)) for _ in range(n_rounds)]
    return (
        statistics.median(first for first, _ in rounds),
        statistics.median(second for _, second in rounds),
        statistics.median(first / second for first, second in rounds),
    )


class LoopedRankPooling(nn.Module):
    """Rank pooling class by class, with weights from a list: (B, K, M, T) → (B, K)."""

    def __init__(self, decay: float, n_bins: int):
        super().__init__()
        self.weights = [decay**rank for rank in range(n_bins)]

    def forward(self, masks: Tensor, n_frames: Tensor | None = None) -> Tensor:
        """Pool masks of equal lengths."""
        weights = torch.tensor(self.weights)
        pooled = []
        for k in range(masks.shape[1]):
            ranked = masks[:, k].flatten(1).sort(1, descending=True).values  # (B, M·T)
            pooled.append((ranked * weights).sum(1) / weights.sum())
        return torch.stack(pooled, 1)


class Step:
    """A training step: binary cross-entropy of tags, its gradient, and an update of the weights."""

    def __init__(
        self, model: SeparationModel, waveforms: Tensor, labels: Tensor, dtype: torch.dtype
    ):
        self.model = model.train()
        self.waveforms = waveforms
        self.labels = labels
        self.dtype = dtype
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def __call__(self) -> None:
        """Take a step."""
        self.optimizer.zero_grad(set_to_none=True)
        prediction = self.model(self.waveforms, precision=self.dtype)
        probabilities = prediction.probabilities.clamp(1e-6, 1 - 1e-6)
        nn.functional.binary_cross_entropy(probabilities, self.labels).backward()
        self.optimizer.step()


def measure_thesis_step(machine: Machine, options: argparse.Namespace) -> Row:
    """Train the thesis' network, batch 32, 10 s, 11 classes."""
    n_classes = 11
    ours = build_fresh_model("thesis", n_classes)[0]
    plain = deepcopy(ours).to(memory_format=torch.contiguous_format)
    generator = torch.Generator().manual_seed(0)
    waveforms = 0.1 * torch.randn(32, SECONDS * RATE, generator=generator)
    labels = (torch.rand(32, n_classes, generator=generator) > 0.7).float()
    sizes: list[int] = []
    hook = ours.pooling.register_forward_pre_hook(
        lambda _, inputs: sizes.append(inputs[0].shape[2] * inputs[0].shape[3])
    )
    with torch.no_grad():
        ours.eval()(waveforms[:1])
    hook.remove()
    (n_bins,) = sizes
    plain.pooling = LoopedRankPooling(0.999, n_bins)
    steps = [
        Step(plain, waveforms, labels, torch.float32),
        Step(ours, waveforms, labels, PRECISION),
    ]
    with FlopCounterMode(display=False) as counter:
        steps[1]()
    slow, fast, ratio = compare(*steps, options.n_rounds)
    share = counter.get_total_flops() / fast / machine.flops[PRECISION]
    return Row(
        "training step, thesis' network, batch 32",
        "clips/s",
        "float32, contiguous, class by class",
        32 / slow,
        32 / fast,
        ratio,
        f"{share:.0%} of matrix products in {name_of(PRECISION)}",
    )


def measure_rank_pooling(machine: Machine, options: argparse.Namespace) -> Row:
    """Pool masks (32, 16, 64 · 312), forward and backward."""
    masks = torch.rand(32, 16, 64, 312, generator=torch.Generator().manual_seed(0))
    ours = GWRP(decay=0.999)
    plain = LoopedRankPooling(0.999, 64 * 312)

    def run(pooling: nn.Module) -> Tensor:
        leaf = masks.clone().requires_grad_()
        pooled = pooling(leaf)
        pooled.square().sum().backward()
        return pooled.detach()

    difference = (run(ours) - run(plain)).abs().max()
    if difference > 1e-6:
        raise SystemExit(f"the poolings differ by {difference:g}")
    slow, fast, ratio = compare(partial(run, plain), partial(run, ours), options.n_rounds)
    least = 6 * 4 * masks.numel()  # masks, ranked values and gradients are read and written once
    return Row(
        "rank pooling (32, 16, 19968), both ways",
        "ms",
        "sort and loop",
        1000 * slow,
        1000 * fast,
        ratio,
        f"{least / fast / machine.bytes_copied:.0%} of a copy",
    )


def measure_features(feature_type: str, machine: Machine, options: argparse.Namespace) -> Row:
    """Compute features of 32 waveforms."""
    import librosa

    waveforms = 0.1 * torch.randn(32, SECONDS * RATE, generator=torch.Generator().manual_seed(0))
    config = FeatureConfig(feature_type=feature_type)
    front_end = FrontEnd(config)
    pcen = build_pcen(config)

    @torch.no_grad()
    def ours() -> Tensor:
        features = front_end.features(front_end.stft(waveforms))
        return features if pcen is None else pcen(features)

    def reference() -> list[np.ndarray]:
        results = []
        for waveform in waveforms.numpy():
            magnitudes = librosa.feature.melspectrogram(
                y=waveform,
                sr=RATE,
                n_fft=config.window_size,
                hop_length=config.hop_size,
                window="hamming",
                n_mels=config.n_mels,
                power=1.0,
            )
            if feature_type == "pcen":
                results.append(librosa.pcen(magnitudes, sr=RATE, hop_length=config.hop_size))
            else:
                results.append(np.log(magnitudes + config.log_offset))
        return results

    slow, fast, ratio = compare(reference, ours, options.n_rounds)
    return Row(
        f"features {feature_type}", "clips/s", "librosa, file by file", 32 / slow, 32 / fast, ratio
    )


def measure_bss_eval(n_present: int, machine: Machine, options: argparse.Namespace) -> Row:
    """Score sources of 10 s, all or the present ones alone, against mir_eval on all."""
    times = time_bss_eval(11, n_present, n_rounds=max(1, options.n_rounds // 3))
    name = "11 sources" if n_present == 11 else f"{n_present} present of 11 sources"
    return Row(f"BSS Eval, {name}", "s", "mir_eval, 11 sources", *times)


def mix(folder: Path, n_files: int, percentages: Sequence[int]) -> float:
    """Write mixtures of the built-in recordings; return the time in s."""
    flags = ["--event_folder", cached_recordings(), "--output_folder", folder]
    flags += ["--n_files", n_files, "--split_percentages", *percentages, "--seed", 0]
    return run_command("mix", *flags).seconds


def measure_mixing(machine: Machine, options: argparse.Namespace) -> Row:
    """Write mixtures of 10 s with their sources."""
    n_files = 1000
    with tempfile.TemporaryDirectory() as name:
        seconds = mix(Path(name) / "mixtures", n_files, (80, 10, 10))
        files = [path for path in (Path(name) / "mixtures").rglob("*") if path.is_file()]
        contents = [path.read_bytes() for path in files]
        start = time.perf_counter()
        for number, content in enumerate(contents):
            (Path(name) / f"copy{number}").write_bytes(content)
        os.sync()
        copied = time.perf_counter() - start
    rate = n_files / seconds
    return Row(
        "mixing, 10 s, sources saved",
        "mixtures/s",
        "the thesis, as it says of its machine",
        THESIS_MIXTURES_PER_SECOND,
        rate,
        rate / THESIS_MIXTURES_PER_SECOND,
        f"{copied / seconds:.0%} of the time would be spent if the disk alone were at work",
    )


def train_model(folder: Path) -> Path:
    """Train for two epochs on mixtures of the built-in recordings; return the checkpoint."""
    flags = ["--recipe", "recommended", "--data_folder", folder / "mixtures", "--n_epochs", 2]
    run_command("train", *flags, "--save_path", folder / "model.ckpt")
    return folder / "model.ckpt"


def measure_evaluation(machine: Machine, options: argparse.Namespace) -> Row:
    """Score 200 mixtures; the reference is mir_eval alone, for the same estimates."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mix(folder / "mixtures", 250, (10, 10, 80))
        flags = ["--checkpoint_path", train_model(folder)]
        seconds, _ = run_command("evaluate", *flags, "--output", folder / "scores.json")
        table = pd.read_csv(folder / "scores.csv")
    n_present = table.groupby("mixture")["present"].sum()
    n_systems = 1 + len(BASELINES)  # the model, and what it is compared with
    reference = sum(
        n_systems * n_mixtures * time_bss_eval(n, n, n_rounds=1, kind=kind)[0]
        for n, n_mixtures in n_present[n_present > 0].astype(int).value_counts().items()
        for kind in ("sources", "images")
    )
    return Row(
        "evaluation of 200 mixtures, all scores" + ("" if psds.is_available() else " but PSDS"),
        "s",
        f"mir_eval alone, {n_systems} estimates of each source",
        reference,
        seconds,
        reference / seconds,
    )


def measure_separation(machine: Machine, options: argparse.Namespace) -> Row:
    """Separate an hour with 11 classes; the reference is real time."""
    import soundfile

    hour = 3600.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mix(folder / "mixtures", 100, (80, 10, 10))
        checkpoint = train_model(folder)
        minute = 0.05 * np.random.default_rng(0).standard_normal(60 * RATE)
        with soundfile.SoundFile(folder / "hour.wav", "w", RATE, 1, "PCM_16") as file:
            for _ in range(60):
                file.write(minute)
        flags = ["--checkpoint_path", checkpoint, "--input", folder / "hour.wav"]
        seconds, memory = run_command("separate", *flags, "--output_folder", folder / "out")
    return Row(
        f"separation of an hour ({memory:.0f} MiB)",
        "real-time factor",
        "real time",
        1.0,
        seconds / hour,
        hour / seconds,
    )


def measure_import(arguments: Sequence[str], machine: Machine, options: argparse.Namespace) -> Row:
    """Start Python with an import or command; the time of an empty program is taken off."""

    def start(*command: str) -> Callable[[], object]:
        return partial(subprocess.run, [sys.executable, *command], check=True, capture_output=True)

    times = []
    for _ in range(max(3, options.n_rounds) + 1):
        empty, torch_alone, ours = (
            time_call(start(*command))
            for command in (("-c", ""), ("-c", "import torch"), tuple(arguments))
        )
        times.append((torch_alone - empty, max(1e-4, ours - empty)))
    del times[0]
    slow = statistics.median(first for first, _ in times)
    fast = statistics.median(second for _, second in times)
    share = statistics.median(second / first for first, second in times)
    name = " ".join(arguments).removeprefix("-c ").replace("-m absslab", "absslab")
    return Row(name, "ms", "import torch", 1000 * slow, 1000 * fast, 1 / share, f"×{share:.3f}")


def measure_recommended(machine: Machine, options: argparse.Namespace) -> Row:
    """Train the recommended recipe as a command, here and in the checkout --before."""
    with tempfile.TemporaryDirectory() as name:
        mixtures = Path(name) / "mixtures"
        mix(mixtures, 120, (80, 10, 10))
        flags = ["--data_folder", str(mixtures), "--n_epochs", "3"]
        here = str(Path(__file__).parents[1])
        rates: dict[str, list[float]] = {}
        for _ in range(max(1, options.n_rounds // 3)):
            for checkout in filter(None, (options.before, here)):
                rate = measure_rate(1, flags, PYTHONPATH=str(checkout))
                rates.setdefault(str(checkout), []).append(rate)
    ours = statistics.median(rates[here])
    before = statistics.median(rates[str(options.before)]) if options.before else None
    return Row(
        "training, recommended, batch 16",
        "clips/s",
        f"commit of {Path(options.before).name}" if options.before else "none: pass --before",
        before,
        ours,
        ours / before if before else None,
    )


PATHS: dict[str, Callable[[Machine, argparse.Namespace], Row]] = {
    "thesis_step": measure_thesis_step,
    "recommended": measure_recommended,
    "rank_pooling": measure_rank_pooling,
    "features": partial(measure_features, "log_mel"),
    "pcen": partial(measure_features, "pcen"),
    "mixing": measure_mixing,
    "bss_eval": partial(measure_bss_eval, 11),
    "bss_eval_present": partial(measure_bss_eval, 4),
    "evaluation": measure_evaluation,
    "separation": measure_separation,
    "import": partial(measure_import, ("-c", "import absslab")),
    "help": partial(measure_import, ("-m", "absslab", "--help")),
}


def format_row(row: Row) -> str:
    """Return a row of the table in Markdown."""
    reference = "–" if row.reference_value is None else f"{row.reference_value:.3g}"
    ratio = "–" if row.ratio is None else f"{row.ratio:.3g}×"
    cells = (row.path, row.unit, row.reference, reference, f"{row.ours:.3g}", ratio, row.limit)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--paths", nargs="+", choices=PATHS, default=list(PATHS), metavar="PATH")
    parser.add_argument("--n_rounds", type=int, default=5)
    parser.add_argument("--before", help="a checkout of an earlier commit")
    options = parser.parse_args()
    machine = Machine.measure()
    products = ", ".join(
        f"{flops / GIGA:.0f} GFLOP/s in {name_of(dtype)}" for dtype, flops in machine.flops.items()
    )
    print(
        f"{machine.n_threads} threads; matrix products {products}; "
        f"a copy {machine.bytes_copied / GIGA:.1f} GB/s\n",
        flush=True,
    )
    print("| what | unit | reference | value | ours | ratio | of the limit |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in options.paths:
        print(format_row(PATHS[name](machine, options)), flush=True)


if __name__ == "__main__":
    main()
