"""Compare the scores of ABSSLab with those of trusted implementations.

It prints the largest differences on generated and on real cases.

python benchmarks/agreement.py --event_folder RECORDINGS
"""

import argparse
from pathlib import Path

import numpy as np
import oracles
from hypothesis import HealthCheck, given, settings

from absslab.core.audio import sound_files
from absslab.core.data.recordings import audio_files
from absslab.core.metrics import psds


def compare_on_generated_cases(name: str, n_cases: int) -> list[oracles.Differences]:
    """Return the differences on cases that hypothesis generates."""
    cases, compare = oracles.COMPARISONS[name]
    differences: list[oracles.Differences] = []

    @settings(
        max_examples=n_cases,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def collect(case: object) -> None:
        differences.append(compare(case))

    collect()
    return differences


def compare_on_recordings(
    folder: Path, n_cases: int, seconds: float = 4.0
) -> list[oracles.Differences]:
    """Return the differences of BSS Eval on noisy mixtures of three recordings.

    Each estimate contains a part of the other sources.
    """
    rng = np.random.default_rng(0)
    rate = 16000
    files = audio_files(folder)
    n = round(seconds * rate)
    differences = []
    for _ in range(n_cases):
        references = np.zeros((3, n), np.float32)
        for reference, index in zip(
            references, rng.choice(len(files), 3, replace=False), strict=True
        ):
            samples = sound_files.load(files[index], rate)[:n]
            start = rng.integers(0, n - len(samples) + 1)
            reference[start : start + len(samples)] = samples
        mixing = np.eye(3) + rng.choice([0.01, 0.1, 0.5]) * rng.standard_normal((3, 3))
        noise = rng.choice([1e-4, 1e-3, 0.05]) * rng.standard_normal(references.shape)
        differences.append(
            oracles.bss_differences((references, (mixing @ references + noise).astype(np.float32)))
        )
    return differences


def main() -> None:
    """Compare all scores, and print a table in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--event_folder", type=Path, help="real recordings, for BSS Eval")
    parser.add_argument(
        "--n_cases",
        type=int,
        default=500,
        help="number of generated cases per comparison; for mir_eval a fifth of it",
    )
    arguments = parser.parse_args()
    print("| compared with | score | largest difference | cases |\n|---|---|---|---|")
    for name in oracles.COMPARISONS:
        if name == "sed_scores_eval" and not psds.is_available():
            print(f"| {name} | is not installed | | |")
            continue
        n_cases = arguments.n_cases // 5 if "mir_eval" in name else arguments.n_cases
        print_differences(name, compare_on_generated_cases(name, n_cases))
    if arguments.event_folder:
        differences = compare_on_recordings(arguments.event_folder, arguments.n_cases // 10)
        print_differences("mir_eval, real recordings", differences)


def print_differences(name: str, differences: list[oracles.Differences]) -> None:
    """Print a row of the table for each score."""
    unit = " dB" if "mir_eval" in name else ""
    for score, (difference, n_cases) in oracles.find_largest(differences).items():
        print(f"| {name} | {score} | {difference:.1g}{unit} | {n_cases} |", flush=True)


if __name__ == "__main__":
    main()
