"""Execute the notebook of a report, and write its page completely or not at all."""

import importlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absslab.core.common.errors import InputError, WorkError
from absslab.core.common.files import write_bytes
from absslab.core.common.jupyter_kernel import KERNEL_ARGUMENTS
from absslab.core.common.resources import resource_folder

NOTEBOOK = "6_report.ipynb"
_REQUIRED = ("matplotlib", "papermill", "nbconvert", "jinja2", "ipykernel")


@dataclass(frozen=True)
class ReportFile:
    """A report that was written.

    Args:
        path: path of the HTML file.
        n_bytes: its size.
        seconds: time that it took.
    """

    path: Path
    n_bytes: int
    seconds: float


def check_installed() -> None:
    """Check that the packages that a report needs are installed.

    Raises:
        InputError: one is missing.
    """
    for name in _REQUIRED:
        try:
            importlib.import_module(name)
        except ImportError:
            raise InputError(f"a report needs {name}: pip install 'absslab[report]'") from None


def failed_notebook_path(output: str | Path) -> Path:
    """Return the path where a notebook that failed is kept."""
    output = Path(output)
    return output.with_name(f"{output.stem}.failed.ipynb")


def write_report(
    output: str | Path,
    parameters: Mapping[str, Any],
    *,
    title: str,
    notebook: str | Path | None = None,
) -> ReportFile:
    """Execute the notebook of a report, and write its page.

    Args:
        output: the HTML file.
        parameters: parameters of the notebook.
        title: title of the page.
        notebook: the notebook to execute; by default the one of the package.

    Raises:
        InputError: a package is missing.
        WorkError: a cell failed; the notebook is kept as `failed_notebook_path`, and an earlier
            report stays.
        OSError: the file can't be written.
    """
    check_installed()
    from absslab.report.page import render_page

    begin = time.monotonic()
    output = Path(output)
    failed = failed_notebook_path(output)
    notebook = notebook or resource_folder("notebooks") / NOTEBOOK
    executed = _execute(notebook, parameters, failed)
    content = render_page(executed, title).encode()
    write_bytes(output, content)
    failed.unlink(missing_ok=True)
    return ReportFile(output, len(content), time.monotonic() - begin)


def _execute(notebook: str | Path, parameters: Mapping[str, Any], failed: Path) -> Any:
    """Execute a notebook; if it fails, keep what was executed until then as `failed`."""
    from papermill.exceptions import PapermillExecutionError  # type: ignore[import-untyped]

    logging.getLogger("papermill").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        partial = Path(folder) / NOTEBOOK
        try:
            try:
                return _execute_once(notebook, parameters, partial)
            except RuntimeError:  # the kernel ended, or did not answer
                if _has_begun(partial):
                    raise
                # another process may have taken a port that was chosen for the kernel
                return _execute_once(notebook, parameters, partial)
        except PapermillExecutionError as error:
            source = next((line for line in error.source.splitlines() if line.strip()), "")
            cell = f"cell {error.exec_count} ({source.strip()[:60]})"
            reason = f"{cell} failed: {error.ename}: {error.evalue}"
        except Exception as error:  # the kernel died, or did not start
            reason = f"the notebook was not executed: {type(error).__name__}: {error}"
        if partial.exists():
            failed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(partial, failed)
            reason = f"{reason}; see {failed}"
    raise WorkError(reason)


def _execute_once(notebook: str | Path, parameters: Mapping[str, Any], partial: Path) -> Any:
    import papermill  # type: ignore[import-untyped]

    return papermill.execute_notebook(
        str(notebook),
        str(partial),
        dict(parameters),
        kernel_name="python3",
        language="python",
        progress_bar=sys.stderr.isatty(),
        kernel_manager_class=_own_kernel_manager(),
    )


def _has_begun(partial: Path) -> bool:
    """Tell whether a cell of a notebook that papermill writes was executed, or at least begun."""
    if not partial.exists():
        return False
    cells = json.loads(partial.read_text("utf-8"))["cells"]
    return any(cell["metadata"].get("papermill", {}).get("start_time") for cell in cells)


def _own_kernel_manager() -> Any:
    """Return a class that starts kernels of this Python, not of another "python3"."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernelManager(AsyncKernelManager):
        @property
        def kernel_spec(self) -> Any:
            return KernelSpec(argv=KERNEL_ARGUMENTS, display_name="Python 3", language="python")

        async def start_kernel(self, **options: Any) -> Any:  # type: ignore[override]
            options["stderr"] = subprocess.DEVNULL  # the kernel's own; that of cells is a message
            return await super().start_kernel(**options)

    return OwnKernelManager
