"""Separate and detect sounds with models trained on weak labels.

The names in `__all__` are imported on first use, so that `import absslab` does not load PyTorch.
"""

import importlib
from typing import TYPE_CHECKING, Any

import absslab.core.common.standard_library  # noqa: F401  (before all that imports pathlib)
from absslab.core.common.rich_result import register_renderer
from absslab.core.common.version import __version__
from absslab.notebook import listen, render_as_player, workbench

if TYPE_CHECKING:
    from absslab.api import Separator, evaluate, load_model, mix, separate, separate_files, train

__all__ = [
    "Separator",
    "__version__",
    "evaluate",
    "listen",
    "load_model",
    "mix",
    "separate",
    "separate_files",
    "train",
    "workbench",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("absslab.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_renderer(render_as_player)
