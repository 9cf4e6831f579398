"""Run every step on the built-in recordings: mix, train, evaluate, separate, report."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from absslab.core.common.config import Config, option
from absslab.core.common.devices import choose_device, device_option
from absslab.core.common.files import atomic_write
from absslab.core.common.progress import Progress, Steps, run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import WrittenMixtures, write_mixtures
from absslab.core.data.synthetic.recording_files import cached_backgrounds, cached_recordings
from absslab.core.evaluation.divided_evaluation import run_evaluation
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.evaluation.score_files import write_scores
from absslab.core.runs.benchmark_conditions import CONDITIONS
from absslab.core.runs.run_scores import read_run_scores, scores_path, typical_mixture
from absslab.core.separation.separated_folder import separate_file
from absslab.core.training.events import TrainingEvent
from absslab.core.training.experiment import train_or_resume
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.report.examples import draw_example, separate_example
from absslab.report.render import ReportFile, write_report

N_EXAMPLES = 3  # test mixtures that are separated to files


@dataclass(frozen=True)
class DemoConfig(Config):
    """Output and size of the demo."""

    output_folder: str = option(
        "demo",
        "folder for all output; the same command continues where it was interrupted",
        metavar="FOLDER",
    )
    n_files: int = option(1000, "number of mixtures of the built-in recordings", at_least=100)
    n_takes: int = option(20, "number of recordings per class", at_least=20)
    n_epochs: int = option(14, "number of training epochs", at_least=1)
    seed: int = option(0, "random seed of all steps", at_least=0)
    device: str = device_option()


@dataclass
class Demo:
    """The steps of the demo: call them in the order mix, train, evaluate, separate, report.

    Args:
        config: how much is made, and where.
    """

    config: DemoConfig

    @classmethod
    def open(cls, config: DemoConfig) -> "Demo":
        """Return the demo, once it is sure that its last steps can use the device.

        Raises:
            InputError: the device can't be used.
        """
        choose_device(config.device)
        return cls(config)

    @property
    def folder(self) -> Path:
        """Folder of all output."""
        return Path(self.config.output_folder)

    @property
    def mixtures(self) -> Path:
        """Folder of the mixtures."""
        return self.folder / "mixtures"

    @property
    def model(self) -> Path:
        """File of the best model."""
        return self.folder / "model.ckpt"

    @property
    def run(self) -> Path:
        """The run directory."""
        return self.model.with_suffix("")

    def mix(self) -> Steps[WrittenMixtures]:
        """Synthesise recordings and backgrounds, unless the cache has them, and mix them."""
        config = self.config
        recordings = cached_recordings(n_takes=config.n_takes, seed=config.seed)
        folder = MixtureFolderConfig(
            event_folder=str(recordings),
            output_folder=str(self.mixtures),
            n_files=config.n_files,
            seed=config.seed,
        )
        backgrounds = cached_backgrounds(seed=config.seed)
        mixing = MixingConfig(**CONDITIONS["background"].mixing, background_folder=str(backgrounds))
        return (yield from write_mixtures(folder, mixing))

    def train(self) -> Iterator[TrainingEvent]:
        """Train with the recommended recipe, or continue a training that was interrupted."""
        flags = {
            "data_folder": str(self.mixtures),
            "save_path": str(self.model),
            "n_epochs": self.config.n_epochs,
            "seed": self.config.seed,
            "device": self.config.device,
        }
        yield from train_or_resume(apply_recipe(RECIPES["recommended"], flags))

    def evaluate(self) -> Steps[None]:
        """Score the best model on the test mixtures; write the scores into the run directory."""
        config = EvaluationConfig(checkpoint_path=str(self.model), device=self.config.device)
        self.evaluation = open_evaluation(config)
        self.scores, table = yield from run_evaluation(self.evaluation, config)
        write_scores(scores_path(self.run, "test"), self.scores, table)

    def separate(self) -> Steps[None]:
        """Separate the first test mixtures to files."""
        for index in range(N_EXAMPLES):
            path = self.evaluation.data_set.path(index)
            run_to_end(separate_file(self.evaluation.separator, path, self.folder / "separated"))
            yield Progress(index + 1, N_EXAMPLES)

    def report(self) -> ReportFile:
        """Draw the masks of a typical mixture into masks.png, and write report.html."""
        scores = read_run_scores(self.run, "test")
        assert scores is not None
        example = separate_example(self.evaluation, scores, typical_mixture(scores.table))
        assert example is not None
        with atomic_write(self.folder / "masks.png") as unfinished:
            draw_example(self.evaluation, example).savefig(unfinished, format="png")
        output = self.folder / "report.html"
        parameters = {
            "run_directory": str(self.run),
            "device": self.config.device,
            "output": str(output),
        }
        return write_report(output, parameters, title=f"{self.folder.name}: report")
