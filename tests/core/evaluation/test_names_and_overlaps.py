"""Classes with AudioSet's names, from recordings to scores; overlapping events are found."""

import numpy as np
import pytest
import soundfile

from absslab.core.common.progress import run_to_end
from absslab.core.data.class_names import file_stem
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import part_files, read_manifest, source_files
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.data.weak_labels import read_multi_hot
from absslab.core.evaluation.external_estimates import EstimatesConfig, open_estimates
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.model.separation_model import build_model
from absslab.core.separation.separated_folder import separate_file
from absslab.core.separation.separator import Separator
from absslab.core.training.settings import Settings
from absslab.widgets.player.any_sound import make_tracks

NAMES = ("-12 dB?", "Gush/Hiss", "Male speech, man speaking")
RATE = 16000


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder of mixtures of classes with such names, whose events overlap."""
    folder = tmp_path_factory.mktemp("names")
    rows = ["filename,event_label"]
    for number in range(9):
        rng = np.random.default_rng(number)
        name = f"{number}.wav"
        (folder / "events").mkdir(exist_ok=True)
        soundfile.write(folder / "events" / name, 0.2 * rng.standard_normal(9600), RATE)
        rows.append(f'{name},"{NAMES[number % 3]}"')
    (folder / "events.csv").write_text("\n".join(rows) + "\n")
    config = MixtureFolderConfig(
        event_folder=str(folder / "events"),
        recordings_csv=str(folder / "events.csv"),
        output_folder=str(folder / "set"),
        n_files=12,
        split_percentages=(34.0, 33.0, 33.0),
        n_workers=1,
    )
    mixing = MixingConfig(length=2.0, sampling_rate=RATE, overlap=True, max_event=6)
    run_to_end(write_mixtures(config, mixing))
    return folder / "set"


def test_files_have_safe_names_and_tables_the_true_ones(mixed):
    assert read_manifest(mixed).classes == list(NAMES)
    names = set()
    for split in ("train", "validation", "test"):
        assert read_multi_hot(mixed / split / "weak_labels.csv").classes == list(NAMES)
        for mixture in (mixed / split).glob("*.wav"):
            assert set(source_files(mixture)) <= set(NAMES)
            names |= {path.name for path in part_files(mixture)}
    assert names == {
        "%2D12 dB%3F.flac",
        "Gush%2FHiss.flac",
        "Male speech, man speaking.flac",
        "background.flac",
    }


def test_a_file_is_separated_into_safe_names(mixed, tmp_path, small_model):
    flags = small_model | {"data_folder": str(mixed), "save_path": str(tmp_path / "m.ckpt")}
    model = build_model(Settings.from_flags(flags).models, list(NAMES)).eval()
    mixture = sorted((mixed / "test").glob("*.wav"))[0]
    run_to_end(separate_file(Separator(model), mixture, tmp_path / "out"))
    folder = tmp_path / "out" / mixture.stem
    assert sorted(path.name for path in folder.iterdir()) == [
        "%2D12 dB%3F.wav",
        "Gush%2FHiss.wav",
        "Male speech, man speaking.wav",
        "events.tsv",
        "residual.wav",
    ]
    assert {track.name for track in make_tracks(folder)} >= {*NAMES}
    run_to_end(separate_file(Separator(model), mixture, tmp_path / "out"))  # replaces it


def test_a_perfect_detector_of_overlapping_events_is_perfect(mixed, tmp_path):
    references = mixed / "test"
    for mixture in references.glob("*.wav"):
        folder = tmp_path / mixture.stem
        folder.mkdir()
        sources = source_files(mixture)
        n_samples = soundfile.info(mixture).frames
        for name in NAMES:
            samples = np.zeros(n_samples)
            if name in sources:
                samples = soundfile.read(sources[name])[0]
            soundfile.write(folder / f"{file_stem(name)}.wav", samples, RATE)
        header, *rows = (references / "events.tsv").read_text().splitlines()
        own = [row for row in rows if row.startswith(mixture.name)]
        (folder / "events.tsv").write_text("\n".join([header, *own]) + "\n")
    config = EstimatesConfig(references=str(references), estimates=str(tmp_path))
    scoring = ScoringConfig(bss_eval="none", n_resamples=0)
    scores, table = run_to_end(open_estimates(config, scoring).run())
    assert scores.detection.event.f1 == 1.0
    assert scores.detection.n_joined_events > 0
    assert set(table["class"]) == set(NAMES)
    assert scores.separation.si_sdr > 50
