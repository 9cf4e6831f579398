"""Files of the package that are shown in a page."""

from importlib.resources import files


def asset(package: str, name: str) -> str:
    """The text of one of them, from the folder js of a package."""
    return (files(package) / "js" / name).read_text(encoding="utf-8")
