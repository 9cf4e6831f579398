"""Results that a notebook shows as more than text.

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
            MIME type, or None where it can't show the result.
    """
    global _renderer
    _renderer = renderer


class RichResult:
    """The base of results that a notebook shows as more than text."""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Answer IPython: the text alone where nothing else can be shown."""
        rendered = None if _renderer is None else _renderer(self, **options)
        if rendered is None:
            return {"text/plain": repr(self)}
        data, metadata = rendered
        return {**data, "text/plain": repr(self)}, metadata
