"""A sweep trains one model at a time on each device; what fails does not end the others."""

from dataclasses import replace

import pytest

from absslab.core.common.errors import WorkError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.runs import sweep
from absslab.core.runs.sweep import Sweep, SweepConfig, SweepRun, run_path, sweep_steps
from absslab.core.runs.sweep_results import SweepRow


@pytest.fixture
def runs(tmp_path, settings):
    """Return seven trainings of a sweep."""
    made = []
    for index in range(7):
        path = run_path(tmp_path / "S", f"run{index}", 0)
        own = replace(settings, run=replace(settings.run, save_path=str(path)))
        made.append(SweepRun(f"run{index}", 0, {}, (), own))
    return made


@pytest.fixture
def busy(monkeypatch):
    """Replace trainings by ones that take three looks; return what is trained, by device."""
    busy = {}
    most = []

    def train(self, run, device):
        assert device not in busy
        busy[device] = run.name
        try:
            for look in range(3):
                most.append(len(busy))
                yield f"look {look}"
        finally:
            del busy[device]
        if run.name == "run2":
            raise WorkError("no memory")
        return SweepRow(run.name, run.seed, run.values, 1, 0.1, 10.0, {"tagging.auc": 0.5})

    monkeypatch.setattr(Sweep, "run", train)
    monkeypatch.setattr(sweep, "choose_devices", lambda names: list(names))
    monkeypatch.setattr(sweep, "_INTERVAL", 0.0)
    return busy, most


def test_each_device_trains_one_model_at_a_time(runs, busy, tmp_path):
    config = SweepConfig(output_folder=str(tmp_path / "S"), devices=("cuda:0", "cuda:1"))
    with collect_notices() as notices:
        results = run_to_end(sweep_steps(config, runs))
    assert [row.name for row in results.rows] == [f"run{index}" for index in (0, 1, 3, 4, 5, 6)]
    assert [(item.name, item.reason) for item in results.failures] == [("run2", "no memory")]
    assert [str(notice) for notice in notices] == ["run2-seed0 has no scores: no memory"]
    assert max(busy[1]) == 2
    assert not busy[0]


def test_a_sweep_that_is_closed_ends_what_it_has_begun(runs, busy, tmp_path):
    config = SweepConfig(output_folder=str(tmp_path / "S"), devices=("cuda:0", "cuda:1"))
    steps = sweep_steps(config, runs)
    next(steps)
    step = next(steps)
    assert step.stage == "run0-seed0: look 1; run1-seed0: look 1"
    assert (step.done, step.total) == (0, 7)
    assert busy[0] == {"cuda:0": "run0", "cuda:1": "run1"}
    steps.close()
    assert not busy[0]
