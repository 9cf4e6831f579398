"""Measure which true events an ideal separation agrees with: labelled ones, or those that sound.

Mixtures are drawn from the recordings as they are, and from clips of 5 s that hold two recordings
of a class each, with a pause of 0.5 to 1.5 s between them. Events are found from ideal ratio masks
of the true sources, so that what is missed is due to the truth, not to a model.

python benchmarks/true_events.py --event_folder RECORDINGS
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from absslab.core.audio import sound_files
from absslab.core.data.mixing import MixingConfig, MixtureSpec
from absslab.core.data.mixture_drawing import sample_spec
from absslab.core.data.mixture_rendering import Mixture, render
from absslab.core.data.recordings import Recording, classes_of, index_recordings
from absslab.core.data.strong_labels import SoundEvent
from absslab.core.evaluation.ideal_masks import IdealMasks, ratio_mask
from absslab.core.metrics.detection import (
    Counts,
    detection_scores,
    event_counts,
    merge_events,
)
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.separation.detection import DetectionConfig, find_events, frame_activity
from absslab.core.separation.true_events import find_sounding_events

RATE = 16000
CLIP_LENGTH = 5.0  # s
LEVELS = ((20.0, 30.0), (25.0, 40.0), (30.0, 50.0))  # dB: of onsets, of offsets
SEED = 0


def write_paused_clips(recordings: Sequence[Recording], folder: Path) -> None:
    """Write clips that hold two recordings of a class each, with a pause between them."""
    rng = np.random.default_rng(SEED)
    for name in classes_of(recordings):
        paths = [item.path for item in recordings if item.event_label == name]
        for index, pair in enumerate(zip(paths[::2], paths[1::2], strict=False)):
            clip = np.zeros(round(CLIP_LENGTH * RATE), np.float32)
            start = round(rng.uniform(0, 0.5) * RATE)
            for path in pair:
                samples = sound_files.load(path, RATE)[: len(clip) - start]
                clip[start : start + len(samples)] += samples
                start = min(len(clip), start + len(samples) + round(rng.uniform(0.5, 1.5) * RATE))
            if clip.any():
                sound_files.save(folder / f"{name}{index:02d}.wav", clip, RATE)


def detect(mixture: Mixture, classes: list[str], front_end: FrontEnd) -> list[SoundEvent]:
    """Find the events of a mixture from the ideal ratio masks of its sources."""
    config = DetectionConfig()
    sources = np.stack(list(mixture.sources.values()))  # (J, N)
    present = [classes.index(name) for name in mixture.sources]
    masks = ratio_mask(*IdealMasks(front_end).powers(mixture.mixture, sources))  # (J, M, T)
    all_masks = np.zeros((len(classes), *masks.shape[1:]), np.float32)  # (K, M, T)
    all_masks[present] = masks.cpu().numpy()
    spectrum = front_end.stft(torch.from_numpy(mixture.mixture)[None])  # (1, F, T)
    power = front_end.power(spectrum)[0].cpu().numpy()  # (M, T)
    hop = front_end.config.hop_size / RATE  # s
    activity = frame_activity(all_masks, power, np.ones(len(classes)), hop, config)
    return find_events(activity, hop, classes, config, length=len(mixture.mixture) / RATE)


def true_events(spec: MixtureSpec, mixture: Mixture) -> dict[str, list[SoundEvent]]:
    """Return the true events of a mixture, by the name of the truth."""
    extents = [SoundEvent(event.event_label, event.onset, event.offset) for event in spec.events]
    truths = {"extent": extents}
    for onset_level, offset_level in LEVELS:
        name = f"activity, {onset_level:g} and {offset_level:g} dB"
        truths[name] = find_sounding_events(
            extents,
            mixture.sources,
            RATE,
            onset_level=onset_level,
            offset_level=offset_level,
        ).events
    return truths


def score(recordings: Sequence[Recording], n_mixtures: int) -> dict[str, Counts]:
    """Count the events that are found, by the name of the truth."""
    classes = classes_of(recordings)
    front_end = FrontEnd(FeatureConfig(sampling_rate=RATE))
    config = MixingConfig(sampling_rate=RATE, overlap=True, max_event=3)
    none = Counts(np.zeros((3, len(classes)), int))
    counts: dict[str, Counts] = defaultdict(lambda: none)
    for index in range(n_mixtures):
        rng = np.random.default_rng([SEED, index])
        spec = sample_spec(rng, recordings, config, noise_seed=(SEED, index))
        mixture = render(spec)
        if not mixture.sources or mixture.silent_events:
            continue
        found = merge_events(detect(mixture, classes, front_end))
        for name, events in true_events(spec, mixture).items():
            counts[name] += event_counts(merge_events(events), found, classes)
    return counts


def main() -> None:
    """Print a table in Markdown: event F1 of ideal masks by truth."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--event_folder", required=True)
    parser.add_argument("--n_mixtures", type=int, default=60)
    arguments = parser.parse_args()
    recordings = index_recordings(arguments.event_folder)
    with tempfile.TemporaryDirectory() as folder:
        write_paused_clips(recordings, Path(folder))
        sets = {"as they are": recordings, "with pauses": index_recordings(folder)}
        print("| recordings | true events | number | event F1 of ideal masks |")
        print("|---|---|---|---|")
        for title, members in sets.items():
            for name, counts in score(members, arguments.n_mixtures).items():
                n_true = int(counts.decisions[[0, 2]].sum())
                f1 = detection_scores(counts)["f1"]
                print(f"| {title} | {name} | {n_true} | {f1:.3f} |")


if __name__ == "__main__":
    main()
