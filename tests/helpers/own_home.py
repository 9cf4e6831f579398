"""A home folder of a test's own: settings of the user are neither read nor written."""

from pathlib import Path

_VARIABLES = (
    "HOME",
    "IPYTHONDIR",
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "MPLCONFIGDIR",
)


def home_variables(home: Path) -> dict[str, str]:
    """Return the variables that make programs use folders below a home."""
    return {name: str(home / name.lower()) for name in _VARIABLES}
