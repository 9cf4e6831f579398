"""Notebooks and dashboards are found in a clone and in an installed package."""

import pytest

from absslab.core.common import resources
from absslab.core.common.errors import InputError
from absslab.core.common.resources import resource_folder


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package without notebooks and dashboards."""
    core = tmp_path / "site-packages" / "absslab" / "core" / "common"
    core.mkdir(parents=True)
    monkeypatch.setattr(resources, "__file__", str(core / "resources.py"))
    return core.parents[1]


def test_in_a_clone_they_are_beside_the_package(package):
    (package.parent / "notebooks").mkdir()
    assert resource_folder("notebooks") == package.parent / "notebooks"


def test_an_installed_package_has_its_own_whatever_lies_beside_it(package):
    (package.parent / "notebooks").mkdir()
    (package / "notebooks").mkdir()
    assert resource_folder("notebooks") == package / "notebooks"


def test_where_they_are_missing_that_is_said(package):
    with pytest.raises(InputError, match="install absslab again"):
        resource_folder("dashboards")
