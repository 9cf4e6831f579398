"""All uses of private names of others: ipykernel, ipympl, ipywidgets, jupyter_server and Voila.

A new version of these may rename them. The upper bounds in pyproject.toml keep out versions that
were not tried, and `tests/widgets/ui/test_compatibility.py` says which version misses which name.
"""

import asyncio
import functools
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets


def kernel_main_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop of the main thread of this Jupyter kernel, or None outside a kernel."""
    if "ipykernel.kernelapp" not in sys.modules:
        return None
    application = sys.modules["ipykernel.kernelapp"].IPKernelApp
    kernel = application.instance().kernel if application.initialized() else None
    loop: asyncio.AbstractEventLoop | None
    loop = getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)
    return loop


def send_widget_states() -> None:
    """Send the states of all widgets of this process to its page again.

    A page first asks for all states, then makes its widgets. It drops updates that arrive between
    the two.
    """
    for widget in list(ipywidgets.widgets.widget._instances.values()):
        widget.send_state([key for key in widget.keys if not key.startswith(_CONSTANT_KEYS)])


# What a widget is, its script and its styles: these never change, and are large.
_CONSTANT_KEYS = ("_model_", "_view_", "_esm", "_css", "_anywidget_id")


def live_canvas(figure: Any, call: Callable[..., Any]) -> ipywidgets.DOMWidget:
    """Make a widget that shows a matplotlib figure of no pyplot, without toolbar and frame.

    Args:
        figure: a `matplotlib.figure.Figure`.
        call: calls a function with arguments on the main loop. The page's messages may come on
            another thread, but only the main loop may draw.
    """
    from ipympl.backend_nbagg import FigureManager

    canvas: ipywidgets.DOMWidget = _canvas_class()(figure, call)
    canvas.toolbar = FigureManager(canvas, 0).toolbar
    return canvas


def disconnect_canvas(canvas: Any) -> None:
    """Stop a canvas of `live_canvas` from sending drawings to its page."""
    canvas.manager.web_sockets.clear()


@functools.cache
def _canvas_class() -> Any:
    from ipympl.backend_nbagg import Canvas

    class LiveCanvas(Canvas):
        """A canvas whose page may ask for a drawing, and for nothing that takes memory."""

        def __init__(self, figure: Any, call: Callable[..., Any]):
            self._call = call
            super().__init__(figure)
            self.toolbar_visible = False
            self.header_visible = False
            self.footer_visible = False
            self.resizable = False

        def _handle_message(self, widget: Any, content: Any, buffers: Any) -> None:
            if _is_canvas_message(content):
                self._call(super()._handle_message, widget, content, buffers)

    return LiveCanvas


# What the page sends of its own accord. Charts have no toolbar, handle of their size or keys, so
# that clicks, keys ("s" saves a file) and "resize" (which allocates what it names) are ignored.
_CANVAS_MESSAGES = ("initialized", "closing", "refresh", "draw", "ack", "send_image_mode")
_PIXEL_RATIOS = {  # message -> its field
    "set_dpi_ratio": "dpi_ratio",
    "set_device_pixel_ratio": "device_pixel_ratio",
}
_MAX_PIXEL_RATIO = 4.0  # pixels of a screen per pixel of CSS; memory grows with its square


def _is_canvas_message(content: Any) -> bool:
    """Whether a message is one that the page of a chart sends, within bounds."""
    kind = content.get("type") if isinstance(content, Mapping) else None
    if not isinstance(kind, str):
        return False
    if kind in _PIXEL_RATIOS:
        ratio = content.get(_PIXEL_RATIOS[kind])
        return type(ratio) in (int, float) and 0.25 <= ratio <= _MAX_PIXEL_RATIO
    return kind in _CANVAS_MESSAGES


def preheated_kernels(kernel_manager: Any) -> set[str]:
    """Return the ids of the kernels that Voila has started ahead and given to no page yet.

    Args:
        kernel_manager: of a Voila application.
    """
    pools = getattr(kernel_manager, "_pools", {})  # Voila sets it only where it preheats kernels
    started = set()
    for pool in pools.values():
        for task in pool:
            if task.done() and not task.cancelled() and not task.exception():
                started.add(task.result()["kernel_id"])
    return started & set(kernel_manager.list_kernel_ids())


def n_page_connections(kernel_manager: Any, kernel_id: str) -> int:
    """Return how many pages are connected to a kernel of a Jupyter server or of Voila.

    The public `kernel_model` has this number too, but fails while the kernel starts.
    """
    return int(kernel_manager._kernel_connections.get(kernel_id, 0))


def silence_harmless_warnings() -> None:
    """Keep warnings out of a server's output that mean nothing to its host.

    jupyter_server gives the time-out of its web sockets in milliseconds where tornado expects
    seconds. jupyter_server alone uses it, so the limit that tornado warns of does not matter. And
    pyzmq warns of messages of a kernel that come after their page has gone.
    """
    logging.getLogger("tornado.general").addFilter(_is_of_interest)


def _is_of_interest(record: logging.LogRecord) -> bool:
    harmless = ("The websocket_ping_timeout", "Got events for closed stream")
    return not record.getMessage().startswith(harmless)
