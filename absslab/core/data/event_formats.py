"""Tables of events of other programs: label tracks of Audacity and selection tables of Raven.

::

    Audacity, a file per recording, without header: onset, offset, label
        0.050000    0.500000    tone
    Raven, with a column for the label, and Begin File if there are several recordings
        Selection  View  Channel  Begin Time (s)  End Time (s)  …  Annotation
    events.tsv, as `strong_labels` reads and writes it
        filename    onset    offset    event_label
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from absslab.core.common.config import Config, look_up, option, suggest_nearest
from absslab.core.common.errors import InputError, InputWarning, escape_braces
from absslab.core.common.files import walk_once, write_text
from absslab.core.common.left_out import LeftOut, on_error_option
from absslab.core.common.notices import give_notice
from absslab.core.common.tables import is_missing, open_table, table_text
from absslab.core.common.text_encoding import read_text
from absslab.core.data.class_names import normalise
from absslab.core.data.strong_labels import EVENT_COLUMNS, name_other_format

_RAVEN_LABELS = ("Annotation", "Annotations", "Label", "Labels", "Species", "Class", "Type", "Tags")
_RAVEN_TIMES = ("Begin Time (s)", "End Time (s)")
_RAVEN_NAME = r"\.Table\.\d+\.selections$"  # end of the name of a table
_HIGHEST = 24000.0  # Hz, of a selection that has no frequencies of its own


class LabelledEvent(NamedTuple):
    """An event of a recording."""

    filename: str
    onset: float  # s
    offset: float  # s
    event_label: str


class _EventTable(NamedTuple):
    """The events of a file, and all recordings that it names, with events or without."""

    events: list[LabelledEvent]
    recordings: list[str]


@dataclass(frozen=True)
class ConversionConfig(Config):
    """Tables of events to convert."""

    input: tuple[str, ...] = option(
        (),
        "label tracks of Audacity, selection tables of Raven, or events.tsv; or folders of them, "
        "with sub-folders",
        metavar="PATH",
        required=True,
    )
    output: str = option(
        "",
        "for events, a file such as events.tsv; for Audacity and Raven, a folder that gets a file "
        "per recording",
        metavar="PATH",
        required=True,
    )
    to: str = option("events", "format to write", choices=("events", "audacity", "raven"))
    suffix: str = option(
        ".wav", "suffix of the recordings that label tracks and selection tables are called after"
    )
    label_column: str = option(
        "", f"column of Raven's labels, if it is none of {', '.join(_RAVEN_LABELS)}", metavar="NAME"
    )
    on_error: str = on_error_option("stop")


def read_any_events(
    path: str | Path, *, suffix: str = ".wav", label_column: str = ""
) -> list[LabelledEvent]:
    """Read the events of a file in any of the three formats.

    Args:
        path: the file. A label track, or a selection table without the column Begin File, is of
            the recording that it is called after: a.txt, or a.Table.1.selections.txt, of a.wav.
        suffix: of the name of this recording.
        label_column: column of Raven's labels.

    Raises:
        InputError: the file is of none of these formats, or a time is no number.
    """
    return _read(Path(path), suffix, label_column).events


def _read(path: Path, suffix: str, label_column: str) -> _EventTable:
    program = name_other_format(path)
    if "Audacity" in program:
        return _read_audacity(path, suffix)
    if "Raven" in program:
        return _read_raven(path, suffix, label_column)
    if not strip_text(path):
        return _EventTable([], [path.stem + suffix])  # a label track without labels
    table = open_table(
        path,
        required=EVENT_COLUMNS,
        delimiter="\t",
        key=None,
        may_be_empty=True,
        may_be_short=True,
    )
    found = _EventTable([], [])
    times = _TimeReader(path)
    n_unlabelled = 0
    for row in table.rows:
        cells = row.cells
        name = cells["filename"]
        if is_missing(name):
            raise InputError(
                f"{{path}}, line {row.line}: there is no filename: expected that of a recording",
                path=path,
            )
        found.recordings.append(name)
        if all(is_missing(cells[column]) for column in EVENT_COLUMNS[1:]):
            continue
        label = normalise(cells["event_label"])
        if is_missing(label):
            n_unlabelled += 1
            continue
        onset = times.read(cells["onset"], row.line)
        offset = times.read(cells["offset"], row.line)
        _check_order(onset, offset, path, row.line)
        found.events.append(LabelledEvent(name, onset, offset, label))
    _give_notice_of_unlabelled(path, n_unlabelled)
    return found


def strip_text(path: Path) -> str:
    """Return the text of a file without blanks around it."""
    return read_text(path).strip()


def _read_audacity(path: Path, suffix: str) -> _EventTable:
    events = []
    times = _TimeReader(path)
    n_unlabelled = 0
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip() or line.startswith("\\"):  # the frequencies of the label before
            continue
        cells = line.split("\t", 2)
        if len(cells) < 2:
            raise InputError(
                f"{{path}}, line {number}: expected onset, offset and label, with tabs between",
                path=path,
            )
        label = normalise(cells[2]) if len(cells) > 2 else ""
        if is_missing(label):
            n_unlabelled += 1
            continue
        onset = times.read(cells[0], number)
        offset = times.read(cells[1], number)
        _check_order(onset, offset, path, number)
        events.append(LabelledEvent(path.stem + suffix, onset, offset, label))
    _give_notice_of_unlabelled(path, n_unlabelled)
    return _EventTable(events, [path.stem + suffix])


def _read_raven(path: Path, suffix: str, label_column: str) -> _EventTable:
    table = open_table(path, required=_RAVEN_TIMES, delimiter="\t", key=None, may_be_empty=True)
    if label_column and label_column not in table.columns:
        raise InputError(
            f"{{path}} has no column {escape_braces(repr(label_column))}"
            f"{escape_braces(suggest_nearest(label_column, table.columns))}",
            path=path,
        )
    found = [name for name in _RAVEN_LABELS if name in table.columns]
    column = label_column or next(iter(found), "")
    if not column:
        raise InputError(
            f"{{path}} has no column of labels: it has "
            f"{escape_braces(', '.join(table.columns))}; pass one as --label_column",
            path=path,
        )
    stem = re.sub(_RAVEN_NAME, "", path.stem)
    recordings = [] if table.rows else [stem + suffix]
    events: dict[LabelledEvent, str] = {}  # with their selections
    times = _TimeReader(path)
    n_unlabelled = 0
    n_repeated = 0
    for row in table.rows:
        cells = row.cells
        recordings.append(cells.get("Begin File", "") or stem + suffix)
        label = normalise(cells[column])
        if is_missing(label):
            n_unlabelled += 1
            continue
        begin = times.read(cells["Begin Time (s)"], row.line)
        end = times.read(cells["End Time (s)"], row.line)
        _check_order(begin, end, path, row.line)
        onset = begin
        if cells.get("Begin File", "") and cells.get("File Offset (s)", ""):
            # The other times count from the beginning of the first of several recordings.
            onset = times.read(cells["File Offset (s)"], row.line)
        offset = end if onset == begin else round(onset + end - begin, 6)
        event = LabelledEvent(recordings[-1], onset, offset, label)
        # Raven writes a selection once for each view that it is drawn in.
        selection = cells.get("Selection", str(row.line))
        n_repeated += events.setdefault(event, selection) != selection
    _give_notice_of_unlabelled(path, n_unlabelled)
    if n_repeated:
        events_are = "1 event that stands" if n_repeated == 1 else f"{n_repeated} events that stand"
        give_notice(InputWarning(f"{{path}}: {events_are} there twice left out", path=path))
    return _EventTable(list(events), recordings)


def _check_order(onset: float, offset: float, path: Path, line: int) -> None:
    if offset < onset:
        raise InputError(
            f"{{path}}, line {line}: the event ends at {offset:g} s, not after its onset at "
            f"{onset:g} s",
            path=path,
        )


def _give_notice_of_unlabelled(path: Path, n_unlabelled: int) -> None:
    if n_unlabelled:
        events = "1 event" if n_unlabelled == 1 else f"{n_unlabelled} events"
        give_notice(InputWarning(f"{{path}}: {events} without a label left out", path=path))


class _TimeReader:
    """Reads the times of a file, whose decimal separator may be a comma.

    Raven may group thousands, so that a comma among points could mean either.

    Args:
        path: the file.
    """

    def __init__(self, path: Path):
        self.path = path
        self._times: dict[str, str] = {}  # the first one with a point, and with what may be a group

    def read(self, text: str, line: int) -> float:
        """Return a time in seconds.

        Args:
            text: the time.
            line: where it stands.

        Raises:
            InputError: it is no time, or its comma may group thousands, as other times have points.
        """
        number = text.strip()
        if re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+\.[0-9]+", number):
            number = number.replace(",", "")
        is_group = re.fullmatch(r"[1-9][0-9]{0,2}(,[0-9]{3})+", number) is not None
        if is_group or "." in number:
            self._times.setdefault("," if is_group else ".", f"{number!r} in line {line}")
        if len(self._times) > 1:
            times = " and ".join(self._times.values())
            raise InputError(
                f"{{path}} has the times {escape_braces(times)}: expected one decimal separator",
                path=self.path,
            )
        number = number.replace(",", ".")
        if re.fullmatch(r"-0*\.?0*", number):
            return 0.0  # rounded from below
        if not re.fullmatch(
            r"([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,2})?", number, re.IGNORECASE
        ):
            raise InputError(
                f"{{path}}, line {line}: {escape_braces(repr(text))} is no time in seconds",
                path=self.path,
            )
        return float(number)


@dataclass(frozen=True)
class ConvertedEvents:
    """What a conversion has written.

    Args:
        files: the files.
        left_out: the files that could not be read.
    """

    files: list[Path]
    left_out: LeftOut


def convert_events(config: ConversionConfig) -> ConvertedEvents:
    """Convert tables of events, and return the files that were written.

    Recordings without events keep a row, or a file, that says so.

    Raises:
        InputError: files can't be read and must not be left out, there is none, two are of the same
            recording, or a file would be overwritten.
    """
    output = Path(config.output)
    is_table = config.to == "events"
    left_out = LeftOut(
        "labels",
        on_error=config.on_error,
        folder=output.parent if is_table else output,
        result=output.name if is_table else "",
    )
    table = _EventTable([], [])
    sources: dict[str, Path] = {}  # by the recording that they are called after
    for path, folder in _list_inputs(config.input):
        left_out.n_files += 1
        with left_out.file(path):
            found = _place_below(_read(path, config.suffix, config.label_column), path, folder)
            _check_other_source(found, path, sources)
            table.events.extend(found.events)
            table.recordings.extend(found.recordings)
    left_out.stop_if_any()
    left_out.stop_if_all()
    write: _Writer = look_up("format", config.to, WRITERS)
    files = write(table, output)
    for path in files:
        if path.exists():
            raise InputError("{path} exists: choose another output, or remove it", path=path)
    left_out.check()
    for path, text in files.items():
        write_text(path, text)
    left_out.write()
    return ConvertedEvents(list(files), left_out)


def _list_inputs(inputs: Iterable[str]) -> list[tuple[Path, Path]]:
    """List the files to read, each with the folder that names of recordings begin from."""
    files: list[tuple[Path, Path]] = []
    for name in inputs:
        path = Path(name)
        if not path.is_dir():
            files.append((path, path.parent))
            continue
        walk = walk_once(path)
        for error in walk.unreadable:
            raise error
        found = [
            (file, path)
            for file in sorted(walk.files)
            if file.suffix.lower() in (".txt", ".tsv") and not file.name.startswith(".")
        ]
        if not found:
            raise InputError("{path} holds no .txt and no .tsv", path=path)
        files += found
    return files


def _place_below(found: _EventTable, path: Path, folder: Path) -> _EventTable:
    """Name recordings by their paths from a folder, if the table lies in one of its sub-folders."""
    below = path.parent.relative_to(folder).as_posix()
    if below == ".":
        return found
    events = [event._replace(filename=f"{below}/{event.filename}") for event in found.events]
    return _EventTable(events, [f"{below}/{name}" for name in found.recordings])


def _check_other_source(found: _EventTable, path: Path, sources: dict[str, Path]) -> None:
    """Check that no other file is of the recording that a file is called after.

    Raises:
        InputError: there is one.
    """
    stems = {Path(name.replace("\\", "/")).stem for name in found.recordings}
    if stems != {re.sub(_RAVEN_NAME, "", path.stem)}:
        return  # a table of recordings that it names itself
    for name in set(found.recordings):
        other = sources.setdefault(name, path)
        if other != path:
            raise InputError(
                f"{{path}} and {{other}} are both of the recording {escape_braces(repr(name))}: "
                "keep one, or pass a folder that holds both in sub-folders",
                path=path,
                other=other,
            )


def _events_text(table: _EventTable, output: Path) -> dict[Path, str]:
    """Return the table of events: one file."""
    rows = []
    for event in table.events:
        cells = (event.filename, f"{event.onset:.6f}", f"{event.offset:.6f}", event.event_label)
        rows.append(dict(zip(EVENT_COLUMNS, cells, strict=True)))
    with_events = {event.filename for event in table.events}
    for name in dict.fromkeys(table.recordings):
        if name not in with_events:
            rows.append(dict.fromkeys(EVENT_COLUMNS, "") | {"filename": name})
    return {output: table_text(EVENT_COLUMNS, rows, delimiter="\t")}


def _audacity_texts(table: _EventTable, output: Path) -> dict[Path, str]:
    """Return the label track of each recording."""
    texts = {}
    for stem, of_recording in _group_by_recording(table).items():
        lines = [
            f"{event.onset:.6f}\t{event.offset:.6f}\t{event.event_label}\n"
            for event in of_recording
        ]
        texts[output / f"{stem}.txt"] = "".join(lines)
    return texts


def _raven_texts(table: _EventTable, output: Path) -> dict[Path, str]:
    """Return the selection table of each recording."""
    columns = (
        "Selection",
        "View",
        "Channel",
        *_RAVEN_TIMES,
        "Low Freq (Hz)",
        "High Freq (Hz)",
        "Begin File",
        "Annotation",
    )
    texts = {}
    for stem, of_recording in _group_by_recording(table).items():
        rows = []
        for number, event in enumerate(of_recording, start=1):
            name = Path(event.filename).name
            times = (f"{event.onset:.6f}", f"{event.offset:.6f}")
            cells = (number, "Spectrogram 1", 1, *times, 0.0, _HIGHEST, name, event.event_label)
            rows.append(dict(zip(columns, cells, strict=True)))
        path = output / f"{stem}.Table.1.selections.txt"
        texts[path] = table_text(columns, rows, delimiter="\t")
    return texts


def _group_by_recording(table: _EventTable) -> dict[str, list[LabelledEvent]]:
    """Return the events of each recording, by its path without suffix."""
    groups: dict[str, list[LabelledEvent]] = {}
    names: dict[str, str] = {}
    stems: dict[str, str] = {}
    for name in dict.fromkeys(table.recordings):
        path = Path(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"{name!r} leads out of the output folder: expected a relative path")
        stem = path.with_suffix("").as_posix()
        if names.setdefault(stem, name) != name:
            raise InputError(
                f"{names[stem]!r} and {name!r} would be written to the same file: "
                "convert them into different folders"
            )
        stems[name] = stem
        groups[stem] = []
    for event in table.events:
        groups[stems[event.filename]].append(event)
    return groups


_Writer = Callable[[_EventTable, Path], Mapping[Path, str]]
WRITERS: dict[str, _Writer] = {
    "events": _events_text,
    "audacity": _audacity_texts,
    "raven": _raven_texts,
}
