"""Files of the package that are shown in a page."""

from importlib.resources import files


def asset(name: str) -> str:
    """The text of one of them, from the folder js."""
    return (files("absslab.widgets") / "js" / name).read_text(encoding="utf-8")
