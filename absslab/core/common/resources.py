"""The notebooks and dashboards that come with the package."""

from pathlib import Path

from absslab.core.common.errors import InputError


def resource_folder(name: str) -> Path:
    """Return the folder of the notebooks or the dashboards.

    An installed package contains it; in a clone of the repository it is next to the package.

    Args:
        name: notebooks or dashboards.

    Raises:
        InputError: it does not exist.
    """
    package = Path(__file__).parents[2]
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise InputError("{path} does not exist: install absslab again", path=package / name)
