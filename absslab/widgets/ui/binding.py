"""Changes of controls by code, told apart from changes by a person."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import traitlets


@contextmanager
def without_feedback(
    handler: Callable[..., Any], *controls: traitlets.HasTraits, name: str = "value"
) -> Iterator[None]:
    """Change controls by code, without a call of the handler that waits for a person's changes.

    Use it where `traitlets.link` does not fit: where several controls are changed together, or
    where other options make a dropdown fall back to the first of them.

    Args:
        handler: as it was given to `observe`.
        controls: that the handler observes; those that it does not observe are left alone.
        name: of the trait that it observes.
    """
    silenced = []
    for control in controls:
        try:
            control.unobserve(handler, name)
        except ValueError:  # it does not observe this control, or an outer block has silenced it
            continue
        silenced.append(control)
    try:
        yield
    finally:
        for control in silenced:
            control.observe(handler, name)
