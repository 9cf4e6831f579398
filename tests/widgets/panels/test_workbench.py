"""The workbench makes panels when their tab is opened; they share a state, and close cleanly."""

import ipywidgets
import pytest

import absslab
from absslab.core.common.errors import InputError, InputWarning
from absslab.core.common.notices import give_notice
from absslab.widgets.panels import separation
from absslab.widgets.panels.scores import ScoresPanel
from absslab.widgets.panels.workbench import PANELS


@pytest.fixture
def workbench(mixtures, checkpoint):
    workbench = absslab.workbench(mixture_folder=str(mixtures), runs_folder=str(checkpoint.parent))
    yield workbench
    workbench.close()


def descendants(widget):
    """Return all widgets below a widget; one that is shown in two places is listed twice."""
    children = getattr(widget, "children", ())
    return [member for child in children for member in [child, *descendants(child)]]


def test_every_panel_opens_without_an_error(workbench, settle):
    for name in PANELS:
        panel = workbench.show(name)
        settle()
        assert 'role="alert"' not in panel.message_line.value, (name, panel.message)
        assert panel is getattr(workbench, name)
        assert panel.state is workbench.state
        assert workbench.widget.get_title(workbench.widget.selected_index) == name


def test_every_tab_has_a_panel_of_its_own():
    classes = {name: import_panel().__name__ for name, import_panel in PANELS.items()}
    assert classes.pop("report") == "ScoresPanel"
    assert classes == {name: f"{name.capitalize()}Panel" for name in classes}


def test_every_panel_has_one_message_line(workbench):
    for name in PANELS:
        panel = workbench.show(name)
        assert descendants(panel.widget).count(panel.message_line) == 1, name


def test_a_panel_is_made_when_its_tab_is_looked_at(workbench):
    assert list(workbench._panels) == ["recordings"]
    workbench.widget.selected_index = list(PANELS).index("separation")
    assert list(workbench._panels) == ["recordings", "separation"]


def test_a_panel_that_can_not_be_made_says_why_in_its_tab_and_is_made_once_it_can(
    workbench, monkeypatch, caplog
):
    class Broken:
        def __init__(self, state):
            raise ModuleNotFoundError("No module named '<b>ipympl</b>'")

    place = list(PANELS).index("separation")
    with monkeypatch.context() as patched:
        patched.setattr(separation, "SeparationPanel", Broken)
        workbench.widget.selected_index = place
        (message,) = workbench.widget.children[place].children
        assert 'role="alert"' in message.value
        assert "ModuleNotFoundError: No module named &#39;&lt;b&gt;ipympl" in message.value
        assert "the panel separation can't be made" in caplog.text
        assert "Traceback" in caplog.text
        with pytest.raises(ModuleNotFoundError):
            _ = workbench.separation
    workbench.widget.selected_index = 0
    workbench.widget.selected_index = place
    assert workbench.widget.children[place].children == (workbench.separation.widget,)
    assert message.comm is None


def test_what_is_noticed_while_a_panel_is_made_is_said_in_it(workbench, monkeypatch):
    offer = separation.SeparationPanel.show

    def show(self, *children):
        give_notice(InputWarning("{path} is cut short", path="/data/a.wav"))
        offer(self, *children)

    monkeypatch.setattr(separation.SeparationPanel, "show", show)
    assert workbench.separation.notices == ["/data/a.wav is cut short"]


def test_the_panels_meet_in_the_state(workbench, checkpoint):
    workbench.show("separation")
    workbench.state.run = str(checkpoint.with_suffix(""))
    assert workbench.separation.choice.checkpoint == checkpoint


def test_the_scores_are_in_the_tab_report(workbench):
    assert isinstance(workbench.report, ScoresPanel)
    assert workbench.show("report").title == "report"


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean runs_folder"):
        absslab.workbench(run_folder="x")
    with pytest.raises(AttributeError, match="did you mean training"):
        _ = absslab.workbench().trainin
    with pytest.raises(InputError, match="there is no panel 'trainin'; there is recordings"):
        absslab.workbench().show("trainin")


def test_closing_leaves_nothing(mixtures, checkpoint, settle):
    before = set(ipywidgets.widgets.widget._instances)
    workbench = absslab.workbench(mixture_folder=str(mixtures), runs_folder=str(checkpoint.parent))
    for name in PANELS:
        workbench.show(name)
    settle()
    workbench.close()
    assert set(ipywidgets.widgets.widget._instances) == before


def test_what_is_closed_says_so_where_a_notebook_shows_it():
    workbench = absslab.workbench()
    panel = workbench.recordings
    assert "application/vnd.jupyter.widget-view+json" in workbench._repr_mimebundle_()
    workbench.close()
    for closed in (workbench, panel):
        assert closed._repr_mimebundle_() == {"text/plain": "closed: run the cell again to see it"}
