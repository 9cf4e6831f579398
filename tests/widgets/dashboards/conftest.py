from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run(checkpoint) -> Path:
    """A run with a trained model."""
    return checkpoint.with_suffix("")
