"""What is read before the first epoch takes as much memory for many recordings as for few."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import json, resource, sys
from absslab.core.common.progress import run_to_end
from absslab.core.training.experiment import Experiment
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings
flags = apply_recipe(RECIPES["recommended"], json.loads(sys.argv[1]))
run_to_end(Experiment(Settings.from_flags(flags)).prepare())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure_memory(recording: Path, folder: Path, n_recordings: int) -> float:
    """Prepare a training on links to a recording, and return the most memory, in MiB."""
    folder.mkdir()
    rows = ["filename,event_labels"]
    for number in range(n_recordings):
        (folder / f"{number}.wav").symlink_to(recording)
        rows.append(f"{number}.wav,{('knock', 'speech')[number % 2]}")
    (folder / "weak_labels.csv").write_text("\n".join(rows) + "\n")
    flags = {
        "data_folder": str(folder),
        "data_set_type": "weakly_labelled_folder",
        "split_percentages": (90, 5, 5),
        "save_path": str(folder / "run.ckpt"),
        "in_memory": False,
        "device": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, json.dumps(flags)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_it_does_not_grow_with_the_number_of_recordings(mixtures, tmp_path):
    recording = mixtures / "test/000000.wav"  # of 2 s
    few, many = (measure_memory(recording, tmp_path / str(n), n) for n in (300, 3300))
    assert many - few < 3000 * 0.01  # MiB; the samples of a recording alone are 0.12
