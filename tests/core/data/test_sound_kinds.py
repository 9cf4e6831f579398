"""Sounds of every format and coding are mixed and trained on; no class is lost for its format."""

import numpy as np
import pytest
from sound_kinds import KINDS, tone

from absslab.core.audio import sound_files
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.audio_data_set import build_data_set
from absslab.core.data.labelled_recordings import LabelledRecording
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import read_manifest, read_specs, source_files
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.splits import SPLITS

RATE = 8000
CLASSES = [kind.name.replace(" ", "_") for kind in KINDS]


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """A folder with a class for each kind of file, of three recordings each."""
    folder = tmp_path_factory.mktemp("kinds")
    for number, (kind, name) in enumerate(zip(KINDS, CLASSES, strict=True)):
        for take in range(1, 4):
            samples = tone(0.4, kind.rate, frequency=200 + 20 * number + 5 * take)
            kind.write(folder / f"{name}_{take}{kind.suffix}", samples, kind.rate)
    return folder


def test_every_kind_of_file_is_mixed_as_a_class(events, tmp_path):
    config = MixtureFolderConfig(
        event_folder=str(events), output_folder=str(tmp_path / "set"), n_files=120, n_workers=1
    )
    mixing = MixingConfig(length=2.0, sampling_rate=RATE, max_event=3)
    with collect_notices() as notices:
        run_to_end(write_mixtures(config, mixing))
    assert notices == []
    assert read_manifest(tmp_path / "set").classes == sorted(CLASSES)
    mixed = set()
    for split in SPLITS:
        for spec in read_specs(tmp_path / "set", split):
            sources = source_files(tmp_path / "set" / split / spec.filename)
            for name in spec.labels:
                assert np.abs(sound_files.load(sources[name])).max() > 0.01
            mixed |= set(spec.labels)
    assert mixed == set(CLASSES)


def test_pieces_of_every_kind_of_file_are_read_from_the_disk(events):
    paths = [events / f"{name}_1{kind.suffix}" for kind, name in zip(KINDS, CLASSES, strict=True)]
    items = [LabelledRecording(str(path), frozenset({"a"}), path.name) for path in paths]
    whole = build_data_set(items, ["a"], RATE)
    pieces = build_data_set(items, ["a"], RATE, in_memory=False, clip_length=0.1)
    assert len(pieces) > 3 * len(whole)
    n_samples = 0
    for index in range(len(pieces)):
        piece = pieces[index]
        n_samples += len(piece)
        assert piece.isfinite().all()
        assert piece.abs().max() > 0.01
    assert n_samples == pytest.approx(sum(whole.lengths), rel=0.01)
