"""A short form of `make faults`: nothing is lost, hangs or ends with a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CAMPAIGN = Path(__file__).with_name("campaign.py")


def run_campaign(*flags: object) -> str:
    command = [sys.executable, str(CAMPAIGN), *map(str, flags)]
    environment = os.environ | {"PYTHONPATH": str(CAMPAIGN.parents[1] / "helpers")}
    campaign = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert campaign.returncode == 0, campaign.stdout[-10_000:] + campaign.stderr[-2000:]
    return campaign.stdout.splitlines()[-2]


def test_hostile_inputs_end_no_command_without_a_word():
    kind, trials, faults = run_campaign("--n_inputs", 300, "--n_kills", 0).split()
    assert (kind, faults) == ("all", "0")
    assert int(trials) >= 300


def test_inputs_that_are_not_damaged_are_all_used():
    kind, trials, faults = run_campaign("--undamaged", "--n_inputs", 60, "--n_kills", 0).split()
    assert (kind, faults) == ("all", "0")
    assert int(trials) >= 60


def test_kills_and_full_disks_lose_nothing():
    kind, trials, faults = run_campaign("--n_inputs", 0, "--n_kills", 20).split()
    assert (kind, faults) == ("all", "0")
    assert int(trials) >= 20
