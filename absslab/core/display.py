"""How results show themselves in a notebook; core knows no notebook, so what is seen is made elsewhere, when one looks."""

import importlib
from typing import Any


class Shown:
    """The base of results that a notebook shows as more than text."""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """What IPython asks for; the text alone where the widgets are not installed."""
        try:
            player = importlib.import_module("absslab.widgets.display").player_of(self)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("absslab"):
                raise
            return {"text/plain": repr(self)}
        data, about = player._repr_mimebundle_(**options)
        return {**data, "text/plain": repr(self)}, about
