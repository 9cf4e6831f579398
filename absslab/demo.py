"""The whole way on the built-in recordings: mix, train, evaluate, separate, and a report to open.

Axes: K classes, M bands, T frames, N samples.
"""

import base64
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from absslab.core import audio
from absslab.core.config import Config, option
from absslab.core.demo_events import cached_recordings
from absslab.core.evaluation import Evaluation, EvaluationConfig
from absslab.core.experiment import train_once
from absslab.core.files import whole_file, write_text
from absslab.core.mixing import MixingConfig
from absslab.core.mixture_folder import MixtureFolderConfig, write_mixtures
from absslab.core.recipes import RECIPES
from absslab.core.score_table import write_scores
from absslab.core.score_text import score_rows
from absslab.core.separated_folder import separate_file
from absslab.core.training import EpochResult, StepDone, choose_device
from absslab.core.workers import Progress
from absslab.widgets.figures import Separated, mask_figure

N_EXAMPLES = 3  # test mixtures that are separated to files


@dataclass(frozen=True)
class DemoConfig(Config):
    """What the demo makes."""

    output_folder: str = option("demo", "everything is written in it; the same command goes on where it was cut")
    n_files: int = option(1000, "mixtures of the built-in recordings", at_least=100)
    n_takes: int = option(20, "recordings per class", at_least=20)
    n_epochs: int = option(RECIPES["recommended"]["n_epochs"], "of training", at_least=1)
    seed: int = option(0, "of everything", at_least=0)
    device: str = option("auto", "auto: a GPU if there is one; cpu, cuda, cuda:1, …")


