"""Separate long recordings, and measure memory, speed and whether the outputs add up to the input.

python benchmarks/separate_long.py --checkpoint_path R.ckpt --mixtures FOLDER/test \\
    --output_folder data/bench_separate
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

BLOCK = 1 << 20


def write_long(mixtures: Path, path: Path, minutes: float) -> None:
    """Write a long 16-bit file: all mixtures one after the other, repeated."""
    files = sorted(mixtures.glob("*.wav"))
    rate = soundfile.info(files[0]).samplerate
    n_missing = round(minutes * 60 * rate)  # samples
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as long:
        while n_missing:
            for file in files:
                samples = soundfile.read(file, dtype="int16")[0][:n_missing]
                long.write(samples)
                n_missing -= len(samples)


def measure_difference(long: Path, folder: Path) -> float:
    """Compute max |input − Σ outputs|, block by block."""
    parts = [soundfile.SoundFile(path) for path in folder.glob("*.wav")]
    assert all(part.frames == soundfile.info(long).frames for part in parts)
    difference = 0.0
    with soundfile.SoundFile(long) as recording:
        while len(block := recording.read(BLOCK)):
            total = sum(part.read(BLOCK) for part in parts)
            difference = max(difference, float(np.abs(block - total).max()))
    return difference


def main() -> None:
    """Print the measurements for several lengths; memory must not grow with the length."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint_path", required=True)
    parser.add_argument(
        "--mixtures",
        type=Path,
        required=True,
        help="folder of mixtures that are put one after the other",
    )
    parser.add_argument("--output_folder", type=Path, required=True)
    parser.add_argument("--minutes", nargs="+", type=float, default=[6, 60])
    arguments = parser.parse_args()
    arguments.output_folder.mkdir(parents=True, exist_ok=True)
    for minutes in arguments.minutes:
        long = arguments.output_folder / f"long{minutes:g}.wav"
        write_long(arguments.mixtures, long, minutes)
        flags = ["--checkpoint_path", arguments.checkpoint_path, "--input", long]
        flags += ["--output_folder", arguments.output_folder]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "absslab", "separate", *flags], check=True)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        difference = measure_difference(long, arguments.output_folder / long.stem)
        print(
            f"{minutes:g} min: {seconds:.0f} s, real-time factor {seconds / 60 / minutes:.4f}, "
            f"peak memory {peak:.0f} MiB, {soundfile.info(long).frames} samples in and out, "
            f"max |input − Σ outputs| {difference:g}",
            flush=True,
        )


if __name__ == "__main__":
    main()
