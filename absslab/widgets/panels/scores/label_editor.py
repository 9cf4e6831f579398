"""The weak labels of a recording beside the model's probabilities, to check and to correct."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets

from absslab.core.data.label_corrections import (
    RecordingLabels,
    correct_label,
    read_recording_labels,
)
from absslab.plots.html_tables import render_table
from absslab.plots.html_text import paragraph
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.controls import button
from absslab.widgets.ui.error_line import error_line
from absslab.widgets.ui.main_loop import MainLoop
from absslab.widgets.ui.part import Part, close_tree

EFFECT = (
    "A new training uses it if it is one of its training recordings; "
    "scores change when the run is scored again."
)


class LabelEditor(Part):
    """Checkboxes with the weak labels of a recording; `save` corrects those that were changed.

    Args:
        loop: the loop that the widgets belong to.
        failed: shows an error.
        say: shows a message.
    """

    def __init__(
        self,
        loop: MainLoop,
        failed: Callable[[Exception], Any],
        say: Callable[[str], Any],
    ):
        super().__init__(loop, failed)
        self.labels: RecordingLabels | None = None
        self.boxes: dict[str, ipywidgets.Checkbox] = {}  # by class
        self._probabilities: Mapping[str, float] = {}
        self._sources: Mapping[str, float] = {}
        self._saved = ""  # message about the last correction
        self._say = say
        self._reader = self.own(
            LatestOnly(
                loop,
                read_recording_labels,
                deliver=self.guard(self._show_labels),
                failed=self._show_error,
                noticed=self.show_notice,
            )
        )
        self._rows = ipywidgets.VBox(
            layout=ipywidgets.Layout(max_height="320px", overflow="auto", width="640px")
        )
        self._title = ipywidgets.HTML()
        self._about = ipywidgets.HTML()
        self._save_button = button("save the correction", self.guard(lambda: self.save()))
        self.widget = ipywidgets.VBox(
            [self._title, self._rows, self._save_button, self._about],
            layout=ipywidgets.Layout(align_items="flex-start"),
        )
        self.clear()

    def show(
        self, path: Path, probabilities: Mapping[str, float], sources: Mapping[str, float]
    ) -> None:
        """Show the labels of a recording.

        Args:
            path: the sound file.
            probabilities: probabilities of the model, by class.
            sources: class → 1 if its source was mixed in, 0 if not; only classes for which this
                is known.
        """
        self.clear()
        self._probabilities = probabilities
        self._sources = sources
        self._saved = ""
        self._reader.request(path)

    def save(self) -> list[str]:
        """Write the labels that were changed to the table.

        Returns:
            the classes whose labels are different now.

        Raises:
            InputError: the table can no longer be used.
            OSError: the table can't be written.
        """
        labels = self.labels
        if labels is None:
            return []
        corrected = []
        for name, box in self.boxes.items():
            is_changed = box.value != labels.labels[name]
            if is_changed and correct_label(labels.table, labels.filename, name, box.value):
                corrected.append(name)
        if corrected:
            changes = [name if self.boxes[name].value else f"not {name}" for name in corrected]
            self._saved = f"{labels.filename}: {', '.join(changes)}. {EFFECT}"
        else:
            self._saved = f"{labels.filename}: no label was changed."
        self._say(self._saved)
        self._reader.request(labels.table.parent / labels.filename)
        return corrected

    def clear(self) -> None:
        """Show nothing."""
        self._reader.cancel()
        self.labels = None
        self._title.value = ""
        self._about.value = ""
        self._save_button.layout.display = "none"
        self.boxes = {}
        rows = self._rows.children
        self._rows.children = ()
        for row in rows:
            close_tree(row)

    def _show_labels(self, labels: RecordingLabels) -> None:
        self.clear()
        self.labels = labels
        self._title.value = paragraph(
            f"labels of {labels.filename} in {labels.table}, the most doubtful first"
        )
        names = sorted(labels.labels, key=self._doubt, reverse=True)
        self._rows.children = [self._make_row(name) for name in names]
        self._save_button.layout.display = ""
        table = ""
        if labels.corrections:
            rows = [
                [row["time"], row["event_label"], row["from"], row["to"]]
                for row in labels.corrections
            ]
            table = render_table(["corrected", "class", "from", "to"], rows)
        self._about.value = paragraph(self._saved, "message", "status") + table

    def _doubt(self, name: str) -> float:
        """Return how far the model's probability is from the label."""
        assert self.labels is not None
        label = float(self.labels.labels[name])
        return abs(self._probabilities.get(name, label) - label)

    def _make_row(self, name: str) -> ipywidgets.HBox:
        assert self.labels is not None
        label = self.labels.labels[name]
        box = ipywidgets.Checkbox(value=label, description=name, indent=False)
        self.boxes[name] = box
        evidence = ipywidgets.Label(self._evidence(name, label))
        # Without this, the rows are squeezed instead of scrolled.
        layout = ipywidgets.Layout(flex="0 0 auto")
        return ipywidgets.HBox([box, evidence], layout=layout)

    def _evidence(self, name: str, label: bool) -> str:
        if name in self._probabilities:
            text = f"the model: {self._probabilities[name]:.3f}"
        else:
            text = "the model does not know this class"
        if self.labels is not None and name in self.labels.unknown:
            text += "; its label is not known"
        is_mixed_in = bool(self._sources.get(name, label))
        if is_mixed_in == label:
            return text
        return f"{text}; its source was {'' if is_mixed_in else 'not '}mixed in"

    def _show_error(self, error: Exception) -> None:
        self.clear()
        self._about.value = paragraph(error_line(error), "wrong", "alert")
