"""Open a notebook in JupyterLab, and run its cells with JupyterLab's own commands."""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page

from .lab import Lab

# `panel` is Lab's notebook panel; a promise that never settles must not hang the test.
IN_PAGE = """([body, argument, milliseconds]) => {
    const panel = window.jupyterapp.shell.currentWidget;
    const AsyncFunction = (async () => {}).constructor;
    const run = new AsyncFunction("app", "panel", "argument", body);
    const timeOut = new Promise((_, reject) => {
        setTimeout(() => reject(new Error("not done in time")), milliseconds);
    });
    return Promise.race([run(window.jupyterapp, panel, argument), timeOut]);
}"""
IS_READY = """() => {
    const dialog = document.querySelector(".jp-Dialog");
    if (dialog) return `JupyterLab asks: ${dialog.innerText}`;
    const context = window.jupyterapp?.shell?.currentWidget?.sessionContext;
    const kernel = context?.session?.kernel;
    const isConnected = context?.isReady && kernel?.connectionStatus === "connected";
    return isConnected && kernel.status === "idle" && "ready";
}"""
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
EXECUTE = """
const kernel = panel.sessionContext.session.kernel;
const future = kernel.requestExecute({ code: argument, store_history: false });
const printed = [];
future.onIOPub = ({ header, content }) => {
    if (header.msg_type === "stream") printed.push(content.text);
    if (header.msg_type === "execute_result") printed.push(content.data["text/plain"]);
    if (header.msg_type === "error") printed.push(content.traceback.join("\\n"));
};
const reply = await future.done;
return [reply.content.status === "ok", printed.join("")];
"""


class Notebook:
    """A new notebook that is open in the page, with an idle kernel; no cell has run yet.

    Args:
        page: a page of Playwright's browser.
        lab: the JupyterLab that serves the notebook.
        name: name of the file, without its suffix.
        cells: the source of each code cell.
    """

    def __init__(self, page: Page, lab: Lab, name: str, cells: Sequence[str]):
        self.page = page
        self.lab = lab
        self.path = lab.root / f"{name}.ipynb"
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells]
        )
        # Without a kernelspec, JupyterLab shows a dialog.
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.path)
        page.goto(
            f"{lab.url}/lab/workspaces/{name}/tree/{self.path.name}?token={lab.token}",
            wait_until="commit",
        )
        self.wait_until_idle()

    def wait_until_idle(self, seconds: float = 60) -> None:
        """Wait until the page is connected to its kernel and the kernel is idle.

        Raises:
            AssertionError: JupyterLab shows a dialog.
        """
        state = self.page.wait_for_function(
            IS_READY, timeout=1000 * seconds, polling=50
        ).json_value()
        assert state == "ready", state

    def until(self, condition: Callable[[], Any], seconds: float = 30, what: str = "") -> Any:
        """Wait until a condition returns a true value, and return it; the page keeps running.

        Args:
            condition: function that is called five times a second.
            seconds: how long to wait.
            what: the condition in words, for the error.

        Raises:
            AssertionError: the condition did not become true in time.
        """
        end = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < end, f"not within {seconds} s: {what or condition.__name__}"
            self.page.wait_for_timeout(200)
        return value

    def in_page(self, body: str, argument: Any = None, seconds: float = 60) -> Any:
        """Run the body of an async JavaScript function in the page.

        Args:
            body: may use `app` (JupyterLab), `panel` (this notebook) and `argument`.
            argument: JSON data.
            seconds: how long it may take.
        """
        return self.page.evaluate(IN_PAGE, [body, argument, 1000 * seconds])

    def command(self, name: str, seconds: float = 60, **arguments: Any) -> None:
        """Run a command of JupyterLab.

        As in `command("apputils:change-theme", theme="JupyterLab Dark")`.
        """
        self.in_page(
            "await app.commands.execute(argument.name, argument.arguments)",
            {"name": name, "arguments": arguments},
            seconds,
        )

    def run_all(self, seconds: float = 60) -> None:
        """Choose Run > Run All Cells, and wait until all have run.

        Raises:
            AssertionError: a cell ended in an error; the message has its traceback.
        """
        self.command("notebook:run-all-cells", seconds)
        self._must_not_have_failed()

    def run_cell(self, index: int, seconds: float = 60) -> None:
        """Run one cell, and wait for its end; raises as `run_all` does."""
        self.in_page("panel.content.deselectAll(); panel.content.activeCellIndex = argument", index)
        self.command("notebook:run-cell", seconds)
        self._must_not_have_failed()

    def add_and_run(self, source: str, seconds: float = 60) -> int:
        """Add a cell at the end, run it and return its index."""
        index = self.in_page(
            """const { content } = panel;
            const n = content.model.cells.length;
            content.model.sharedModel.insertCell(n, { cell_type: "code", source: argument });
            return n;""",
            source,
        )
        self.run_cell(index, seconds)
        return index

    def execute(self, code: str, seconds: float = 60) -> str:
        """Run code in the kernel without a cell.

        Returns:
            what it prints, and the repr of its last expression.

        Raises:
            AssertionError: the code ended in an error; the message has its traceback.
        """
        ok, text = self.in_page(EXECUTE, code, seconds)
        assert ok, plain(text)
        return plain(text).strip()

    def restart_kernel(self) -> None:
        """Restart the kernel, and wait until the new one is idle; the outputs of cells stay."""
        self.in_page("await panel.sessionContext.restartKernel()")
        self.wait_until_idle()

    def reload(self) -> None:
        """Save the notebook, and load the page again; the kernel keeps running."""
        self.save()
        self.page.reload(wait_until="commit")
        self.wait_until_idle()

    def output(self, index: int = -1) -> Locator:
        """Return the output area of a cell, in which elements can be found.

        As in `notebook.output(0).get_by_role("button", name="Play")`.
        """
        return (
            self.page.locator(".jp-NotebookPanel:visible .jp-Cell")
            .nth(index)
            .locator(".jp-Cell-outputArea")
        )

    def outputs(self, index: int = -1) -> str:
        """Return the text of a cell's output, that of widgets included."""
        self.output(index).scroll_into_view_if_needed()
        # JupyterLab renders only cells that are in view; others have no text.
        self.page.evaluate(TWO_FRAMES)
        return "\n".join(
            text.strip()
            for text in self.output(index).locator(".jp-OutputArea-output").all_inner_texts()
        )

    def save(self) -> int:
        """Save the notebook, and return the size of its file in bytes."""
        self.in_page("await panel.context.save()")
        return self.path.stat().st_size

    def screenshot(self, name: str, folder: Path) -> Path:
        """Save a picture of the page as `folder/name.png`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png")
        return folder / f"{name}.png"

    def close(self) -> None:
        """End the notebook's kernel."""
        for session in self.lab.request("GET", "/api/sessions"):
            if session["path"] == self.path.name:
                self.lab.request("DELETE", f"/api/sessions/{session['id']}")

    def _must_not_have_failed(self) -> None:
        outputs = self.in_page(
            "return panel.content.widgets.flatMap((cell) => cell.model.outputs?.toJSON() ?? [])"
        )
        failed = [
            plain("\n".join(output["traceback"]))
            for output in outputs
            if output["output_type"] == "error"
        ]
        assert not failed, "\n".join(failed)


def plain(text: str) -> str:
    """Remove the colours of a terminal from a text."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
