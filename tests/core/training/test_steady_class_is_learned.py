"""A class that sounds all the time, such as a fan, is learned from weak labels."""

import numpy as np
import pytest
import torch

from absslab.core.audio import sound_files
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.training.experiment import Experiment
from absslab.core.training.settings import Settings

RATE = 16000
N = 2 * RATE
BACKGROUND = 0.003
FAN_BANDS = slice(6, 12)


def fan(rng):
    """Return steady noise of a blower, between 400 and 900 Hz, at a level of its own."""
    spectrum = np.fft.rfft(rng.standard_normal(N))
    hertz = np.fft.rfftfreq(N, 1 / RATE)
    spectrum[(hertz < 400) | (hertz > 900)] = 0
    return rng.uniform(0.05, 0.15) * np.fft.irfft(spectrum, N) / 0.2


def beeps(rng):
    """Return two tones of 0.2 s at random times."""
    samples = np.zeros(N)
    for start in rng.integers(0, N - RATE // 5, 2):
        time = np.arange(RATE // 5) / RATE
        samples[start : start + len(time)] += 0.3 * np.sin(2 * np.pi * 2500 * time)
    return samples


def recording(rng, classes):
    makers = {"fan": fan, "beep": beeps}
    noise = BACKGROUND * rng.standard_normal(N)
    return (noise + sum(makers[name](rng) for name in classes)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixty recordings: a fan, beeps, both or none of them."""
    folder = tmp_path_factory.mktemp("fans")
    rng = np.random.default_rng(0)
    lines = ["filename,fan,beep"]
    for number in range(60):
        classes = [name for bit, name in enumerate(("fan", "beep")) if number >> bit & 1]
        name = f"{number:02d}.wav"
        sound_files.save(folder / name, recording(rng, classes), RATE)
        lines.append(f"{name},{number & 1},{number >> 1 & 1}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def train(folder, save_path, small_model, **changes):
    flags = small_model | {
        "data_set_type": "weakly_labelled_folder",
        "data_folder": str(folder),
        "labels": str(folder / "labels.csv"),
        "save_path": str(save_path),
        "n_epochs": 12,
        "batch_size": 8,
        "test_every": 12,
        "metric": "loss",
        "l1_weight": 0.0,
        "share_weight": 2.0,
        "pair_probability": 0.6,
        "optimizer": "AdamW",
        "learning_rate": 1e-2,
        "scheduler_type": "oneCycle",
    }
    flags |= changes
    for _ in Experiment(Settings.from_flags(flags)).run():
        pass
    return load_checkpoint(save_path).model


def fan_shares(model):
    """Return the mean of the fan's mask in its bands, where it sounds and where it does not.

    Each is a mean over eight recordings, since that of a single one differs between trainings.
    """
    shares = []
    rng = np.random.default_rng(9)
    for classes in (["fan"], ["beep"]):
        waveforms = np.stack([recording(rng, classes) for _ in range(8)])  # (8, N)
        with torch.no_grad():
            masks = model(torch.from_numpy(waveforms)).masks  # (8, K, M, T)
        shares.append(masks[:, model.classes.index("fan"), FAN_BANDS].mean().item())
    return shares


def test_a_fan_is_learned_as_a_class(folder, tmp_path, small_model):
    sounding, silent = fan_shares(train(folder, tmp_path / "fan.ckpt", small_model))
    assert sounding > 0.8
    assert silent < sounding / 3


def test_without_steady_classes_a_fan_stays_background(folder, tmp_path, small_model):
    model = train(folder, tmp_path / "fan.ckpt", small_model, steady_classes=False)
    sounding, _ = fan_shares(model)
    assert sounding < 0.4
