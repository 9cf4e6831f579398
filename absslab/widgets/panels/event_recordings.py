"""Which recordings panels work on: those of a folder, or the built-in ones where none is chosen."""

from dataclasses import replace

from absslab.core.common.progress import Progress, Steps
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_plan import MixtureFolderConfig, event_steps
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.recordings import IndexedFolder
from absslab.core.data.synthetic.office_sounds import cached_recordings
from absslab.widgets.ui.forms import Form
from absslab.widgets.ui.panel import Panel

BUILT_IN = "the built-in recordings"


def index_steps(
    config: MixtureFolderConfig, *, skip_bad_files: bool = False
) -> Steps[IndexedFolder]:
    """Index a folder, or the built-in recordings where none is chosen."""
    yield Progress(0, 0)
    return (yield from event_steps(_with_folder(config), skip_bad_files=skip_bad_files))


def write_steps(config: MixtureFolderConfig, mixing: MixingConfig) -> Steps[None]:
    """Index a folder, or the built-in recordings where none is chosen, then write mixtures of it."""
    indexed = yield from index_steps(config)
    yield from write_mixtures(_with_folder(config), mixing, indexed.recordings)


def _with_folder(config: MixtureFolderConfig) -> MixtureFolderConfig:
    return replace(config, event_folder=config.event_folder or str(cached_recordings()))


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
