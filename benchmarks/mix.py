"""Measure how fast mixtures are written, and how much disk space they take.

python benchmarks/mix.py --event_folder RECORDINGS --output_folder data/bench_mix
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Print mixtures per second, including the start of the command, and bytes per mixture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--event_folder", required=True)
    parser.add_argument("--output_folder", required=True, help="a new folder")
    parser.add_argument("--n_files", type=int, default=2000)
    arguments = parser.parse_args()
    start = time.perf_counter()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "absslab",
            "mix",
            "--event_folder",
            arguments.event_folder,
            "--output_folder",
            arguments.output_folder,
            "--n_files",
            str(arguments.n_files),
            "--seed",
            "0",
        ],
        check=True,
    )
    seconds = time.perf_counter() - start
    files = [path for path in Path(arguments.output_folder).rglob("*") if path.is_file()]
    n_bytes = sum(path.stat().st_size for path in files)
    on_disk = sum(path.stat().st_blocks * 512 for path in files)
    n = arguments.n_files
    print(
        f"{n / seconds:.0f} mixtures per second on {os.cpu_count()} cores ({seconds:.1f} s for {n})"
    )
    print(
        f"{n_bytes / n / 1e6:.2f} MB per mixture; {on_disk / n / 1e6:.2f} MB on disk; "
        f"{len(files) / n:.1f} files"
    )


if __name__ == "__main__":
    main()
