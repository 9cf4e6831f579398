"""Scripts and style sheets of the package, as text.

A widget gets its script as text, not as a path: anywidget watches a file that is given as a path,
and a widget with a watched file is never freed.
"""

from importlib.resources import files


def read_script(package: str, name: str) -> str:
    """Return a bundled script from the folder `static` of a package; `make bundle` makes them."""
    return (files(package) / "static" / name).read_text(encoding="utf-8")


def read_style(package: str, name: str) -> str:
    """Return a style sheet from the folder `css` of a package."""
    return (files(package) / "css" / name).read_text(encoding="utf-8")
