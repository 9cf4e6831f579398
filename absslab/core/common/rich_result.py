"""Results that a notebook can display as more than text.

The core knows no notebook. A package that can show results registers a function
that does so; `absslab` itself registers one that makes players.
"""

from collections.abc import Callable
from typing import Any

Renderer = Callable[..., tuple[dict[str, Any], dict[str, Any]] | None]
_renderer: Renderer | None = None


def register_renderer(renderer: Renderer) -> None:
    """Show all rich results with this function from now on.

    Args:
        renderer: called with the result and IPython's options; returns data and metadata by
            MIME type, or None if it can't show the result.
    """
    global _renderer
    _renderer = renderer


class RichResult:
    """The base of results that a notebook can display as more than text."""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Return the display for IPython; only text if no renderer can show the result."""
        rendered = None if _renderer is None else _renderer(self, **options)
        if rendered is None:
            return {"text/plain": repr(self)}
        data, metadata = rendered
        return {**data, "text/plain": repr(self)}, metadata
