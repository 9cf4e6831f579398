"""Put the notebooks and dashboards into the wheel, as absslab/notebooks and absslab/dashboards."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("notebooks", "dashboards")


class BuildWithNotebooks(build_py):
    """Copies the folders beside the package into it.

    An editable installation finds them where they are.
    """

    def run(self) -> None:
        """Build the package, then add the folders."""
        super().run()
        for name in () if self.editable_mode else SHIPPED:
            ignore = shutil.ignore_patterns(".*", "__pycache__", "results")
            shutil.copytree(
                name, Path(self.build_lib) / "absslab" / name, dirs_exist_ok=True, ignore=ignore
            )


setup(cmdclass={"build_py": BuildWithNotebooks})
