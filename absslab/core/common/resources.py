"""The notebooks and dashboards that come with the package."""

from pathlib import Path

from absslab.core.common.errors import InputError


def resource_folder(name: str) -> Path:
    """Where the notebooks or the dashboards are: in an installed package within it, in a clone beside it.

    Args:
        name: notebooks or dashboards.

    Raises:
        InputError: they are not there.
    """
    package = Path(__file__).parents[2]
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise InputError(f"{package / name} does not exist: install absslab anew")
