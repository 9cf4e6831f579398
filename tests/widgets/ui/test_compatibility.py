"""The installed versions of other libraries have the undocumented names that are used here."""

import inspect
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import anywidget
import jinja2
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager
from jupyter_core.paths import jupyter_path
from matplotlib.figure import Figure

from absslab.core.common.jupyter_kernel import KERNEL_ARGUMENTS
from absslab.core.common.resources import resource_folder
from absslab.widgets.dashboards.page_heartbeat import PageHeartbeat
from absslab.widgets.player.player import Player
from absslab.widgets.ui.compatibility import (
    disconnect_canvas,
    kernel_main_loop,
    live_canvas,
    preheated_kernels,
)
from absslab.widgets.ui.part import close_tree
from absslab.widgets.ui.upload import Upload


def broken(package: str, name: str) -> str:
    return (
        f"{package} {version(package)} has no {name}: adapt the code that uses it "
        f"(ui/compatibility.py, dashboards/server.py, dashboards/voila), "
        f"or keep this version out in pyproject.toml"
    )


@pytest.mark.parametrize(
    ("package", "module", "name"),
    [
        ("ipykernel", "ipykernel.kernelapp", "IPKernelApp.initialized"),
        ("ipykernel", "ipykernel.kernelapp", "IPKernelApp.kernel"),
        ("ipympl", "ipympl.backend_nbagg", "Canvas._handle_message"),
        ("ipympl", "ipympl.backend_nbagg", "FigureManager"),
        ("ipywidgets", "ipywidgets.widgets.widget", "_instances"),
        ("jupyter_client", "jupyter_client.manager", "AsyncKernelManager.start_kernel"),
        (
            "jupyter_server",
            "jupyter_server.services.kernels.kernelmanager",
            "ServerKernelManager.last_activity",
        ),
        (
            "jupyter_server",
            "jupyter_server.services.kernels.kernelmanager",
            "MappingKernelManager._kernel_connections",
        ),
        ("nbconvert", "nbconvert", "HTMLExporter.exclude_anchor_links"),
        ("papermill", "papermill.exceptions", "PapermillExecutionError"),
        ("tornado", "tornado.websocket", "WebSocketClosedError"),
        ("voila", "voila.app", "Voila.init_handlers"),
        ("voila", "voila.app", "Voila.init_settings"),
        ("voila", "voila.app", "Voila.template_paths"),
        ("voila", "voila.configuration", "VoilaConfiguration.kernel_spec_manager_class"),
        ("voila", "voila.static_file_handler", "TemplateStaticFileHandler.get_absolute_path"),
        ("voila", "voila.static_file_handler", "TemplateStaticFileHandler.parse_url_path"),
        ("voila", "voila.tornado.handler", "TornadoVoilaHandler.get_generator"),
        (
            "voila",
            "voila.tornado.kernel_websocket_handler",
            "VoilaKernelWebsocketHandler.on_message",
        ),
        ("voila", "voila.tornado.kernel_websocket_handler", "VoilaKernelWebsocketHandler.pre_get"),
    ],
)
def test_the_installed_version_has_the_name(package, module, name):
    value = import_module(module)
    for part in name.split("."):
        assert hasattr(value, part), broken(package, f"{module}.{name}")
        value = getattr(value, part)


@pytest.mark.parametrize("widget", [PageHeartbeat, Player, Upload])
def test_a_widget_replaces_no_private_method_of_its_base(widget):
    own = {name for name, value in vars(widget).items() if inspect.isfunction(value)}
    private = {name for name in own if name.startswith("_") and not name.startswith("__")}
    replaced = {name for name in private if hasattr(anywidget.AnyWidget, name)}
    assert replaced == set(), f"anywidget {version('anywidget')} has methods of these names"


def test_voila_keeps_its_preheated_kernels_in_pools():
    source = inspect.getsource(import_module("voila.voila_kernel_manager"))
    assert "self._pools" in source, broken("voila", "_pools of its kernel manager")
    assert '"kernel_id"' in source, broken("voila", "kernel_id of a preheated kernel")


def blocks(template: Path) -> set[str]:
    parsed = jinja2.Environment().parse(template.read_text())
    return {block.name for block in parsed.find_all(jinja2.nodes.Block)}


def test_voilas_template_has_the_blocks_that_ours_replaces():
    ours = blocks(resource_folder("dashboards") / "voila/templates/absslab/index.html.j2")
    present = set()
    for package in (
        "voila",
        "nbconvert",
    ):  # Voila's template extends the template of nbconvert with the same name
        for folder in jupyter_path(package, "templates", "lab"):
            if Path(folder).is_dir():
                present |= blocks(Path(folder) / "index.html.j2")
    for name in sorted(ours):
        assert name in present, broken("voila", f"block {name} in its template lab")


def test_only_done_kernels_of_a_pool_are_preheated():
    def task(kernel_id, *, done=True, error=None):
        return SimpleNamespace(
            done=lambda: done,
            cancelled=lambda: False,
            exception=lambda: error,
            result=lambda: {"kernel_id": kernel_id},
        )

    pool = [task("a"), task("b", done=False), task("c", error=OSError()), task("ended")]
    manager = SimpleNamespace(_pools={"page.ipynb": pool}, list_kernel_ids=lambda: ["a", "b", "c"])
    assert preheated_kernels(manager) == {"a"}
    assert preheated_kernels(SimpleNamespace(list_kernel_ids=lambda: ["a"])) == set()


def test_a_live_canvas_handles_messages_by_the_given_call():
    calls = []
    canvas = live_canvas(Figure(), lambda *arguments: calls.append(arguments))
    canvas._handle_message(canvas, {"type": "refresh"}, [])
    ((_, *arguments),) = calls
    assert arguments == [canvas, {"type": "refresh"}, []]
    assert not canvas.toolbar_visible
    disconnect_canvas(canvas)
    assert not canvas.manager.web_sockets
    close_tree(canvas)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "resize", "width": 30000, "height": 30000},
        {"type": "key_press", "key": "s"},
        {"type": "toolbar_button", "name": "save_figure"},
        {"type": "set_dpi_ratio", "dpi_ratio": 1000},
        {"type": "set_dpi_ratio", "dpi_ratio": float("nan")},
        {"type": "set_device_pixel_ratio", "device_pixel_ratio": "2"},
        {"type": "set_device_pixel_ratio"},
        {"type": ["refresh"]},
        {},
        "refresh",
        None,
    ],
)
def test_a_live_canvas_ignores_messages_that_take_memory_or_are_odd(content):
    calls = []
    canvas = live_canvas(Figure(), lambda *arguments: calls.append(arguments))
    canvas._handle_message(canvas, content, [])
    assert calls == []
    close_tree(canvas)


def test_a_kernels_main_loop_is_found():
    assert kernel_main_loop() is None
    manager = KernelManager()
    manager._kernel_spec = KernelSpec(argv=KERNEL_ARGUMENTS, display_name="", language="python")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    printed = []
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive(
            "import asyncio\n"
            "from absslab.widgets.ui.compatibility import kernel_main_loop\n"
            "print(kernel_main_loop() is asyncio.get_running_loop())",
            timeout=60,
            output_hook=lambda message: printed.append(message["content"].get("text")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "True\n" in printed, broken("ipykernel", "kernel.io_loop.asyncio_loop")
