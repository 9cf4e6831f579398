"""The tools of the browser tests work: notebooks, widgets, sound, and watching of requests."""

import math

import pytest

BUTTON = """
import ipywidgets as widgets
button, label = widgets.Button(description="More"), widgets.Label("0")
button.on_click(lambda _: setattr(label, "value", str(int(label.value) + 1)))
widgets.HBox([button, label])
"""
SOUND = '''
import anywidget

class Tone(anywidget.AnyWidget):
    _esm = """
    export default { render({ el }) {
        const button = document.createElement("button");
        button.textContent = "Sound";
        el.append(button);
        button.onclick = () => {
            const context = new AudioContext();
            const tone = context.createOscillator();
            const gain = context.createGain();
            const analyser = context.createAnalyser();
            gain.gain.value = 0.5;
            tone.connect(gain).connect(analyser).connect(context.destination);
            tone.start();
            const samples = new Float32Array(analyser.fftSize);
            window.probe = () => {
                analyser.getFloatTimeDomainData(samples);
                const energy = samples.reduce((sum, x) => sum + x * x, 0);
                return [context.state, Math.sqrt(energy / samples.length)];
            };
        };
    } };
    """
Tone()
'''
FIGURE = """
from absslab.widgets.ui.live_plot import Plot
plot = Plot(width=400, height=200)
line, = plot.figure.add_subplot().plot([0, 1, 0])
plot.widget
"""
SUM_OF_PIXELS = """(canvas) => {
    const picture = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return picture.data.reduce((sum, value) => sum + value, 0);
}"""


def test_cells_run_and_their_results_and_errors_come_back(open_notebook):
    notebook = open_notebook("a = 20", "print(a + 1)\na + 2")
    notebook.run_all()
    assert notebook.outputs(1) == "21\n22"
    assert notebook.execute("a + 3") == "23"
    assert notebook.add_and_run("a += 1; a") == 2
    assert notebook.outputs() == "21"
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        notebook.add_and_run("1 / 0")


def test_widgets_answer_and_last_as_long_as_their_kernel(open_notebook):
    notebook = open_notebook(BUTTON)
    notebook.run_all()
    more = notebook.output().get_by_role("button", name="More")
    more.click()
    more.click()
    notebook.output().get_by_text("2", exact=True).wait_for()
    assert notebook.execute("label.value") == "'2'"
    notebook.execute("import os; os.environ['SEEN'] = 'before'")
    notebook.restart_kernel()
    assert notebook.execute("import os; os.environ.get('SEEN')") == ""
    notebook.run_all()
    notebook.output().get_by_text("0", exact=True).wait_for()
    assert notebook.save() < 3000  # the widgets' state is not in the file
    notebook.reload()
    assert notebook.execute("label.value") == "'0'"


@pytest.mark.listens
def test_a_click_makes_sound_that_can_be_measured(open_notebook, page):
    notebook = open_notebook(SOUND)
    notebook.run_all()
    notebook.output().get_by_role("button", name="Sound").click()
    notebook.until(
        lambda: math.isclose(page.evaluate("probe()")[1], 0.5 / math.sqrt(2), rel_tol=0.05),
        what="half as loud",
    )
    assert page.evaluate("probe()")[0] == "running"


def test_a_live_figure_is_drawn_without_a_request_elsewhere(open_notebook, watch):
    notebook = open_notebook(FIGURE)
    notebook.run_all()
    canvas = notebook.output().locator("canvas").first
    first_sum = notebook.until(lambda: canvas.evaluate(SUM_OF_PIXELS), what="picture")
    notebook.execute("line.set_ydata([1, 0, 1]); line.set_linewidth(9); plot.draw()")
    notebook.until(lambda: canvas.evaluate(SUM_OF_PIXELS) != first_sum, what="another picture")
    assert watch.n_requests > 0
    assert watch.left_loopback == []


def test_requests_elsewhere_and_errors_are_seen_and_reach_nothing(page, watch):
    for address in ("http://example.org/a", "http://1.1.1.1/b"):
        fetch = (
            f"fetch('{address}', {{ mode: 'no-cors' }}).then(() => 'reached', () => 'not reached')"
        )
        assert page.evaluate(fetch) == "not reached"
    page.evaluate("console.error('wrong'); setTimeout(() => { throw new Error('uncaught') })")
    page.wait_for_timeout(100)
    assert watch.left_loopback == ["http://example.org/a", "http://1.1.1.1/b"]
    assert [error for error in watch.errors if "ERR_" not in error] == ["wrong", "uncaught"]
    watch.left_loopback.clear()
    watch.errors.clear()
