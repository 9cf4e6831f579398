"""Draw mixtures to see and hear them, without writing them."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from absslab.core.common.left_out import LeftOut
from absslab.core.common.progress import LongWork
from absslab.core.data.mixing import MixingConfig, MixtureSpec, leave_out_events
from absslab.core.data.mixture_plan import MixtureFolderConfig, MixturePlan, plan_mixtures
from absslab.core.data.mixture_rendering import Mixture, render
from absslab.core.data.recordings import Recording
from absslab.core.data.strong_labels import SoundEvent
from absslab.widgets.listening.recording_view import RecordingView
from absslab.widgets.panels.event_recordings import EventSource, event_source, indexing_steps
from absslab.widgets.player.display import mixed_tracks
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.main_loop import MainLoop
from absslab.widgets.ui.part import Part
from absslab.widgets.ui.progress_line import ProgressLine


class DrawnMixture(NamedTuple):
    """A mixture and its place in a set."""

    spec: MixtureSpec
    sounds: Mixture
    split: str
    number: int  # in the split
    n_written: int  # mixtures of the split that a written set would hold


class MixturePreview(Part):
    """Draws mixtures and shows the latest; recordings are read when they are first needed.

    Args:
        loop: the loop that the widgets belong to.
        recording_view: shows the mixtures.
        failed: function that is called with errors.
    """

    def __init__(
        self, loop: MainLoop, recording_view: RecordingView, failed: Callable[[Exception], Any]
    ):
        super().__init__(loop, failed)
        self.reading = self.own(ProgressLine(loop, failed))
        self.widget = self.reading.widget
        self._recording_view = recording_view
        self._recordings: tuple[Recording, ...] = ()
        self._left_out = LeftOut("mix")
        self._source: EventSource | None = None  # of the recordings
        self._latest = self.own(
            LatestOnly(
                loop,
                _draw_mixture,
                deliver=self.guard(self._show_mixture),
                failed=self._show_error,
                noticed=self.show_notice,
            )
        )

    def request(
        self, config: MixtureFolderConfig, mixing: MixingConfig, split: str, number: int
    ) -> None:
        """Draw a mixture and show it; the same arguments give the same mixture.

        Args:
            config: settings with the recordings and the seed.
            mixing: settings for drawing mixtures.
            split: train, validation or test.
            number: number of the mixture in the split.
        """
        if event_source(config) == self._source:
            self._latest.request(config, mixing, self._recordings, split, number)
            return
        work = LongWork(indexing_steps(config))

        def use_recordings() -> None:
            work.result.left_out.stop_if_any()
            self._left_out = work.result.left_out
            self._recordings = tuple(work.result.recordings)
            self._source = event_source(config)
            self.request(config, mixing, split, number)

        self.reading.run(lambda: iter(work), task="reading the recordings", done=use_recordings)

    def _show_error(self, error: Exception) -> None:
        self._source = None  # the files may be corrected before the next request
        self.fail(error)

    def _show_mixture(self, mixture: DrawnMixture) -> None:
        spec = mixture.spec
        tracks = mixed_tracks(mixture.sounds)
        if not spec.has_background:
            tracks = [track for track in tracks if track.kind != "background"]
        level = _describe_level(spec)
        content = f"{', '.join(spec.labels)}; {level}" if spec.events else "background alone"
        caption = f"{mixture.split}, number {mixture.number}: {content}"
        if mixture.number >= mixture.n_written:
            caption += f"; a written set would hold only {mixture.n_written} of this split"
        if self._left_out:
            caption += f"; {self._left_out.summary()}"
        self._recording_view.show(
            tracks,
            caption=caption,
            title=spec.filename,
            events=[
                SoundEvent(event.event_label, event.onset, event.offset) for event in spec.events
            ],
            classes=spec.labels,
        )


def _describe_level(spec: MixtureSpec) -> str:
    if spec.event_snr is not None:
        return f"each event {spec.event_snr:.1f} dB over the background"
    return "no background" if spec.snr is None else f"{spec.snr:.1f} dB over the background"


def _draw_mixture(
    config: MixtureFolderConfig,
    mixing: MixingConfig,
    recordings: tuple[Recording, ...],
    split: str,
    number: int,
) -> DrawnMixture:
    plan = _plan_mixtures(config, mixing, recordings)
    spec = plan.spec(split, number)
    rendered = render(spec)
    heard = leave_out_events(spec, rendered.silent_events)
    return DrawnMixture(heard, rendered, split, number, plan.counts.get(split, 0))


@lru_cache(maxsize=1)  # planning decodes the backgrounds
def _plan_mixtures(
    config: MixtureFolderConfig, mixing: MixingConfig, recordings: tuple[Recording, ...]
) -> MixturePlan:
    return plan_mixtures(config, mixing, recordings)
