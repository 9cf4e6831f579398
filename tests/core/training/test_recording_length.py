"""Poolings of one length find it in the training recordings, and refuse several of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.model.pooling import POOLINGS
from absslab.core.separation.separator import Separator
from absslab.core.training.experiment import Experiment

FIXED = [name for name, kind in POOLINGS.items() if kind.has_fixed_size]


def settings_of(new_run, pooling, **changes):
    kind = POOLINGS[pooling]
    return replace(
        new_run,
        model=replace(new_run.model, pooling=pooling, rescale=True),
        pooling=kind.config(**changes),
    )


@pytest.mark.parametrize("pooling", FIXED)
def test_the_length_is_that_of_the_training_recordings(new_run, pooling):
    settings = settings_of(new_run, pooling)
    epochs = [event for event in Experiment(settings).run() if hasattr(event, "losses")]
    assert all(np.isfinite(epoch.losses["total"]) for epoch in epochs)
    loaded = load_checkpoint(settings.run.save_path)
    rate = settings.features.sampling_rate
    mixture = sound_files.load(f"{settings.data.data_folder}/train/000000.wav", rate)
    frames = settings.features.n_frames(mixture.shape[-1])
    assert loaded.configs.pooling.recording_frames == frames
    sources = Separator(loaded.model).separate(np.tile(mixture, 3)[..., : 2 * rate], rate)
    assert np.isfinite(sources.probabilities).all()


@pytest.fixture
def two_lengths(new_run, tmp_path):
    """Settings of a folder with recordings of 0.5 and 0.7 s."""
    rng = np.random.default_rng(0)
    rows = ["filename,hum,split"]
    for index in range(12):
        split = ("train", "train", "validation", "test")[index % 4]
        length = 8000 if index % 2 else 11200
        sound_files.save(tmp_path / f"{index}.wav", 0.1 * rng.standard_normal(length), 16000)
        rows.append(f"{index}.wav,{index // 4 % 2},{split}")
    (tmp_path / "weak_labels.csv").write_text("\n".join(rows) + "\n")
    data = replace(new_run.data, data_set_type="weakly_labelled_folder", data_folder=str(tmp_path))
    return replace(new_run, data=data)


def test_several_lengths_are_refused(two_lengths):
    frames = two_lengths.features.n_frames(round(0.5 * two_lengths.features.sampling_rate))
    with pytest.raises(
        InputError,
        match=r"the pooling FC needs recordings of one length, but the training recordings have "
        rf"0\.5 to 0\.7 s: .* as in --recording_frames {frames}",
    ):
        run_to_end(Experiment(settings_of(two_lengths, "FC")).prepare())


def test_a_length_that_is_given_holds_for_all(two_lengths):
    settings = settings_of(two_lengths, "FC", recording_frames=9)
    trainer = run_to_end(Experiment(settings).prepare())
    weights = trainer.model.pooling.linear.weight
    assert weights.shape[1] == 9 * settings.features.n_bands
    assert torch.isfinite(weights).all()


def test_recordings_that_can_not_be_read_are_named_first(two_lengths):
    for path in Path(two_lengths.data.data_folder).glob("*.wav"):
        path.write_bytes(b"RIFF" + path.name.encode())
    with pytest.raises(InputError, match=r"0\.wav"):
        run_to_end(Experiment(settings_of(two_lengths, "FC")).prepare())


def test_stored_features_are_seen_as_long_as_waveforms(new_run, tmp_path):
    features = replace(new_run.features, borders="valid")
    settings = replace(settings_of(new_run, "FC"), features=features)
    settings = replace(settings, training=replace(settings.training, share_weight=0.0))
    stored = replace(settings.data, feature_store=str(tmp_path / "store"))
    augmentation = type(settings.augmentation)()
    seen = []
    for data in (settings.data, stored):
        changed = replace(settings, data=data, augmentation=augmentation)
        trainer = run_to_end(Experiment(changed).prepare())
        batch = next(iter(trainer.data.validation_batches(4)))
        torch.manual_seed(0)
        seen.append(trainer.objective(trainer.model.eval(), batch).probabilities)
    assert torch.allclose(seen[0], seen[1], atol=1e-5)
