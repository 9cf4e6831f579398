"""Draw the pictures of the page on concepts, from the built-in recordings and the code itself.

python docs/pictures.py --only pooling
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

import absslab
from absslab.core.audio import sound_files
from absslab.core.data.synthetic import synthesise
from absslab.core.data.synthetic.physics import SAMPLING_RATE
from absslab.core.model import FeatureConfig, FrontEnd
from absslab.core.model.front_end import mel_filters
from absslab.core.model.hand_drawn_mask import build_poolings

CLASSES = ("alert", "keys", "knock", "speech")
RANGE = 60.0  # dB shown below the loudest bin
RATE = 16000  # Hz
FOLDER = Path(__file__).parent / "pictures"


@dataclass(frozen=True)
class Example:
    """A mixture of the built-in recordings, with its sources and events."""

    mixture: np.ndarray  # (N,)
    sources: dict[str, np.ndarray]  # class, or "background" → (N,)
    events: list[tuple[str, float, float]]  # class, onset, offset in s


def make_example(folder: Path) -> Example:
    """Mix built-in recordings; take a mixture of three classes, where speech begins during keys.

    Args:
        folder: an empty folder.
    """
    recordings = folder / "recordings"
    recordings.mkdir()
    for name in CLASSES:
        for take in range(1, 6):
            sound_files.save(
                recordings / f"{name}{take}.wav", synthesise(name, take), SAMPLING_RATE
            )
    mixtures = absslab.mix(
        folder / "recordings",
        folder / "mixtures",
        n_files=40,
        split_percentages=(60, 20, 20),
        length=6.0,
        max_event=3,
        overlap=True,
        n_workers=1,
        seed=2,
    )
    train = mixtures / "train"
    table = pd.read_csv(train / "events.tsv", sep="\t")
    name, rows = next(
        (name, rows)
        for name, rows in table.groupby("filename")
        if rows["event_label"].nunique() == 3 and begins_during(rows, "speech", "keys")
    )
    sources = {
        path.stem: sound_files.load(path)
        for path in sorted((train / name).with_suffix("").glob("*.flac"))
    }
    events = list(rows[["event_label", "onset", "offset"]].itertuples(index=False, name=None))
    return Example(sound_files.load(train / name), sources, events)


def begins_during(events: pd.DataFrame, later: str, earlier: str) -> bool:
    """Tell whether an event of a class begins while one of another class sounds."""
    pairs = events[events["event_label"] == later].merge(
        events[events["event_label"] == earlier], how="cross", suffixes=("", "_earlier")
    )
    return bool(pairs["onset"].between(pairs["onset_earlier"], pairs["offset_earlier"]).any())


def band_power(samples: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """Compute the power (M, T) of a sound (N,) in the bands of the model."""
    front_end = FrontEnd(config)
    spectrum = front_end.stft(torch.from_numpy(samples[None]))  # (1, F, T)
    return front_end.power(spectrum)[0].numpy()


def show_power(axes: plt.Axes, power: np.ndarray, top: float, seconds: float, title: str) -> None:
    """Draw the power of a sound (M, T) in dB."""
    level = 10 * np.log10(np.maximum(power, 1e-12))
    extent = (0, seconds, 0, len(power))
    axes.imshow(
        level,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=top - RANGE,
        vmax=top,
        extent=extent,
    )
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylabel("mel band")


def weak_labels(example: Example) -> plt.Figure:
    """Draw a recording with its weak labels, and the events that training does not use."""
    config = FeatureConfig()
    power = band_power(example.mixture, config)
    seconds = len(example.mixture) / RATE
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(8, 4.6), sharex=True, height_ratios=(3, 1.3), layout="constrained"
    )
    present = {name for name, _, _ in example.events}
    labels = ",  ".join(f"{name} {int(name in present)}" for name in CLASSES)
    show_power(
        upper, power, 10 * np.log10(power.max()), seconds,
        f"used in training: the recording and its weak labels   {labels}",
    )  # fmt: skip
    for name, onset, offset in example.events:
        lower.barh(CLASSES.index(name), offset - onset, left=onset, height=0.6, color="#3b6fb6")
    lower.set_yticks(range(len(CLASSES)), CLASSES)
    lower.invert_yaxis()
    lower.set_title("not used: the times at which each class sounds", loc="left", fontsize=10)
    lower.set_xlabel("time / s")
    return figure


def masks(example: Example) -> plt.Figure:
    """Draw a mixture, the mask of one class, and the separated source."""
    config = FeatureConfig()
    power = band_power(example.mixture, config)
    parts = {name: band_power(samples, config) for name, samples in example.sources.items()}
    mask = parts["speech"] / np.maximum(sum(parts.values()), 1e-12)  # (M, T)
    seconds = len(example.mixture) / RATE
    top = 10 * np.log10(power.max())
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(10, 3), sharey=True, layout="constrained"
    )
    show_power(left, power, top, seconds, "mixture")
    middle.imshow(
        mask, origin="lower", aspect="auto", cmap="cividis", vmin=0, vmax=1,
        extent=(0, seconds, 0, len(mask)),
    )  # fmt: skip
    middle.set_title("× mask of speech", loc="left", fontsize=10)
    show_power(right, power * mask**2, top, seconds, "= source: speech")
    right.set_ylabel("")
    for axes in (left, middle, right):
        axes.set_xlabel("time / s")
    return figure


def pooling() -> plt.Figure:
    """Draw the result of each pooling for a short event, a long one, and stray bins."""
    shape = (64, 311)  # bands and frames of 10 s
    toys = {
        name: np.full(shape, 0.02, np.float32)
        for name in ("short event", "long event", "stray bins")
    }
    toys["short event"][10:40, 100:112] = 0.9
    toys["long event"][10:40, 40:240] = 0.9
    rng = np.random.default_rng(0)
    toys["stray bins"][rng.integers(0, 64, 12), rng.integers(0, 311, 12)] = 0.9
    figure, grid = plt.subplots(
        2, 3, figsize=(10, 4.6), layout="constrained", sharey="row", height_ratios=(1, 1.3)
    )
    for column, (name, mask) in enumerate(toys.items()):
        upper, lower = grid[:, column]
        upper.imshow(mask, origin="lower", aspect="auto", cmap="cividis", vmin=0, vmax=1)
        upper.set_title(f"mask: {name}", loc="left", fontsize=10)
        batch = torch.from_numpy(mask)[None, None]  # (1, 1, M, T)
        values = {
            name: float(pooling.forward(batch))
            for name, pooling in build_poolings({}, len(mask)).items()
            if not list(pooling.parameters())  # others begin as one of these, and learn
        }
        bars = lower.barh(list(values), list(values.values()), color="#3b6fb6")
        lower.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
        lower.set_xlim(0, 1.15)
        lower.set_xlabel("probability that the class is present")
    grid[1, 0].invert_yaxis()
    grid[0, 0].set_ylabel("mel band")
    return figure


def mel_bands() -> plt.Figure:
    """Draw the bands of the model over the bins of the transform."""
    config = FeatureConfig()
    filters = mel_filters(config, config.window_size, config.sampling_rate)  # (M, F)
    frequencies = np.fft.rfftfreq(config.window_size, 1 / config.sampling_rate)
    figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    for number, weights in enumerate(filters):
        axes.plot(
            frequencies, weights / weights.max(), lw=0.9, color=("#3b6fb6", "#e08a1e")[number % 2]
        )
    axes.set_xlabel("frequency / Hz")
    axes.set_ylabel("weight")
    title = f"{config.n_mels} mel bands over {len(frequencies)} bins of the transform"
    axes.set_title(title, loc="left", fontsize=10)
    return figure


def competing(example: Example) -> plt.Figure:
    """Draw the same scores as independent masks, and as competing ones."""
    config = FeatureConfig()
    names = ("speech", "keys", "background")
    power = np.stack([band_power(example.sources[name], config) for name in names])  # (3, M, T)
    overlap = power[0] * power[1]
    frame = int(overlap.sum(0).argmax())
    scores = np.log(power[:, :, frame] + 1e-10)  # (3, M)
    alone = 1 / (1 + np.exp(-(scores[:2] - scores[2])))  # (2, M)
    shares = np.exp(scores - scores.max(0))
    shares = shares / shares.sum(0)  # (3, M)
    colours = ("#3b6fb6", "#e08a1e", "#c9ccd1")
    bands = np.arange(config.n_mels)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
    for mask, name, colour in zip(alone, names[:2], colours, strict=False):
        left.step(bands, mask, where="mid", color=colour, label=name)
    left.set_title("independent: both classes may claim a bin", loc="left", fontsize=10)
    right.stackplot(bands, shares, colors=colours, labels=names, step="mid")
    right.set_title("competing: each bin is divided", loc="left", fontsize=10)
    for axes in (left, right):
        axes.set_xlabel("mel band, in one frame")
        axes.set_ylim(0, 1.05)
        axes.legend(loc="upper right", fontsize=8)
    left.set_ylabel("mask")
    return figure


PICTURES_OF_EXAMPLE = {"weak_labels": weak_labels, "masks": masks, "competing": competing}
PICTURES = {"pooling": pooling, "mel_bands": mel_bands}  # that need no example


def write_pictures(folder: Path, only: str | None = None) -> list[Path]:
    """Draw the pictures and return their files.

    Args:
        folder: folder for the pictures.
        only: name of the picture to draw; None draws all.
    """
    figures = {name: draw() for name, draw in PICTURES.items() if only in (name, None)}
    if only in (*PICTURES_OF_EXAMPLE, None):
        with tempfile.TemporaryDirectory() as temporary:
            example = make_example(Path(temporary))
        for name, draw in PICTURES_OF_EXAMPLE.items():
            if only in (name, None):
                figures[name] = draw(example)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=110, metadata={"Software": None})
        plt.close(figure)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--only", choices=[*PICTURES, *PICTURES_OF_EXAMPLE])
    arguments = parser.parse_args()
    print(*write_pictures(arguments.folder, arguments.only), sep="\n")
