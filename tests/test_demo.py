"""The demo, small: every step, and a page that stands alone."""

import re

import pytest
import soundfile

from absslab import demo as demo_module
from absslab.cli import main


@pytest.fixture
def small_demo(monkeypatch, event_folder, tmp_path):
    """The demo on the tests' four classes, with a short training."""
    monkeypatch.setattr(demo_module, "cached_recordings", lambda **_: event_folder)
    return ["demo", "--output_folder", str(tmp_path / "demo"), "--n_files", "100", "--n_epochs", "1", "--device", "cpu"]


def test_the_demo_goes_the_whole_way_and_the_second_time_trains_no_more(small_demo, tmp_path, capsys):
    assert main(small_demo) == 0
    out = capsys.readouterr().out
    assert "SI-SDRi/dB" in out
    assert "epoch   1/1" in out
    folder = tmp_path / "demo"
    assert (folder / "masks.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((folder / "separated").iterdir())) == 3
    page = (folder / "report.html").read_text()
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []  # nothing is fetched from anywhere
    assert page.count("<audio") >= 3
    assert main(small_demo) == 0
    assert "epoch   1/1" not in capsys.readouterr().out


def test_sounds_on_the_page_have_the_level_of_the_files():
    import base64
    import io

    import numpy as np

    quiet = (0.01 * np.sin(np.arange(1600))).astype(np.float32)
    data = base64.b64decode(demo_module._wav(quiet, 16000).partition(",")[2])
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == 16000
    assert abs(samples - quiet).max() <= 0.5 / 32768
