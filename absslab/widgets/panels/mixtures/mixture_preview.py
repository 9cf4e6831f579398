"""Mixtures that are drawn to be seen and heard, and not written."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from absslab.core.common.progress import LongWork
from absslab.core.data.mixing import MixingConfig, Mixture, MixtureSpec, render
from absslab.core.data.mixture_plan import MixtureFolderConfig, MixturePlan, plan_mixtures
from absslab.core.data.recordings import Recording
from absslab.core.data.strong_labels import SoundEvent
from absslab.widgets.listening.listening import Listening
from absslab.widgets.panels.event_recordings import index_steps, source_of
from absslab.widgets.player.display import mixed_tracks
from absslab.widgets.ui.background import LatestOnly
from absslab.widgets.ui.main_loop import MainLoop
from absslab.widgets.ui.work_line import WorkLine


class Drawn(NamedTuple):
    """A mixture, and which one it is."""

    spec: MixtureSpec
    sounds: Mixture
    split: str
    number: int
    n_written: int  # mixtures of the split that a set would hold


class MixturePreview:
    """Draws mixtures and shows them; the latest request counts. Recordings are read when they are first needed.

    Args:
        loop: that widgets belong to.
        listening: where mixtures are shown.
        failed: called with what goes wrong.
    """

    def __init__(self, loop: MainLoop, listening: Listening, failed: Callable[[Exception], Any]):
        self.reading = WorkLine(loop, failed)
        self.widget = self.reading.widget
        self._listening, self._failed = listening, failed
        self._recordings: tuple[Recording, ...] = ()
        self._read_from: tuple[Any, ...] | None = None
        self._latest = LatestOnly(loop, _draw, deliver=self._show, failed=self._fail)

    def request(
        self, config: MixtureFolderConfig, mixing: MixingConfig, split: str, index: int
    ) -> None:
        """Show a mixture: the same one for the same arguments."""
        if source_of(config) == self._read_from:
            self._latest.request(config, mixing, self._recordings, split, index)
            return
        work = LongWork(index_steps(config))

        def take() -> None:
            self._recordings, self._read_from = tuple(work.result.recordings), source_of(config)
            self.request(config, mixing, split, index)

        self.reading.run(lambda: iter(work), task="reading the recordings", done=take)

    def close(self) -> None:
        """Draw nothing more."""
        self.reading.close()
        self._latest.close()

    def _fail(self, error: Exception) -> None:
        self._read_from = None  # what is wrong may be put right in the folder
        self._failed(error)

    def _show(self, drawn: Drawn) -> None:
        spec, sounds = drawn.spec, drawn.sounds
        tracks = [
            one for one in mixed_tracks(sounds) if one.kind != "background" or spec.snr is not None
        ]
        level = "no background" if spec.snr is None else f"{spec.snr:.1f} dB over the background"
        few = (
            ""
            if drawn.number < drawn.n_written
            else f"; the set would hold only {drawn.n_written} of this split"
        )
        self._listening.show(
            tracks,
            caption=f"{drawn.split}, number {drawn.number}: {', '.join(spec.labels)}; {level}{few}",
            title=spec.filename,
            events=[SoundEvent(one.event_label, one.onset, one.offset) for one in spec.events],
            classes=spec.labels,
        )


def _draw(
    config: MixtureFolderConfig,
    mixing: MixingConfig,
    recordings: tuple[Recording, ...],
    split: str,
    index: int,
) -> Drawn:
    plan = _plan(config, mixing, recordings)
    spec = plan.spec(split, index)
    return Drawn(spec, render(spec), split, index, plan.counts.get(split, 0))


@lru_cache(maxsize=1)  # backgrounds are decoded for a plan
def _plan(
    config: MixtureFolderConfig, mixing: MixingConfig, recordings: tuple[Recording, ...]
) -> MixturePlan:
    return plan_mixtures(config, mixing, recordings)
