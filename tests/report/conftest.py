"""Runs to report on, copies of the run that the tests train, and a home folder for kernels."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from own_home import home_variables

from absslab.core.common.tables import read_table, write_table

_FETCHING = {
    "src",
    "href",
    "srcset",
    "data",
    "poster",
    "action",
    "background",
    "xlink:href",
    "formaction",
    "cite",
}


@pytest.fixture
def own_home(tmp_path, monkeypatch) -> Path:
    """A temporary home folder: settings of the user are neither read nor written.

    Another Python is installed there as python3.
    """
    home = tmp_path / "home"
    home.mkdir()
    for name, folder in home_variables(home).items():
        monkeypatch.setenv(name, folder)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    kernel = home / "jupyter_data_dir" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(
        json.dumps({"argv": ["/other/python"], "display_name": "other", "language": "python"})
    )
    return home


@pytest.fixture
def run(checkpoint, tmp_path) -> Path:
    """A run directory, with its best model beside it."""
    folder = tmp_path / "runs" / "small-run"
    shutil.copytree(checkpoint.with_suffix(""), folder)
    shutil.copy(checkpoint, folder.with_name("small-run.ckpt"))
    return folder


@pytest.fixture
def field_run(run, mixtures, tmp_path) -> Path:
    """The same run, made to look as if trained on weakly labelled recordings without sources."""
    field = tmp_path / "field"
    rows = []
    field.mkdir()
    for split in ("train", "validation", "test"):
        for row in read_table(mixtures / split / "weak_labels.csv", required=("filename",)):
            name = f"{split}-{row['filename']}"
            shutil.copy(mixtures / split / row["filename"], field / name)
            rows.append({**row, "filename": name, "split": split})
    write_table(field / "weak_labels.csv", list(rows[0]), rows)
    move_data(run, data_folder=str(field), data_set_type="weakly_labelled_folder")
    return run


def move_data(run: Path, **data: str) -> None:
    """Change the data that a run and its model were trained on, in their settings."""
    config = json.loads((run / "config.json").read_text())
    config["data"] |= data
    (run / "config.json").write_text(json.dumps(config))
    model = run.with_name(f"{run.name}.ckpt")
    content = torch.load(model, weights_only=True)
    content["made"]["settings"]["data"] |= data
    torch.save(content, model)


class Page(HTMLParser):
    """Collects the references, images and sounds of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.references: list[str] = []
        self.anchors: list[str] = []
        self.identifiers: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.sounds: dict[str, str] = {}
        self.tags: set[str] = set()
        self.styles: list[str] = []
        self.title = self.language = ""
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attribute_values = dict(attributes)
        self._in = tag
        self.tags.add(tag)
        self.references += [value or "" for name, value in attributes if name in _FETCHING]
        self.styles += [value or "" for name, value in attributes if name == "style"]
        self.identifiers += [attribute_values["id"]] if "id" in attribute_values else []
        if tag == "a":
            self.anchors.append(attribute_values.get("href", ""))
        if tag == "img":
            self.pictures.append(attribute_values)
        if tag == "audio":
            self.sounds[f"{len(self.sounds)} {attribute_values['aria-label']}"] = attribute_values[
                "src"
            ]
        self.language = attribute_values.get("lang", "") if tag == "html" else self.language

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        self.title += data if self._in == "title" else ""
        self.styles += [data] if self._in == "style" else []


def _check(text: str) -> Page:
    """Check that a page refers to no other file."""
    page = Page(text)
    foreign = [
        reference[:80] for reference in page.references if not reference.startswith(("data:", "#"))
    ]
    assert foreign == []
    assert {anchor.lstrip("#") for anchor in page.anchors} <= set(page.identifiers)
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "base"}
    for style in page.styles:
        assert "@import" not in style
        assert re.findall(r"url\((?!['\"]?data:)", style) == []
    assert all(picture.get("alt") for picture in page.pictures)
    return page


@pytest.fixture
def stands_alone() -> Callable[[str], Page]:
    """A function that checks that a page refers to no other file, and returns its content."""
    return _check
