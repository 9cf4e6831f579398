"""Parts of panels: tables, a chart that can be hidden, a timeline of events, long work."""

import threading

import numpy as np

from absslab.core.common.progress import Progress
from absslab.core.data.strong_labels import SoundEvent
from absslab.plots.html_tables import render_table
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.player.tracks import Track, array_sound
from absslab.widgets.ui.chart_area import ChartArea
from absslab.widgets.ui.progress_line import ProgressLine


def test_columns_of_numbers_stand_right_and_nothing_is_taken_for_html():
    table = render_table(
        ["name", "score", "<b>"], [["a", "−0.5\n0.1 to 0.2", 1], ["b", "–", "x<y"]], marked=1
    )
    assert table.count("<td>") == 4
    assert table.count('<td class="absslab-number">') == 2
    assert "<br><small>0.1 to 0.2</small>" in table
    assert "&lt;b&gt;" in table
    assert "x&lt;y" in table
    assert table.partition("<tbody>")[2].partition(' aria-current="true"')[0].count("<tr") == 2


def test_a_chart_is_hidden_and_comes_again_on_the_same_canvas():
    area = ChartArea()
    area.begin(2.0).subplots()
    (canvas,) = area.widget.children
    area.clear()
    assert area.widget.layout.display == "none"
    figure = area.begin(3.5)
    assert area.widget.children == (canvas,), "ipympl never removes a canvas from a page"
    assert figure.axes == []
    assert figure.get_figheight() == 3.5
    assert area.widget.layout.display == ""
    area.close()


def test_the_timeline_has_rows_of_what_sounds_and_of_all_where_nothing_does():
    view = RecordingView()
    classes = ("alert", "knock", "speech")
    tracks = [Track("mixture", array_sound(np.zeros(8000, np.float32), 8000), "mixture")]
    for events, truth, rows in (
        ([SoundEvent("knock", 0.0, 0.5)], None, ["knock"]),
        ([SoundEvent("speech", 0.0, 0.5)], [SoundEvent("alert", 0.1, 0.5)], ["alert", "speech"]),
        ([], None, list(classes)),
    ):
        view.show(tracks, caption="one", events=events, truth=truth, classes=classes)
        (axes,) = view.chart._plot.figure.axes
        assert [label.get_text() for label in axes.get_yticklabels()] == rows
    view.clear("nothing")
    assert view.player is None
    assert view.chart.widget.layout.display == "none"
    view.close()


def test_long_work_is_done_one_at_a_time_and_the_newest_follows(loop):
    """Many requests use one thread, and only the last one is answered."""
    started = []
    done = []
    running = 0
    most = 0
    first_started = threading.Event()
    all_asked = threading.Event()

    def steps(i):
        def made():
            nonlocal running, most
            started.append(i)
            first_started.set()
            running += 1
            most = max(most, running)
            try:
                for _ in range(3):
                    all_asked.wait(20)
                    yield Progress(1, 2)
            finally:
                running -= 1

        return made

    line = ProgressLine(loop, lambda error: done.append(-1))
    for i in range(10):
        line.run(steps(i), task="work", done=lambda i=i: done.append(i))
        assert first_started.wait(20)
    assert line.is_running
    all_asked.set()
    loop.settle()
    assert not line.is_running
    assert (started, done, most) == ([0, 9], [9], 1)


def test_work_that_waits_can_be_cancelled(loop):
    done = []
    go = threading.Event()

    def steps():
        go.wait(20)
        yield Progress(1, 1)

    line = ProgressLine(loop, lambda error: None)
    line.run(steps, task="first", done=lambda: done.append(1))
    line.run(steps, task="second", done=lambda: done.append(2))
    line.cancel()
    go.set()
    loop.settle()
    assert not line.is_running
    assert done == []
