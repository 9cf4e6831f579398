"""Make once what many tests need: recordings, a folder of mixtures, a small trained model."""

import ctypes
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from dashboard_server import Dashboard

from absslab.core.audio import sound_files
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.synthetic.office_sounds import SAMPLING_RATE, synthesise
from absslab.core.training.experiment import Experiment
from absslab.core.training.settings import Settings

CLASSES = ("alert", "knock", "pageturn", "speech")
SMALL = {  # flags of a model that trains within seconds
    "model_type": "U_Net",
    "unet_channels": (8, 8, 8),
    "fine_channels": 4,
    "context": 8,
    "pooling": "linear_softmax",
    "masks": "competing",
    "n_mels": 32,
    "precision": "float32",
    "device": "cpu",
}
ADDED_SINCE_0_1_0: frozenset[str] = frozenset(
    {
        *("psds_ungated", "n_joined_events", "truth", "n_silent_events", "event_thresholds_from"),
        "activity",
        *("plain_sdr", "plain_sdr_improvement", "ca_sdr_improvement", "casa_sdr_improvement"),
        *("eer", "frame_eer", "segmentation_eer", "spread", "has_background"),
    }
)  # names of scores, in any section of the JSON
hypothesis.settings.register_profile("absslab", deadline=None, derandomize=True)
hypothesis.settings.load_profile("absslab")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first."""
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)


@pytest.fixture(autouse=True)
def _no_progress_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print no lines of progress, which appear only on slow machines."""
    monkeypatch.setattr("absslab.core.common.progress.LINE_INTERVAL", float("inf"))


@pytest.fixture(scope="session")
def added_scores() -> frozenset[str]:
    """Names of the scores that files of version 0.1.0 do not have."""
    return ADDED_SINCE_0_1_0


@pytest.fixture(scope="session")
def event_folder(tmp_path_factory) -> Path:
    """Four classes of built-in recordings, five takes each, 44.1 kHz."""
    folder = tmp_path_factory.mktemp("events")
    for name in CLASSES:
        for take in range(1, 6):
            sound_files.save(
                folder / f"{name}{take:02d}.wav", synthesise(name, take), SAMPLING_RATE
            )
    return folder


def mix(
    event_folder: Path,
    output_folder: Path,
    n_files: int,
    split_percentages: tuple[int, int, int],
    mixing: MixingConfig,
    seed: int = 0,
) -> Path:
    """Write a folder of mixtures in this process, and return it."""
    config = MixtureFolderConfig(
        event_folder=str(event_folder),
        output_folder=str(output_folder),
        n_files=n_files,
        split_percentages=split_percentages,
        seed=seed,
        n_workers=1,
    )
    run_to_end(write_mixtures(config, mixing))
    return output_folder


@pytest.fixture(scope="session")
def mixtures(event_folder, tmp_path_factory) -> Path:
    """Forty mixtures of 2 s: 24 for training, 8 for validation, 8 for test."""
    folder = tmp_path_factory.mktemp("mixtures") / "set"
    return mix(event_folder, folder, 40, (60, 20, 20), MixingConfig(length=2.0, max_event=2))


@pytest.fixture(scope="session")
def few_mixtures(event_folder, tmp_path_factory) -> Path:
    """Six mixtures for training, three for validation and three for test, for large networks.

    Each class is in some of each split and not in others. The mixtures are as long as three blocks
    of the thesis' CNN mapping need.
    """
    folder = tmp_path_factory.mktemp("mixtures") / "few"
    mixing = MixingConfig(length=1.8, max_event=3)
    return mix(event_folder, folder, 12, (50, 25, 25), mixing, seed=22)


@pytest.fixture(scope="session")
def settings(mixtures, tmp_path_factory) -> Settings:
    """A small training of two epochs with all features of the recommended recipe."""
    save_path = tmp_path_factory.mktemp("runs") / "model.ckpt"
    flags = SMALL | {
        "data_folder": str(mixtures),
        "save_path": str(save_path),
        "n_epochs": 2,
        "batch_size": 8,
        "test_every": 1,
        "share_weight": 2.0,
        "l1_weight": 0.1,
        "pair_probability": 0.6,
        "roll": True,
        "equaliser": 2.0,
        "average_decay": 0.9,
        "optimizer": "AdamW",
        "learning_rate": 3e-3,
    }
    return Settings.from_flags(flags)


