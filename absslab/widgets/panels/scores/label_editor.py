"""The weak labels of a recording beside what a model says of it: to be checked by ear, and corrected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.common.tables import read_table
from absslab.plots.html_tables import html_table
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.main_loop import MainLoop
from absslab.widgets.ui.panel import close_tree, error_line

NEW_RUN = "A new training learns it if it is one of its training recordings; scores change when a run is scored again."


@dataclass(frozen=True)
class Labels:
    """What the table of weak labels says of a recording."""

    table: Path
    filename: str  # as the table has it
    labels: Mapping[str, bool]  # by class
    corrections: list[dict[str, str]]  # of this recording, the earliest first


class LabelEditor:
    """Checkboxes with a recording's weak labels; `save` corrects those that were changed.

    Args:
        loop: that widgets belong to.
        guard: makes callbacks whose errors are shown.
        say: shows what was done.
    """

    def __init__(self, loop: MainLoop, guard: Callable[..., Any], say: Callable[[str], Any]):
        self.labels: Labels | None = None
        self.boxes: dict[str, ipywidgets.Checkbox] = {}
        self._said: Mapping[str, float] = {}
        self._sources: Mapping[str, float] = {}
        self._done = ""  # what was saved, in words
        self._say = say
        self._reader = LatestOnly(loop, read, deliver=self._show, failed=self._fail)
        self._rows = ipywidgets.VBox(
            layout=ipywidgets.Layout(max_height="320px", overflow="auto", width="640px")
        )
        self._title, self._about = ipywidgets.HTML(), ipywidgets.HTML()
        self._save = button("save correction", guard(lambda: self.save()))
        self.widget = ipywidgets.VBox(
            [self._title, self._rows, self._save, self._about],
            layout=ipywidgets.Layout(align_items="flex-start"),
        )
        self.clear()

    def show(self, path: Path, said: Mapping[str, float], sources: Mapping[str, float]) -> None:
        """Show the labels of a recording.

        Args:
            path: the sound file.
            said: class → the model's probability.
            sources: class → 1 where its source was mixed in, 0 where it was not, as far as that is known.
        """
        self.clear()
        self._said, self._sources, self._is_wanted, self._done = said, sources, True, ""
        self._reader.request(path)

    def save(self) -> list[str]:
        """Correct the labels that were changed in the table; returns their classes.

        Raises:
            InputError: the table can't be used any more.
            OSError: it can't be written.
        """
        from absslab.core.data.label_corrections import correct_label

        shown, changed = self.labels, []
        if shown is None:
            return []
        for name, box in self.boxes.items():
            if box.value != shown.labels[name] and correct_label(
                shown.table, shown.filename, name, box.value
            ):
                changed.append(name)
        words = ", ".join(f"{'' if self.boxes[name].value else 'not '}{name}" for name in changed)
        self._done = (
            f"{shown.filename}: {words}. {NEW_RUN}"
            if changed
            else f"{shown.filename}: no label was changed."
        )
        self._say(self._done)
        self._reader.request(shown.table.parent / shown.filename)
        return changed

    def clear(self) -> None:
        """Show nothing."""
        self._is_wanted = False
        self._title.value = self._about.value = ""
        self.labels, self._save.layout.display = None, "none"
        rows, self._rows.children, self.boxes = self._rows.children, (), {}
        for row in rows:
            close_tree(row)

    def close(self) -> None:
        """Read nothing more."""
        self._reader.close()

    def _show(self, found: Labels) -> None:
        if not self._is_wanted:
            return
        self.clear()
        self.labels, self._is_wanted = found, True
        doubt = {
            name: abs(self._said.get(name, float(label)) - label)
            for name, label in found.labels.items()
        }
        rows = []
        for name in sorted(found.labels, key=lambda name: -doubt[name]):
            box = ipywidgets.Checkbox(value=found.labels[name], description=name, indent=False)
            self.boxes[name] = box
            words = ipywidgets.Label(self._words(name, found.labels[name]))
            rows.append(
                ipywidgets.HBox([box, words], layout=ipywidgets.Layout(flex="0 0 auto"))
            )  # scrolled, not squeezed
        self._rows.children, self._save.layout.display = rows, ""
        before = [
            [row["time"], row["event_label"], row["from"], row["to"]] for row in found.corrections
        ]
        table = html_table(["corrected", "class", "from", "to"], before) if before else ""
        self._title.value = paragraph(
            f"labels of {found.filename} in {found.table}; the most doubtful first"
        )
        self._about.value = paragraph(self._done, "message", "status") + table

    def _words(self, name: str, label: bool) -> str:
        words = (
            f"the model: {self._said[name]:.3f}" if name in self._said else "the model says nothing"
        )
        if name in self._sources and bool(self._sources[name]) != label:
            words += (
                "; its source was mixed in"
                if self._sources[name]
                else "; its source was not mixed in"
            )
        return words

    def _fail(self, error: Exception) -> None:
        self.clear()
        self._about.value = paragraph(error_line(error), "wrong", "alert")


def read(path: Path) -> Labels:
    """The weak labels of a recording, and how they were corrected before.

    Raises:
        InputError: no table names it, or one can't be read.
    """
    from absslab.core.data.label_corrections import CORRECTIONS, labels_table, read_labels

    table = labels_table(path)
    filename = Path(path).absolute().relative_to(table.parent).as_posix()
    noted = table.with_name("corrections.csv")
    rows = (
        read_table(noted, required=CORRECTIONS, key=None, may_be_empty=True)
        if noted.exists()
        else []
    )
    corrections = [row for row in rows if row["filename"] == filename]
    return Labels(table, filename, read_labels(table, filename), corrections)
