"""The notebooks, the dashboards and the grids of settings that come with the package."""

from pathlib import Path

from absslab.core.common.errors import InputError


def resource_folder(name: str) -> Path:
    """Return the folder of the notebooks, the dashboards or the grids of settings.

    An installed package contains it; in a clone of the repository notebooks and dashboards are next
    to the package.

    Args:
        name: notebooks, dashboards or sweeps.

    Raises:
        InputError: it does not exist.
    """
    package = Path(__file__).parents[2]
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise InputError("{path} does not exist: install absslab again", path=package / name)
