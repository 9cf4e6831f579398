"""Panels show errors, run callbacks on the main loop, and leave nothing behind when closed."""

import asyncio
import threading
from pathlib import Path

import ipywidgets
import pytest

from absslab.core.common.errors import InputError
from absslab.widgets.panels import State
from absslab.widgets.ui.panel import Panel


@pytest.fixture
def panel():
    panel = Panel()
    yield panel
    panel.close()


def raising(error):
    def function(*_):
        raise error

    return function


def line(panel):
    return panel.widget.children[0].value


def test_input_that_cannot_be_used_is_one_line_in_the_panel(panel, caplog):
    panel.guard(raising(InputError("hop is 0:\nexpected more")))()
    assert panel.message == "hop is 0: expected more"
    assert 'role="alert"' in line(panel)
    assert caplog.text == ""


def test_a_file_that_is_missing_is_named(panel):
    panel.guard(lambda: Path("/nowhere/a.wav").read_bytes())()
    assert panel.message == "/nowhere/a.wav: No such file or directory"


def test_any_other_error_says_its_type_and_leaves_a_traceback_in_the_log(panel, caplog):
    panel.guard(raising(KeyError("loss")))()
    assert panel.message == "Something went wrong: KeyError: 'loss'"
    assert "Traceback" in caplog.text


def test_what_is_said_is_text_and_never_html(panel):
    panel.say('<img src=x onerror=alert(1)> & "speech"')
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; &#34;speech&#34;" in line(panel)
    assert "<img" not in line(panel)
    assert 'role="status"' in line(panel)
    panel.say("")
    assert 'role="' not in line(panel)


def test_a_callback_gets_what_the_widget_hands_it(panel):
    seen = []
    button = ipywidgets.Button()
    button.on_click(panel.guard(seen.append))
    button.click()
    assert seen == [button]


def test_a_callback_from_a_subshells_thread_runs_on_the_main_one():
    async def main():
        panel = Panel()
        seen = []
        callback = panel.guard(lambda: seen.append(threading.current_thread()))
        thread = threading.Thread(target=callback)
        thread.start()
        await panel.loop.until(lambda: seen)
        thread.join()
        panel.close()
        return seen

    assert asyncio.run(main()) == [threading.main_thread()]


def test_panels_meet_in_their_state_until_they_are_closed():
    state = State()
    seen = []
    panel = Panel(state)
    other = Panel(state)
    panel.watch(["run", "mixture"], lambda: seen.append(state.run))
    other.watch("run", raising(InputError("no such run")))
    state.run = "runs/a"
    assert seen == ["runs/a"]
    assert other.message == "no such run"
    panel.close()
    state.run = "runs/b"
    assert seen == ["runs/a"]
    other.close()


def test_a_closed_panel_has_closed_what_it_owned_the_last_first_and_all_its_widgets(caplog):
    before = set(ipywidgets.widgets.widget._instances)
    closed = []

    class Thing:
        def __init__(self, name):
            self.name = name

        def close(self):
            closed.append(self.name)
            if self.name == "bad":
                raise OSError("no")

    panel = Panel()
    assert panel.own(Thing("first")).name == "first"
    panel.own(Thing("bad"))
    panel.own(Thing("last"))
    tabs = ipywidgets.Accordion(
        [ipywidgets.VBox([ipywidgets.FloatSlider()]), ipywidgets.Dropdown(options=["a"])]
    )
    panel.show(ipywidgets.HBox([tabs]), ipywidgets.Button())
    callback = panel.guard(raising(ValueError("late")))
    panel.close()
    panel.close()
    callback()
    panel.say("late")
    assert closed == ["last", "bad", "first"]
    assert panel.message == ""
    assert set(ipywidgets.widgets.widget._instances) == before


def test_a_panel_shows_panels_as_well_as_widgets(panel):
    inner = Panel()
    panel.show(inner, ipywidgets.Label("a"))
    assert panel.widget.children[1] is inner.widget
    assert "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()
