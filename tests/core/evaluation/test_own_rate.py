"""Sources are scored at the rate of their mixtures, with all channels."""

import shutil

import numpy as np
import pytest

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.progress import run_to_end
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import source_files
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.data.mixture_writer import write_mixtures
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.ideal_masks import IdealMasks
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.metrics.separation import si_sdr
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.separation.separator import Separator

QUICK = ScoringConfig(bss_eval="none", n_resamples=0)


@pytest.fixture(scope="module")
def stereo(event_folder, tmp_path_factory):
    """Six test mixtures of 2 s in stereo at 44.1 kHz."""
    folder = tmp_path_factory.mktemp("stereo") / "O"
    config = MixtureFolderConfig(
        event_folder=str(event_folder),
        output_folder=str(folder),
        n_files=30,
        split_percentages=(60, 20, 20),
        splits=("test",),
        n_workers=1,
    )
    mixing = MixingConfig(length=2.0, sampling_rate=44100, channels=2, max_event=2)
    run_to_end(write_mixtures(config, mixing))
    return folder


def prepare(checkpoint, folder, scoring=QUICK, **options):
    config = EvaluationConfig(
        checkpoint_path=str(checkpoint),
        data_folder=str(folder),
        split="test",
        device="cpu",
        at_own_rate=True,
        **options,
    )
    return open_evaluation(config, scoring=scoring)


def test_scores_are_those_of_both_channels_as_one_vector(checkpoint, stereo):
    evaluation = prepare(checkpoint, stereo)
    scores, table = run_to_end(evaluation.run())
    assert scores.n_mixtures == 6
    path = stereo / "test" / "000000.wav"
    mixture, rate = sound_files.load_channels(path)
    separation = Separator.from_checkpoint(str(checkpoint)).separate(mixture, rate)
    rows = table[(table["mixture"] == "000000.wav") & (table["present"] == 1)]
    assert len(rows)
    for _, row in rows.iterrows():
        source, _ = sound_files.load_channels(source_files(path)[row["class"]])
        estimate = separation.sources[evaluation.classes.index(row["class"])]
        expected = si_sdr(source.reshape(1, -1), estimate.reshape(1, -1))[0]
        floor = si_sdr(source.reshape(1, -1), mixture.reshape(-1))[0]
        assert row["si_sdr"] == pytest.approx(expected, abs=0.01)
        assert row["si_sdr_improvement"] == pytest.approx(expected - floor, abs=0.01)


def test_ceilings_are_those_at_the_rate_of_the_mixture(checkpoint, stereo):
    _, table = run_to_end(prepare(checkpoint, stereo).run())
    present = table[table["present"] == 1]
    for name in ("ideal_ratio_mask", "ideal_ratio_mask_mel"):
        ceiling = present[f"{name}.si_sdr_improvement"]
        assert ceiling.notna().all()
        assert ceiling.mean() > present["si_sdr_improvement"].mean()
    means = [
        present[f"{name}.si_sdr_improvement"].mean()
        for name in ("ideal_ratio_mask", "ideal_ratio_mask_mel")
    ]
    assert means[0] > means[1]


def test_at_the_rate_of_the_model_both_ways_agree(checkpoint, mixtures):
    front_end = load_checkpoint(checkpoint, "cpu").model.front_end
    ideal = IdealMasks(front_end)
    path = mixtures / "test" / "000001.wav"
    mixture = sound_files.load(path)
    files = [file for name, file in source_files(path).items() if name != "background"]
    references = np.stack([sound_files.load(file) for file in files])
    expected = ideal.estimates(mixture, references)
    own = ideal.own_estimates(mixture[None], references[:, None], 16000)
    assert set(own) == set(expected)
    for name, samples in expected.items():
        np.testing.assert_allclose(own[name][:, 0], samples, atol=1e-5)


def test_sources_that_differ_from_their_mixture_are_told(checkpoint, stereo, tmp_path, capsys):
    shutil.copytree(stereo, tmp_path / "O")
    path = tmp_path / "O" / "test" / "000000.wav"
    name, file = next(item for item in source_files(path).items() if item[0] != "background")
    samples, rate = sound_files.load_channels(file)
    sound_files.save(file, samples.mean(0), rate)
    flags = ["--checkpoint_path", checkpoint, "--data_folder", tmp_path / "O", "--split", "test"]
    flags += ["--at_own_rate", "True", "--bss_eval", "none", "--device", "cpu"]
    assert main(["evaluate", *map(str, flags)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{name}.flac has 1 channel of 88200 samples at 44100 Hz, " in error
    assert "000000.wav has 2 channels of 88200 samples at 44100 Hz: expected the same" in error


def test_bss_eval_is_refused(checkpoint, stereo):
    scoring = ScoringConfig(n_resamples=0)
    with pytest.raises(InputError, match="at_own_rate is True, but BSS Eval is that of one"):
        run_to_end(prepare(checkpoint, stereo, scoring).run())
