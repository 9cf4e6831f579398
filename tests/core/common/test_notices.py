"""Notices reach whoever listens, once each, and are Python warnings where nobody does."""

import multiprocessing
import threading

import pytest

from absslab.cli import main as command_line
from absslab.core.common.errors import InputWarning
from absslab.core.common.notices import (
    collect_notices,
    copy_notices,
    give_notice,
    summarise_notices,
)
from absslab.core.common.parallel import map_in_processes
from absslab.core.common.progress import run_to_end


def lose(name):
    give_notice(InputWarning("{path} lacks its end", path=f"/data/{name}.wav"))
    return name


def test_a_notice_nobody_listens_to_is_a_warning():
    with pytest.warns(InputWarning, match=r"/data/a\.wav lacks its end"):
        lose("a")


def test_a_listener_gets_each_text_once_with_its_path_as_data():
    with collect_notices() as notices:
        for name in "aba":
            lose(name)
    assert [notice.with_names() for notice in notices] == [
        "a.wav lacks its end",
        "b.wav lacks its end",
    ]
    assert summarise_notices(notices, names_only=True) == "a.wav lacks its end (and 1 more)"
    assert summarise_notices(notices[:1]) == "/data/a.wav lacks its end"
    assert summarise_notices([]) == ""


def test_threads_do_not_hear_each_other():
    heard = {}

    def work(name):
        with collect_notices() as notices:
            lose(name)
        heard[name] = [notice.path.stem for notice in notices]

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {"a": ["a"], "b": ["b"]}


def test_processes_that_share_work_leave_notices_to_their_parent(capfd):
    lost = [InputWarning(f"{name} lacks its end") for name in "ab"]
    with collect_notices() as notices:
        assert list(map_in_processes(give_notice, lost, n_workers=2)) == [None, None]
    assert notices == []
    assert "lacks its end" not in capfd.readouterr().err


def test_the_processes_of_another_program_warn(capfd):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        lost = pool.map_async(give_notice, [InputWarning("a lacks its end")])
        assert lost.get(timeout=30) == [None]
    assert "a lacks its end" in capfd.readouterr().err


@pytest.mark.parametrize("n", [1, 3, 60])
def test_the_command_line_prints_a_line_each_and_counts_them(capsys, monkeypatch, n):
    class Command:
        @staticmethod
        def run(arguments):
            for index in range(n):
                lose(str(index))

    monkeypatch.setattr(command_line.importlib, "import_module", lambda name: Command)
    assert command_line.main(["mix"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "absslab mix: warning: /data/0.wav lacks its end"
    warned = [line for line in lines if line.startswith("absslab mix: warning: ")]
    assert len(warned) == min(n, 50)
    assert lines[len(warned) :] == (
        [f"absslab mix: {line}"]
        if (
            line := {
                1: "",
                3: "3 warnings, see above",
                60: "60 warnings: 10 more like those above",
            }[n]
        )
        else []
    )


def test_who_overhears_long_work_takes_nothing_from_whoever_drains_it():
    def work():
        for name in "aab":
            yield lose(name)
        return "done"

    copied = []
    steps = copy_notices(work(), copied.append)
    with collect_notices() as first:
        assert next(steps) == "a"
        lose("outside")
    with collect_notices() as second:
        assert run_to_end(steps) == "done"
    assert [notice.path.stem for notice in copied] == ["a", "b"]
    assert [notice.path.stem for notice in first] == ["a", "outside"]
    assert [notice.path.stem for notice in second] == ["a", "b"]


def test_overheard_work_is_closed_and_warns_where_nobody_else_listens():
    ends = []

    def work():
        try:
            yield lose("a")
        finally:
            ends.append("closed")

    copied = []
    steps = copy_notices(work(), copied.append)
    with pytest.warns(InputWarning, match=r"/data/a\.wav lacks its end"):
        next(steps)
    steps.close()
    assert ends == ["closed"]
    assert len(copied) == 1
