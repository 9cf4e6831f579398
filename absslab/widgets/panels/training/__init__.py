"""The panel that starts and follows trainings."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from absslab.widgets.panels.training.training_panel import TrainingPanel

__all__ = ["TrainingPanel"]


def __getattr__(name: str) -> Any:
    """Import the panel when it is first used: it loads PyTorch, which `run_view` does not need."""
    if name == "TrainingPanel":
        from absslab.widgets.panels.training.training_panel import TrainingPanel

        return TrainingPanel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