@dataclass
class Demo:
    """The demo, step by step, each a generator of progress.

    Args:
        config: how much, and where.

    Raises:
        InputError: what the steps themselves refuse.
    """

    config: DemoConfig

    def __post_init__(self) -> None:
        choose_device(self.config.device)
        self.folder = Path(self.config.output_folder)
        self.mixtures, self.model = self.folder / "mixtures", self.folder / "model.ckpt"

    def mix(self) -> Iterator[Progress]:
        """Synthesise the recordings, unless they are in the cache, and mix them."""
        config = self.config
        recordings = cached_recordings(n_takes=config.n_takes, seed=config.seed)
        folder = MixtureFolderConfig(
            event_folder=str(recordings), output_folder=str(self.mixtures), n_files=config.n_files, seed=config.seed
        )
        yield from write_mixtures(folder, MixingConfig())

    def train(self) -> Iterator[StepDone | EpochResult]:
        """Train by the recommended recipe, or go on with a training that was cut."""
        flags = {
            "data_folder": str(self.mixtures),
            "save_path": str(self.model),
            "n_epochs": self.config.n_epochs,
            "seed": self.config.seed,
            "device": self.config.device,
        }
        yield from train_once(RECIPES["recommended"] | flags)

    def evaluate(self) -> Iterator[Progress]:
        """Score the best model on the test mixtures, into `scores` and scores.json."""
        self.evaluation = Evaluation(EvaluationConfig(checkpoint_path=str(self.model), device=self.config.device))
        yield from self.evaluation.run()
        self.scores = self.evaluation.scores()
        write_scores(self.folder / "scores.json", self.scores, self.evaluation.table())

    def separate(self) -> Iterator[Progress]:
        """Separate the first test mixtures to files."""
        for done in range(N_EXAMPLES):
            for _ in separate_file(
                self.evaluation.separator, self.evaluation.data_set.path(done), self.folder / "separated"
            ):
                pass
            yield Progress(done + 1, N_EXAMPLES)

    def report(self) -> Path:
        """Draw the masks of a typical mixture, and write report.html with what there is to see and to hear."""
        index = self._typical()
        truth, separator = self.evaluation.truth(index), self.evaluation.separator
        mixture, references = truth.mixture, truth.references or {}
        separated = separator.separate(mixture, truth.sampling_rate)
        table = self.evaluation.table()
        improvements = table[table["mixture"] == truth.name].set_index("class")["si_sdr_improvement"]
        estimates = {name: separated.sources[separator.classes.index(name)] for name in references}
        rows = [
            Separated(
                name,
                self._power(reference),
                separated.masks[separator.classes.index(name)],
                self._power(estimates[name]),
                float(improvements[name]),
            )
            for name, reference in references.items()
        ]
        picture = self._draw(separated.power, rows)
        sounds = {"mixture": mixture}
        for name, reference in references.items():
            sounds |= {f"{name}, as it was mixed": reference, f"{name}, separated": estimates[name]}
        page = _page(self.scores, picture, {name: _wav(sound, truth.sampling_rate) for name, sound in sounds.items()})
        write_text(self.folder / "report.html", page)
        return self.folder / "report.html"

    def _typical(self) -> int:
        """Of the test mixtures with three classes or more the one whose improvement is the median."""
        present = self.evaluation.table().dropna(subset="si_sdr_improvement").groupby("mixture")["si_sdr_improvement"]
        means = present.mean()[present.count() >= min(3, present.count().max())].sort_values(kind="stable")
        chosen = means.index[len(means) // 2]
        return next(i for i in range(len(self.evaluation.data_set)) if self.evaluation.name(i) == chosen)

    def _power(self, waveform: np.ndarray) -> np.ndarray:
        front_end = self.evaluation.separator.model.front_end
        on_device = torch.from_numpy(waveform)[None].to(front_end.shift.device)  # (1, N)
        return front_end.power(front_end.stft(on_device))[0].cpu().numpy()  # (M, T)

    def _draw(self, mixture: np.ndarray, rows: list[Separated]) -> Path:
        features = self.evaluation.separator.model.front_end.config
        figure = mask_figure(mixture, rows, hop=self.evaluation.separator.hop, centres=features.centres)
        with whole_file(self.folder / "masks.png") as unfinished:
            figure.savefig(unfinished, format="png")
        return self.folder / "masks.png"


def _wav(samples: np.ndarray, sampling_rate: int) -> str:
    return "data:audio/wav;base64," + base64.b64encode(audio.encode(samples, sampling_rate)).decode()


def _page(scores: Mapping[str, Any], picture: Path, sounds: Mapping[str, str]) -> str:
    """One self-contained page; levels are true: what is quiet in the mixture is quiet here."""
    players = "".join(
        f'<tr><th>{html.escape(name)}</th><td><audio controls src="{data}"></audio></td></tr>'
        for name, data in sounds.items()
    )
    header, *rows = score_rows(scores)
    head = "".join(f"<td>{html.escape(title)}</td>" for title in header[1:])
    lines = "".join(
        f"<tr><th>{html.escape(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for name, *cells in rows
    )
    tagging, separation = scores["tagging"], scores["separation"]
    image = base64.b64encode(picture.read_bytes()).decode()
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ABSSLab demo</title><style>{_STYLE}</style>
<h1>{len(scores["classes"])} office sounds, learned from weak labels</h1>
<p>The model was told which sounds each mixture holds, never when or how they sound alone. On {scores["n_mixtures"]} test
mixtures of recordings it had not met: tagging AUC <b>{tagging["auc"]:.3f}</b>, SI-SDR improvement of present classes
<b>{separation["si_sdr_improvement"]:.1f} dB</b> (mean; median {separation["si_sdr_improvement_median"]:.1f} dB), leakage of
absent ones {separation["leakage"]:.0f} dB.</p>
<h2>A typical mixture: see it</h2><img alt="mixture, sources, masks and separated sources"
src="data:image/png;base64,{image}">
<h2>Hear it</h2><table>{players}</table>
<h2>Class by class</h2><div class="wide"><table><tr><th>{header[0]}</th>{head}</tr>{lines}</table></div>
<p>The mixture itself is the floor; ideal masks, drawn from the sources, are ceilings. SI-SDRi is the improvement over the
mixture of classes that are there, leakage the level of those that are not.</p>
</html>"""


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
img { max-width: 100%; background: white; } .wide { overflow-x: auto; }
table { border-collapse: collapse; } th { text-align: left; font-weight: 500; padding-right: 1rem; }
td { padding: 0.2rem 0.8rem; text-align: right; } audio { height: 2rem; max-width: 55vw; }
.wide table { font-size: 0.75rem; white-space: nowrap; } .wide td { padding: 0.15rem 0.3rem; }
"""
