"""Read the recordings for panels: those of a folder, or the built-in ones if none is chosen."""

from dataclasses import replace

from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import Progress, Steps, name_stage
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig, event_steps
from absslab.core.data.mixture_writer import (
    WrittenMixtures,
    collect_left_out,
    write_mixtures,
)
from absslab.core.data.recordings import IndexedFolder
from absslab.core.data.synthetic.recording_files import cached_recordings
from absslab.widgets.panels.panel import WorkbenchPanel
from absslab.widgets.ui.forms import Form

BUILT_IN = "the built-in recordings"
EventSource = tuple[str, str | None, str | None]  # folder, CSV, origin pattern


def event_source(config: MixtureFolderConfig) -> EventSource:
    """Return the settings that recordings are read with."""
    return config.event_folder, config.recordings_csv, config.origin_pattern


def indexing_steps(
    config: MixtureFolderConfig, left_out: LeftOut | None = None
) -> Steps[IndexedFolder]:
    """Index the event folder, or the built-in recordings if none is chosen.

    Args:
        config: names the event folder.
        left_out: collects files that can't be used; by default as the config says.

    Raises:
        InputError: the folder can't be used.
    """
    yield Progress(0, 0)  # making the built-in recordings takes long
    if left_out is None:
        left_out = collect_left_out(config)
    return (yield from event_steps(_with_event_folder(config), left_out))


def checked_indexing_steps(config: MixtureFolderConfig) -> Steps[IndexedFolder]:
    """Index recordings as `indexing_steps` does, except files that can't be used.

    The folder is checked before the first step.

    Raises:
        InputError: the folder can't be used; raised by the call itself.
    """
    left_out = LeftOut("mix")
    if config.event_folder:
        return event_steps(config, left_out)
    return indexing_steps(config, left_out)


def writing_steps(config: MixtureFolderConfig, mixing: MixingConfig) -> Steps[WrittenMixtures]:
    """Index the recordings as `indexing_steps` does, then write mixtures of them.

    Args:
        config: number of mixtures, seed and folders.
        mixing: settings for drawing mixtures.

    Returns:
        the folder, and the number of mixtures in it.

    Raises:
        InputError: the recordings, the settings or the output folder can't be used.
        OSError: a file can't be written.
    """
    indexed = yield from name_stage(indexing_steps(config), "reading recordings")
    writing = write_mixtures(_with_event_folder(config), mixing, indexed)
    return (yield from writing)


def link_event_folder(panel: WorkbenchPanel, form: Form) -> None:
    """Keep the event_folder of a form and that of the panel's state equal."""
    control = form.controls["event_folder"]
    control.placeholder = BUILT_IN
    panel.link("event_folder", control)


def _with_event_folder(config: MixtureFolderConfig) -> MixtureFolderConfig:
    return replace(config, event_folder=config.event_folder or str(cached_recordings()))
