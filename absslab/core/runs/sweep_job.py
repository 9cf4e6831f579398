"""A training of a sweep as a process, and its evaluation as another."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.config import to_flags
from absslab.core.common.errors import InputError, WorkError, escape_braces
from absslab.core.common.run_status import LIVE_STATES, read_status
from absslab.core.data.shards.places import is_command
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.runs.launcher import KILLED, OUTPUT, Launcher
from absslab.core.runs.processes import (
    describe_end,
    end_process,
    read_last_lines,
    start_process,
)
from absslab.core.runs.result_tables import measure_cost
from absslab.core.runs.run_scores import are_current, scores_path
from absslab.core.runs.sweep_results import SweepFailure, SweepRow
from absslab.core.training.run_directory import best_checkpoint_path
from absslab.core.training.settings import Settings

_EVALUATION = "evaluation.txt"  # in the run directory: what its evaluation printed

TrainingSteps = Generator[str, None, SweepRow]  # yields what is being done


@dataclass(frozen=True)
class SweepRun:
    """A training of a sweep.

    Args:
        name: its name, which its seeds share.
        seed: its seed.
        values: what the grid varies: name of the setting → its value, as text.
        arguments: of `absslab train`, without device.
        settings: what these arguments mean.
    """

    name: str
    seed: int
    values: Mapping[str, str]
    arguments: tuple[str, ...]
    settings: Settings

    @property
    def folder(self) -> Path:
        """The run directory."""
        return Path(self.settings.run.save_path).with_suffix("")

    @property
    def title(self) -> str:
        """Its name and its seed."""
        return self.folder.name


@dataclass
class Sweep:
    """Trains and scores the trainings of a sweep.

    Args:
        split: the split whose recordings are scored.
        working_folder: of the processes; by default that of this one.
        environment: of the processes; by default that of this one.
        is_wanted: tells whether the sweep goes on; no training is begun after its end.
    """

    split: str
    working_folder: str | None = None
    environment: Mapping[str, str] | None = None
    is_wanted: Callable[[], bool] = lambda: True

    @property
    def _launcher(self) -> Launcher:
        return Launcher(self.working_folder, self.environment)

    def is_live(self, run: SweepRun) -> bool:
        """Tell whether a process trains it."""
        return self._launcher.state(run.folder) in LIVE_STATES

    def run(self, run: SweepRun, device: str) -> TrainingSteps:
        """Train and score as far as this has not been done; return the row of results.

        Yields:
            what is being done, each time that it is looked at.

        Raises:
            WorkError: the training or its evaluation has failed.
        """
        yield from self._train(run, device)
        scores = scores_path(run.folder, self.split)
        if not are_current(scores, best_checkpoint_path(run.folder)):
            yield from self._evaluate(run, device)
        values = read_scores_alone(scores).flat()
        return SweepRow(run.name, run.seed, run.values, *measure_cost(run.folder), values)

    def _train(self, run: SweepRun, device: str) -> Generator[str, None, None]:
        folder = run.folder
        if self.is_live(run):  # an earlier sweep or a worker was killed, but not its training
            yield from self._follow(run, device)
            if self._launcher.state(folder) not in ("dead", "stopped"):  # by the earlier sweep
                self._check_finished(folder)
        if self._launcher.state(folder) == "finished":
            return
        if not self.is_wanted():
            raise WorkError("its sweep has ended")
        if (folder / "last.ckpt").exists():
            self._launcher.resume(folder, device=device, data_folder=_stated_command(run))
        else:
            arguments = ["train", *run.arguments, *to_flags({"device": device})]
            self._launcher.start(arguments, folder)
        yield from self._follow(run, device)
        self._check_finished(folder)

    def _follow(self, run: SweepRun, device: str) -> Generator[str, None, None]:
        """Say what a training does until it ends; end it when this is closed."""
        try:
            while self.is_live(run):
                yield self._describe(run, device)
        finally:
            self._launcher.end(run.folder)

    def _check_finished(self, folder: Path) -> None:
        if self._launcher.state(folder) != "finished":
            raise WorkError(escape_braces(self._find_reason(folder)))

    def _describe(self, run: SweepRun, device: str) -> str:
        status = read_status(run.folder / "status.json")
        if status.state != "running" or status.progress is not None:
            return f"{status.progress.task if status.progress else 'starting'} on {device}"
        n_epochs = status.n_epochs or run.settings.training.n_epochs
        return f"epoch {(status.epoch or 0) + 1} of {n_epochs} on {device}"

    def _find_reason(self, folder: Path) -> str:
        """Find why a training has not finished, in one line."""
        state = self._launcher.state(folder)
        if state == "stopped":
            return "its training was stopped"
        reason = self._launcher.find_problem(folder)
        if not reason:
            reason = KILLED if state == "dead" else read_last_lines(folder / OUTPUT, 1)
        return reason.removeprefix("absslab train: ")

    def _evaluate(self, run: SweepRun, device: str) -> Generator[str, None, None]:
        scores = scores_path(run.folder, self.split)
        flags = {
            "checkpoint_path": str(best_checkpoint_path(run.folder)),
            "split": self.split,
            "bss_eval": "none",
            "device": device,
            "output": str(scores),
        }
        if command := _stated_command(run):
            flags["data_folder"] = command
        job = start_process(
            ["evaluate", *to_flags(flags)],
            run.folder / _EVALUATION,
            self.working_folder,
            self.environment,
        )
        try:
            while job.poll() is None:
                yield f"scoring on {device}"
        finally:
            if job.poll() is None:
                end_process(job.pid)
        exit_status = job.poll() or 0
        if exit_status in (0, 3) and scores.exists():  # 3: some recordings could not be used
            return
        reason = describe_end(exit_status) or job.read_log_end(1) or "it ended without a message"
        raise WorkError(escape_braces(reason.removeprefix("absslab evaluate: ")))


def _stated_command(run: SweepRun) -> str:
    """Return data_folder if it is a command, which runs only if it is passed each time."""
    folder = run.settings.data.data_folder
    return folder if is_command(folder) else ""


def describe_failure(run: SweepRun, error: InputError | WorkError) -> SweepFailure:
    """Return why a training has no scores, in one line."""
    return SweepFailure(run.name, run.seed, " ".join(str(error).split()))
