"""Measure what the models of recipes cost, and put it beside what they reach in a benchmark.

    absslab benchmark --event_folder RECORDINGS --background_folder BACKGROUNDS \\
        --output_folder data/sizes --conditions background --recipes small recommended large
    python benchmarks/model_sizes.py --benchmark data/sizes

Scores are those of the benchmark, means over its seeds; a recipe that it lacks has none. Costs do
not depend on the weights and are measured here, with models that are not trained: steps of
trainings, masks of a minute of sound, and its separation, all models in turn, the medians of
several rounds. On a CPU one thread computes, and what counts is the time that it computed, so that
other work on the machine changes little. Memory is the most that `absslab separate` takes for a
long file.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measured_command import run_command
from separate_long import write_long

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.model.checkpoint import save_checkpoint
from absslab.core.model.separation_model import SeparationModel, build_model
from absslab.core.runs.benchmark_results import BenchmarkRow, read_results
from absslab.core.runs.result_tables import get_value
from absslab.core.separation.separator import Separator
from absslab.core.training.events import StepDone, TrainingEvent, TrainingStarted
from absslab.core.training.experiment import Experiment
from absslab.core.training.recipes import RECIPES, apply_recipe
from absslab.core.training.settings import Settings

SCORES = {  # name of the score → its column, and its format
    "tagging.auc": ("tagging AUC", ".3f"),
    "detection.event.f1": ("event F1", ".3f"),
    "separation.si_sdr_improvement": ("SI-SDRi, dB", ".1f"),
    "minutes": ("training, min", ".1f"),
}
COSTS = ("weights", "clips/s", "masks, s per hour", "separation, s per hour", "memory, MiB")
MINUTE = 60  # s
MINUTES_PER_HOUR = 60


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Args:
        n_weights: number of weights of its mask network.
        clips: mixtures per second of training.
        masks: s for the masks of a minute of sound.
        separation: s for a separation of this minute, masks included.
        memory: MiB that a separation of a long file takes.
    """

    n_weights: int
    clips: float
    masks: float
    separation: float
    memory: float


def find_event(events: Iterator[TrainingEvent], kind: type) -> TrainingEvent:
    """Go on with a training to the next event of a kind."""
    return next(event for event in events if isinstance(event, kind))


def time_in_turn(
    tasks: Sequence[Callable[[], object]], *, n_rounds: int, clock: Callable[[], float]
) -> list[float]:
    """Call all tasks in turn, after a round that does not count; return the medians in s."""
    seconds: list[list[float]] = [[] for _ in tasks]
    for index in range(n_rounds + 1):
        for task, values in zip(tasks, seconds, strict=True):
            start = clock()
            task()
            if index:
                values.append(clock() - start)
    return [statistics.median(values) for values in seconds]


def measure_memory(model: Path, recording: Path, folder: Path, device: str) -> float:
    """Separate a recording in a process of its own; return the most memory it took, in MiB."""
    flags = ["--checkpoint_path", model, "--input", recording, "--output_folder", folder]
    return run_command("separate", *flags, "--device", device).memory


def measure(
    recipes: Iterable[str], mixtures: Path, *, n_rounds: int, minutes: float, device: str
) -> dict[str, Cost]:
    """Measure what the models of recipes cost, on the mixtures of a benchmark."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    in_turn = partial(time_in_turn, n_rounds=n_rounds, clock=clock)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        models: dict[str, SeparationModel] = {}
        settings: dict[str, Settings] = {}
        steps = []
        for recipe in recipes:
            paths = {"data_folder": str(mixtures), "save_path": str(folder / f"{recipe}.ckpt")}
            flags = apply_recipe(RECIPES[recipe], paths | {"device": device})
            settings[recipe] = Settings.from_flags(flags)
            training = stack.enter_context(closing(Experiment(settings[recipe]).run()))
            started = find_event(training, TrainingStarted)
            assert isinstance(started, TrainingStarted)
            models[recipe] = build_model(settings[recipe].models, started.classes)
            steps.append(partial(find_event, training, StepDone))
        of_steps = in_turn(steps)

        long = folder / "long.wav"
        write_long(mixtures / "test", long, minutes)
        memory = []
        for recipe, model in models.items():
            path = folder / f"{recipe}-untrained.ckpt"
            save_checkpoint(path, model, settings[recipe].models, {})
            memory.append(measure_memory(path, long, folder / recipe, device))

    masks = []
    separations = []
    for model in models.values():
        separator = Separator(model.to(device).eval())
        rate = model.front_end.config.sampling_rate
        minute = load_minute(mixtures / "test", rate)
        masks.append(partial(separator.predict, torch.from_numpy(minute)))
        separations.append(partial(separator.separate, minute, rate))
    of_masks = in_turn(masks)
    of_separations = in_turn(separations)
    return {
        recipe: Cost(
            n_weights=sum(weights.numel() for weights in model.mask_net.parameters()),
            clips=settings[recipe].training.batch_size / of_steps[index],
            masks=of_masks[index],
            separation=of_separations[index],
            memory=memory[index],
        )
        for index, (recipe, model) in enumerate(models.items())
    }


def load_minute(folder: Path, rate: int) -> np.ndarray:
    """Return a minute of mixtures, one after the other and repeated: (N,)."""
    files = sorted(folder.glob("*.wav"))[: MINUTE // 2]
    samples = np.concatenate([sound_files.load(file, rate) for file in files])
    return np.resize(samples, MINUTE * rate)  # (N,)


def tabulate(costs: Mapping[str, Cost], rows: Sequence[BenchmarkRow]) -> str:
    """Return a table in Markdown: a row per recipe."""
    titles = ["recipe", *COSTS, *(title for title, _ in SCORES.values())]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for recipe, cost in costs.items():
        cells = [
            recipe,
            f"{cost.n_weights:,}",
            f"{cost.clips:.1f}",
            f"{MINUTES_PER_HOUR * cost.masks:.1f}",
            f"{MINUTES_PER_HOUR * cost.separation:.1f}",
            f"{cost.memory:.0f}",
        ]
        for name, (_, number) in SCORES.items():
            values = [get_value(row, name) for row in rows if row.recipe == recipe]
            known = [value for value in values if value is not None]
            text = f"{statistics.mean(known):{number}}" if known else "–"
            cells.append(text.replace("-", "−"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--benchmark", required=True, type=Path, help="folder of the benchmark")
    parser.add_argument("--condition", default="background", help="whose scores are shown")
    parser.add_argument(
        "--recipes", nargs="+", default=["small", "recommended", "large"], choices=RECIPES
    )
    parser.add_argument("--n_rounds", type=int, default=9)
    parser.add_argument("--minutes", type=float, default=6.0, help="length of the long file")
    parser.add_argument("--device", default="cpu", help="cpu, or a GPU such as cuda")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        results = read_results(arguments.benchmark)
    except InputError as error:
        parser.error(str(error))
    mixtures = sorted((arguments.benchmark / "mixtures").glob(f"{arguments.condition}-*"))
    if not mixtures:
        parser.error(f"{arguments.benchmark} has no mixtures of {arguments.condition}")
    rows = [
        row
        for row in results.rows
        if row.condition == arguments.condition and row.supervision == "weak"
    ]
    costs = measure(
        arguments.recipes,
        mixtures[0],
        n_rounds=arguments.n_rounds,
        minutes=arguments.minutes,
        device=arguments.device,
    )
    print(tabulate(costs, rows))


if __name__ == "__main__":
    main()
