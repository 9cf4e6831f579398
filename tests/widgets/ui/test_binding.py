import ipywidgets
import pytest

from absslab.widgets.ui.binding import without_feedback


@pytest.fixture
def control():
    return ipywidgets.Dropdown(options=["a", "b"], value="b")


@pytest.fixture
def changes(control):
    changes = []
    control.observe(changes.append, "value")
    return changes


def test_changes_by_code_call_nothing(control, changes):
    with without_feedback(changes.append, control):
        control.options = ["c", "d"]
        control.value = "d"
    assert changes == []
    control.value = "c"
    assert [change["new"] for change in changes] == ["c"]


def test_other_handlers_hear_of_changes_by_code(control, changes):
    others = []
    control.observe(others.append, "value")
    with without_feedback(changes.append, control):
        control.value = "a"
    assert len(others) == 1


def test_blocks_within_each_other_observe_once(control, changes):
    with without_feedback(changes.append, control):
        with without_feedback(changes.append, control):
            control.value = "a"
        control.value = "b"
    assert changes == []
    control.value = "a"
    assert len(changes) == 1


def test_it_observes_again_after_an_error(control, changes):
    with pytest.raises(ZeroDivisionError), without_feedback(changes.append, control):
        1 / 0  # noqa: B018
    control.value = "a"
    assert len(changes) == 1


def test_a_control_that_is_not_observed_stays_so(control):
    changes = []
    with without_feedback(changes.append, control):
        control.value = "a"
    control.value = "b"
    assert changes == []
