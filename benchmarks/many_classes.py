"""Compare trainings on masks of some classes at a time with one on masks of all.

    python benchmarks/many_classes.py --event_folder data/recordings \\
        --background_folder data/backgrounds

There is no corpus of hundreds of classes here, so each recording of the folder becomes a class of
its own, whose recordings are six versions of it, at speeds from 0.94 to 1.06; four are for
training. Mixtures of up to three of them lie over backgrounds. Trainings have the same steps, and
are scored on the validation split after the last one.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from scipy.signal import resample_poly

from absslab.core.audio import sound_files
from absslab.core.data.recordings import index_recordings

SPEEDS = (94, 96, 98, 102, 104, 106)  # per cent
RATE = 16000
LENGTH = 4  # s


def make_recordings(events: Path, output: Path, n_classes: int) -> None:
    """Write the versions of recordings that are spread over a folder."""
    recordings = index_recordings(events)
    step = len(recordings) / n_classes
    output.mkdir(parents=True, exist_ok=True)
    for number in range(n_classes):
        recording = recordings[int(number * step)]
        samples = sound_files.load(recording.path, RATE)
        letters = chr(ord("a") + number // 26) + chr(ord("a") + number % 26)
        for version, speed in enumerate(SPEEDS):
            path = output / f"{recording.event_label}-{letters}_{version}.wav"
            sound_files.save(path, resample_poly(samples, 100, speed), RATE)


def run(*arguments: str) -> None:
    """Run a command of this project, and end where it ends with an error."""
    subprocess.run([sys.executable, "-m", "absslab", *arguments], check=True)


def measure(folder: Path, n_absent: int, n_steps: int) -> tuple[str, ...]:
    """Train and score, and return the cells of a row."""
    checkpoint = folder / f"absent{n_absent}.ckpt"
    flags = [f"--absent_classes={n_absent}", f"--n_steps={n_steps}", f"--save_path={checkpoint}"]
    mixtures = f"--data_folder={folder / 'mixtures'}"
    run("train", "--recipe=recommended", "--test_every=1000", mixtures, *flags)
    output = folder / f"absent{n_absent}.json"
    run("evaluate", f"--checkpoint_path={checkpoint}", "--split=validation", f"--output={output}")
    scores = json.loads(output.read_text())
    lines = (checkpoint.with_suffix("") / "metrics.jsonl").read_text().splitlines()
    rates = [json.loads(line)["recordings_per_second"] for line in lines]
    separation = scores["separation"]
    return (
        str(n_absent or "all"),
        f"{scores['tagging']['auc']:.3f}",
        f"{scores['detection']['event']['f1']:.3f}",
        f"{separation['si_sdr_improvement']:.1f}",
        f"{separation['plain_sdr_improvement']:.1f}",
        f"{max(rates):.1f}",
    )


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--event_folder", type=Path, required=True)
    parser.add_argument("--background_folder", required=True)
    parser.add_argument("--output_folder", type=Path, default=Path("data/many_classes"))
    parser.add_argument("--n_classes", type=int, default=220)
    parser.add_argument("--n_files", type=int, default=1600, help="number of mixtures")
    parser.add_argument("--n_steps", type=int, default=1000)
    parser.add_argument("--absent_classes", type=int, nargs="+", default=(0, 32))
    arguments = parser.parse_args()
    n_recordings = len(index_recordings(arguments.event_folder))
    if arguments.n_classes > n_recordings:
        parser.error(f"--n_classes is {arguments.n_classes}: expected at most {n_recordings}")
    folder = arguments.output_folder
    make_recordings(arguments.event_folder, folder / "recordings", arguments.n_classes)
    run(
        "mix",
        f"--event_folder={folder / 'recordings'}",
        f"--background_folder={arguments.background_folder}",
        f"--output_folder={folder / 'mixtures'}",
        f"--n_files={arguments.n_files}",
        f"--length={LENGTH}",
        "--overlap=True",
        "--max_event=3",
        "--max_polyphony=2",
        "--longest_event=2",
        "--split_percentages",
        *("66", "17", "17"),
        "--snr_range",
        *("5", "20"),
    )
    print("| masks of absent classes | tagging AUC | event F1 | SI-SDRi, dB | SDRi, dB | clips/s |")
    print("|---|---|---|---|---|---|")
    for n_absent in arguments.absent_classes:
        print(f"| {' | '.join(measure(folder, n_absent, arguments.n_steps))} |", flush=True)


if __name__ == "__main__":
    main()
