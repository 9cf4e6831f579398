"""Find the length of recordings for poolings that know one length alone."""

from dataclasses import replace
from typing import Any

from absslab.core.common.errors import InputError
from absslab.core.model.border_frames import find_seen_frames
from absslab.core.model.pooling import find_pooling
from absslab.core.model.separation_model import ModelConfigs
from absslab.core.training.training_source import RecordingSet


def fix_recording_length(configs: ModelConfigs, train: RecordingSet) -> ModelConfigs:
    """Return the configs of a model with the length of its training recordings, if it needs one.

    Args:
        configs: of the model.
        train: the training recordings.

    Raises:
        InputError: the recordings have several lengths.
    """
    name = configs.model.pooling
    pooling: Any = configs.pooling
    if not find_pooling(name).has_fixed_size or pooling.recording_frames is not None:
        return configs
    lengths = sorted(set(train.lengths))
    features = configs.features
    frames = [
        find_seen_frames(features, features.n_frames(length), length).n_frames for length in lengths
    ]
    if len(set(frames)) > 1:
        shortest, longest = (
            length / features.sampling_rate for length in (lengths[0], lengths[-1])
        )
        raise InputError(
            f"the pooling {name} needs recordings of one length, but the training recordings have "
            f"{shortest:g} to {longest:g} s: choose another pooling, or the length of windows by "
            f"which each is pooled, as in --recording_frames {frames[0]}"
        )
    return replace(configs, pooling=replace(pooling, recording_frames=frames[0]))