@pytest.fixture(scope="session")
def small_model() -> dict[str, Any]:
    """Flags of a model that trains in seconds."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def checkpoint(settings) -> Path:
    """The best model of that training."""
    for _ in Experiment(settings).run():
        pass
    return Path(settings.run.save_path)


@pytest.fixture(scope="session")
def other_checkpoint(checkpoint, tmp_path_factory) -> Path:
    """Another run on the same data, whose model gives other results."""
    copied = tmp_path_factory.mktemp("other runs") / "other.ckpt"
    shutil.copytree(checkpoint.with_suffix(""), copied.with_suffix(""))
    content = torch.load(checkpoint, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for name, weights in content["weights"].items():
        if name.startswith("mask_net.") and weights.is_floating_point() and weights.ndim > 1:
            weights += 0.3 * weights.std() * torch.randn(weights.shape, generator=generator)
    torch.save(content, copied)
    return copied


@pytest.fixture(scope="session")
def background_mixtures(tmp_path_factory) -> Path:
    """Mixtures over noise in which the classes background and knock sound or not."""
    events = tmp_path_factory.mktemp("events")
    for name, sound in {"background": "keys", "knock": "knock"}.items():
        for take in range(1, 4):
            path = events / name / f"{take:02d}.wav"
            sound_files.save(path, synthesise(sound, take), SAMPLING_RATE)
    folder = tmp_path_factory.mktemp("mixtures") / "set"
    return mix(events, folder, 20, (60, 20, 20), MixingConfig(length=1.0))


@pytest.fixture(scope="session")
def train_with_sources(small_model, tmp_path_factory) -> Callable[..., Path]:
    """A function that trains a model with true sources, for one epoch, and returns its path."""

    def train(**data: str) -> Path:
        save_path = tmp_path_factory.mktemp("runs") / "model.ckpt"
        flags = small_model | {
            **data,
            "supervision": "sources",
            "share_weight": 1.0,
            "masks": "competing",
            "save_path": str(save_path),
            "n_epochs": 1,
        }
        with collect_notices():
            run_to_end(Experiment(Settings.from_flags(flags)).run())
        return save_path

    return train


@pytest.fixture(scope="session")
def background_checkpoint(background_mixtures, train_with_sources) -> Path:
    """A model of these classes, trained with their true sources."""
    return train_with_sources(data_folder=str(background_mixtures))


@pytest.fixture(scope="module")
def serve(tmp_path_factory) -> Iterator[Callable[..., Dashboard]]:
    """`serve("listen", "--run_directory", R)` starts a dashboard.

    Tests that pass the same arguments share one, unless they ask for a fresh one.
    """
    running: dict[tuple[str, ...], Dashboard] = {}

    def start(*arguments: object, fresh: bool = False) -> Dashboard:
        key = tuple(map(str, arguments))
        if fresh or key not in running:
            dashboard = Dashboard(tmp_path_factory.mktemp("dashboard"), list(map(str, arguments)))
            running[(*key, str(len(running))) if fresh else key] = dashboard
            return dashboard
        return running[key]

    yield start
    for dashboard in running.values():
        dashboard.close()


@pytest.fixture
def new_run(settings, tmp_path) -> Settings:
    """The same training in a new run directory, not yet started."""
    return replace(settings, run=replace(settings.run, save_path=str(tmp_path / "run.ckpt")))


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """A context in which no file can grow beyond a limit, as on a full disk.

    The limit also holds for worker processes.
    """

    @contextmanager
    def limit(n_bytes: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture
def plain_user() -> Iterator[None]:
    """Let permissions of files hold for root too, in this thread and without other processes."""
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    before = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; then their high halves
    if libc.capget(header, before):
        pytest.skip("there are no capabilities")
    without = (ctypes.c_uint32 * 6)(*before)
    without[0] &= ~(1 << 1 | 1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    libc.capset(header, without)
    yield
    libc.capset(header, before)
