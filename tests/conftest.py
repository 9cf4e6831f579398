"""What several test files need: a few built-in recordings on disk, and a disk that is full."""

import resource
from contextlib import contextmanager

import pytest

from absslab.core import audio
from absslab.core.demo_events import SAMPLING_RATE, synthesise

CLASSES = ("alert", "keyboard", "keys", "speech")  # two of them begin alike
N_TAKES = 5


@pytest.fixture(scope="session")
def event_folder(tmp_path_factory):
    """Four classes of the built-in recordings, five takes of each, 44.1 kHz."""
    folder = tmp_path_factory.mktemp("events")
    for name in CLASSES:
        for take in range(1, N_TAKES + 1):
            audio.save(folder / f"{name}{take:02d}.wav", synthesise(name, take), SAMPLING_RATE)
    return folder


@pytest.fixture
def full_disk():
    """A context in which no file grows beyond so many bytes: writing more fails, as on a full disk."""

    @contextmanager
    def limit(n_bytes):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
