"""Measure how fast scores are computed, and how much memory they take.

python benchmarks/bench_metrics.py
python benchmarks/bench_metrics.py --checkpoint_path R.ckpt --event_folder RECORDINGS \\
    --output_folder data/bench_metrics

BSS Eval of ABSSLab and of mir_eval are timed alternately, in one run. With a checkpoint that knows
the classes of the recordings, evaluations of 200 and 2,000 test mixtures are measured too, each in
its own process.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measured_command import run_command

from absslab.core.metrics.bss_eval import bss_eval_images, bss_eval_sources

SECONDS = 10
RATE = 16000


def time_call(function: Callable[..., object], *arguments: object, **keywords: object) -> float:
    """Call a function, and return the duration of the call in seconds."""
    start = time.perf_counter()
    function(*arguments, **keywords)
    return time.perf_counter() - start


class BssEvalTimes(NamedTuple):
    """Seconds of BSS Eval, and how many times as fast ours is."""

    theirs: float
    ours: float
    ratio: float


def time_bss_eval(
    n_sources: int, n_present: int, *, n_rounds: int, kind: str = "sources"
) -> BssEvalTimes:
    """Time mir_eval on all sources, and ABSSLab on the present ones, alternately.

    Args:
        n_sources: number of sources of mir_eval, 10 s each.
        n_present: number of sources of ABSSLab.
        n_rounds: number of rounds.
        kind: sources or images.

    Returns:
        medians.
    """
    import warnings

    from mir_eval import separation

    warnings.simplefilter("ignore", FutureWarning)
    theirs, ours, axes = {
        "sources": (separation.bss_eval_sources, bss_eval_sources, ()),
        "images": (separation.bss_eval_images, bss_eval_images, (None,)),
    }[kind]
    rng = np.random.default_rng(0)
    references = rng.standard_normal((n_sources, SECONDS * RATE))
    estimates = (
        references + 0.3 * np.roll(references, 1, 0) + 0.1 * rng.standard_normal(references.shape)
    )
    few = [signals[:n_present][_channel(axes)] for signals in (references, estimates)]
    many = [signals[(..., *axes)] for signals in (references, estimates)]
    ours(*few)  # the first call also initialises libraries
    rounds = [
        (time_call(theirs, *many, compute_permutation=False), time_call(ours, *few))
        for _ in range(n_rounds)
    ]
    return BssEvalTimes(
        statistics.median(slow for slow, _ in rounds),
        statistics.median(fast for _, fast in rounds),
        statistics.median(slow / fast for slow, fast in rounds),
    )


def compare_bss_eval(n_sources: int, n_present: int, n_rounds: int) -> None:
    """Print how long mir_eval takes, and ABSSLab on all sources and on some of them."""
    for kind in ("sources", "images"):
        whole = time_bss_eval(n_sources, n_sources, n_rounds=n_rounds, kind=kind)
        part = time_bss_eval(n_sources, n_present, n_rounds=n_rounds, kind=kind)
        print(
            f"BSS Eval {kind}, {n_sources} sources × {SECONDS} s × {RATE} Hz "
            f"on {os.cpu_count()} cores, medians of {n_rounds}: "
            f"mir_eval {whole.theirs:.1f} s; ours {whole.ours:.2f} s, {whole.ratio:.0f} times as "
            f"fast; ours, {n_present} present sources only, {part.ours:.3f} s, "
            f"{part.ratio:.0f} times",
            flush=True,
        )


def _channel(axes: tuple[None, ...]) -> tuple[object, ...]:
    return (slice(None), None) if axes else (...,)


def measure_evaluation(
    checkpoint_path: Path, event_folder: Path, output_folder: Path, n_mixtures: int
) -> float:
    """Print time and peak memory of a whole evaluation process; return the memory in MiB."""
    mixtures = output_folder / f"mixtures{n_mixtures}"
    run_command(
        "mix",
        "--event_folder",
        event_folder,
        "--output_folder",
        mixtures,
        "--n_files",
        round(n_mixtures / 0.8),
        "--split_percentages",
        10,
        10,
        80,
        "--seed",
        0,
    )
    taken, peak = run_command(
        "evaluate",
        "--checkpoint_path",
        checkpoint_path,
        "--data_folder",
        mixtures,
        "--output",
        output_folder / f"scores{n_mixtures}.json",
    )
    print(
        f"whole evaluation of {n_mixtures} mixtures: {taken:.0f} s, peak memory {peak:.0f} MiB",
        flush=True,
    )
    return peak


def main() -> None:
    """Run the measurements that the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint_path", type=Path)
    parser.add_argument("--event_folder", type=Path)
    parser.add_argument("--output_folder", type=Path, default=Path("data/bench_metrics"))
    parser.add_argument("--n_mixtures", type=int, nargs="*", default=[200, 2000])
    parser.add_argument("--n_sources", type=int, default=11)
    parser.add_argument("--n_present", type=int, default=4)
    parser.add_argument(
        "--n_repetitions",
        type=int,
        default=3,
        help="number of repetitions of BSS Eval; 0: leave it out",
    )
    arguments = parser.parse_args()
    if arguments.n_repetitions:
        compare_bss_eval(arguments.n_sources, arguments.n_present, arguments.n_repetitions)
    if arguments.checkpoint_path:
        paths = (arguments.checkpoint_path, arguments.event_folder, arguments.output_folder)
        peaks = [measure_evaluation(*paths, n_mixtures) for n_mixtures in arguments.n_mixtures]
        print(
            f"peak memory of the last evaluation, relative to the first: {peaks[-1] / peaks[0]:.2f}"
        )


if __name__ == "__main__":
    main()
