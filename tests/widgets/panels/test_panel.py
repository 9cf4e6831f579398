"""The base of the panels: controls and the state stay equal until the panel is closed."""

import asyncio
import threading

import ipywidgets
import pytest

from absslab.widgets.panels import State
from absslab.widgets.panels.panel import WorkbenchPanel, known_split


@pytest.fixture
def panel():
    panel = WorkbenchPanel(State(runs_folder="before"))
    yield panel
    panel.close()


def test_a_linked_control_and_the_state_follow_each_other(panel):
    control = ipywidgets.Text()
    panel.link("runs_folder", control)
    assert control.value == "before"
    panel.state.runs_folder = "from the state"
    assert control.value == "from the state"
    control.value = "from the control"
    assert panel.state.runs_folder == "from the control"


def test_what_is_typed_is_taken_without_spaces_around_it(panel):
    control = ipywidgets.Text()
    panel.link("runs_folder", control)
    control.value = "  typed "
    assert panel.state.runs_folder == control.value == "typed"


def test_a_control_with_options_shows_a_known_split(panel):
    control = ipywidgets.Dropdown(options=["train", "validation", "test"])
    panel.link("split", control, to_control=known_split)
    panel.state.split = "train"
    panel.state.split = "no such split"
    assert control.value == "test"


def test_the_state_changes_on_the_main_loop_alone():
    """In a kernel with subshells, messages of controls arrive on other threads."""

    async def main():
        panel = WorkbenchPanel(State())
        control = ipywidgets.Text()
        panel.link("runs_folder", control)
        threads = []
        panel.state.observe(lambda _: threads.append(threading.current_thread()), "runs_folder")
        await asyncio.to_thread(setattr, control, "value", "typed")
        await panel.loop.until(lambda: threads)
        panel.close()
        return threads, panel.state.runs_folder

    assert asyncio.run(main()) == ([threading.main_thread()], "typed")


def test_a_split_that_a_control_can_not_show_leaves_the_state():
    panel = WorkbenchPanel(State(split="no such split"))
    control = ipywidgets.Dropdown(options=["train", "validation", "test"])
    panel.link("split", control, to_control=known_split)
    assert panel.state.split == control.value == "test"
    panel.close()


def test_a_closed_panel_is_no_longer_linked(panel):
    control = ipywidgets.Text()
    panel.link("runs_folder", control)
    panel.close()
    control.value = "typed"
    assert panel.state.runs_folder == "before"
    panel.state.runs_folder = "after"
    assert control.value == "typed"
