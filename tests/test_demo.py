"""A small demo runs every step, and its report needs no other file."""

import re
import sys

import pytest
from own_home import home_variables

from absslab import demo as demo_module
from absslab.cli.main import main
from absslab.report.render import ReportFile


@pytest.fixture
def small_demo(monkeypatch, event_folder, tmp_path):
    """Shorten the demo: the tests' four classes and a short training.

    The report's kernel gets its own home folder.
    """
    for name, folder in home_variables(tmp_path / "home").items():
        monkeypatch.setenv(name, folder)
    monkeypatch.setattr(demo_module, "cached_recordings", lambda **_: event_folder)
    return [
        "demo",
        "--output_folder",
        str(tmp_path / "demo"),
        "--n_files",
        "100",
        "--n_epochs",
        "1",
        "--device",
        "cpu",
    ]


def test_the_demo_goes_the_whole_way_and_the_second_time_trains_no_more(
    small_demo, tmp_path, capsys, monkeypatch
):
    assert main(small_demo) == 0
    out = capsys.readouterr().out
    assert "SI-SDRi/dB" in out
    assert "epoch   1/1" in out
    folder = tmp_path / "demo"
    assert (folder / "masks.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((folder / "separated").iterdir())) == 3
    assert (folder / "model" / "scores.json").is_file()
    page = (folder / "report.html").read_text()
    # Nothing is loaded from other servers.
    assert re.findall(r"(?:src|href)=\"(?!data:|#)", page) == []
    assert page.count("<audio") >= 3
    assert "Traceback" not in page
    written = ReportFile(folder / "report.html", len(page), 1.0)
    reports = []
    monkeypatch.setattr(demo_module, "write_report", lambda *_, **__: reports.append(1) or written)
    assert main(small_demo) == 0
    assert reports == [1]
    assert "epoch   1/1" not in capsys.readouterr().out


def test_without_what_reports_need_the_demo_says_so_before_it_begins(
    small_demo, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "papermill", None)
    assert main(small_demo) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "absslab demo: a report needs papermill: pip install 'absslab[report]'\n"
    assert not (tmp_path / "demo").exists()
