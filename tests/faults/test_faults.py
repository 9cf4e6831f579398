"""A short form of `make faults`: nothing is lost, hangs or ends with a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CAMPAIGN = Path(__file__).with_name("campaign.py")


def run_campaign(*flags: object) -> str:
    command = [sys.executable, str(CAMPAIGN), *map(str, flags)]
    campaign = subprocess.run(command, capture_output=True, text=True)
    assert campaign.returncode == 0, campaign.stdout[-10_000:] + campaign.stderr[-2000:]
    return campaign.stdout.splitlines()[-2]


def test_hostile_inputs_end_no_command_without_a_word():
    kind, trials, faults = run_campaign("--n_inputs", 300, "--n_kills", 0).split()
    assert (kind, faults) == ("all", "0")
    assert int(trials) >= 300


def test_kills_and_full_disks_lose_nothing():
    kind, trials, faults = run_campaign("--n_inputs", 0, "--n_kills", 20).split()
    assert (kind, faults) == ("all", "0")
    assert int(trials) >= 20
