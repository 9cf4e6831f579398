"""Which recordings panels work on: those of a folder, or the built-in ones where none is chosen."""

from collections.abc import Iterator
from dataclasses import replace

from absslab.core.common.progress import Progress
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import MixtureFolderConfig, indexing, write_mixtures
from absslab.core.data.recordings import Indexing
from absslab.core.data.synthetic.office_sounds import cached_recordings
from absslab.widgets.ui.forms import Form
from absslab.widgets.ui.panel import Panel

BUILT_IN = "the built-in recordings"


def index_steps(indexing: Indexing) -> Iterator[Progress]:
    """Index a folder, or the built-in recordings where it is none."""
    yield Progress(0, 0)
    if not indexing.folder:
        indexing.folder = cached_recordings()
    yield from indexing.run()


def write_steps(config: MixtureFolderConfig, mixing: MixingConfig) -> Iterator[Progress]:
    """Read a folder, or the built-in recordings where none is chosen, then write a set of mixtures of it."""
    found = indexing(config)
    yield from index_steps(found)
    yield from write_mixtures(
        replace(config, event_folder=str(found.folder)), mixing, found.recordings
    )


def source_of(config: MixtureFolderConfig) -> tuple[str, str | None, str | None]:
    """What recordings are read from."""
    return config.event_folder, config.recordings_csv, config.origin_pattern


def shown_folder(folder: str) -> str:
    """A folder of recordings in words."""
    return folder or BUILT_IN


def follow_event_folder(panel: Panel, form: Form) -> None:
    """Let a form's event_folder and that of the state be the same."""
    control = form.controls["event_folder"]
    control.placeholder = BUILT_IN

    def to_state(_: object) -> None:
        panel.state.event_folder = control.value.strip()

    def from_state() -> None:
        control.value = panel.state.event_folder

    from_state()
    control.observe(panel.guard(to_state), "value")
    panel.watch("event_folder", from_state)
