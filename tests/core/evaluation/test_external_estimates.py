"""Separated sounds of any system are scored against the true sources."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import LongWork, run_to_end
from absslab.core.data.strong_labels import write_events
from absslab.core.evaluation.comparison import compare
from absslab.core.evaluation.evaluation_config import EvaluationConfig
from absslab.core.evaluation.external_estimates import EstimatesConfig, open_estimates
from absslab.core.evaluation.model_evaluation import open_evaluation
from absslab.core.evaluation.score_files import write_scores
from absslab.core.evaluation.score_table import BASELINES
from absslab.core.evaluation.scorer import ScoringConfig
from absslab.core.separation.separated_folder import separate_file
from absslab.core.separation.separator import Separator

RATE = 16000
N = 8000
SOUNDING = {"a": ("speech", "knock"), "b": ("speech",), "c": ("knock",)}  # alert never sounds
CLASSES = ("speech", "knock", "alert")
EVENTS = [
    ("a.wav", 0.0, 0.2, "speech"),
    ("a.wav", 0.2, 0.5, "knock"),
    ("b.wav", 0.1, 0.4, "speech"),
]
QUICK = ScoringConfig(bss_eval="none", n_resamples=0)


def noise(*seed, level=0.1):
    return level * np.random.default_rng(seed).standard_normal(N)


def write_labels(folder, classes=CLASSES):
    rows = [
        ",".join([f"{name}.wav", *(str(int(label in of)) for label in classes)])
        for name, of in SOUNDING.items()
    ]
    (folder / "weak_labels.csv").write_text(
        "\n".join([",".join(["filename", *classes]), *rows]) + "\n"
    )


@pytest.fixture
def references(tmp_path):
    """Three mixtures of 0.5 s with their sources and backgrounds, rounded to 16 bit."""
    folder = tmp_path / "references"
    for name, classes in SOUNDING.items():
        parts = {label: noise(ord(name), k) for k, label in enumerate(classes)} | {
            "background": noise(9, level=0.01)
        }
        parts = {label: sound_files.quantise(samples, "PCM_16") for label, samples in parts.items()}
        for label, samples in parts.items():
            sound_files.save(folder / name / f"{label}.flac", samples, RATE)
        sound_files.save(folder / f"{name}.wav", sum(parts.values()), RATE)
    write_labels(folder)
    return folder


@pytest.fixture
def estimates(references, tmp_path):
    """Perfect estimates: the sources themselves, and silence for absent classes."""
    folder = tmp_path / "estimates"
    for name, sounding in SOUNDING.items():
        for label in CLASSES:
            samples = (
                sound_files.load(references / name / f"{label}.flac")
                if label in sounding
                else np.zeros(N)
            )
            sound_files.save(folder / name / f"{label}.wav", samples, RATE)
    return folder


def open_folders(references, estimates, scoring=QUICK):
    return open_estimates(
        EstimatesConfig(references=str(references), estimates=str(estimates)), scoring
    )


def evaluate(references, estimates, scoring=QUICK):
    return run_to_end(open_folders(references, estimates, scoring).run())


def scores_of(references, estimates, scoring=QUICK):
    scores = evaluate(references, estimates, scoring).scores.to_json()
    json.dumps(scores, allow_nan=False)
    return scores


def refusal(references, estimates):
    """Return the message with which these folders are refused, a single line."""
    with pytest.raises(InputError) as error:
        evaluate(references, estimates)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def numbers(row):
    return {name: np.nan if value is None else value for name, value in row.items()}


def test_estimates_that_are_the_sources_have_the_best_scores(references, estimates):
    scores = scores_of(references, estimates, ScoringConfig(n_resamples=50))
    separation = scores["separation"]
    assert separation["si_sdr"] > 60
    assert min(separation[name] for name in ("sdr", "sir", "sar")) > 60
    assert separation["leakage"] == pytest.approx(-120)
    backgrounds = -10 * np.log10([201, 101, 101])  # of 0.01, below one or two sources of 0.1
    assert separation["residual"] == pytest.approx(np.mean(backgrounds), abs=0.3)
    assert (separation["n_present"], separation["n_absent"], separation["n_silent_estimates"]) == (
        4,
        5,
        0,
    )
    assert (scores["split"], scores["n_mixtures"], scores["classes"]) == (None, 3, list(CLASSES))
    assert scores["baselines"]["mixture"]["si_sdr_improvement"] == 0
    assert all(scores["baselines"][name]["si_sdr"] < separation["si_sdr"] for name in BASELINES)


def test_what_sounds_without_probabilities_and_masks_can_not_be_scored_is_said(
    references, estimates
):
    scores = scores_of(references, estimates)
    for section in ("tagging", "segmentation", "detection"):
        assert scores[section] is None
        assert section in scores["missing"]
    assert "events.tsv" in scores["missing"]["detection"]


def test_progress_goes_on_to_the_end_and_a_second_run_starts_anew(references, estimates):
    evaluation = open_folders(references, estimates)
    for _ in range(2):
        work = LongWork(evaluation.run())
        assert [(step.done, step.total) for step in work] == [(1, 3), (2, 3), (3, 3)]
        assert work.result.scores.n_mixtures == 3
    assert work.result.table["mixture"].tolist() == [
        f"{name}.wav" for name in SOUNDING for _ in CLASSES
    ]


@pytest.mark.reference_flaw(
    "files in the order of their names were scored as if in that of the classes"
)
def test_estimates_are_joined_by_class_name_and_not_by_order(references, estimates):
    scores = scores_of(references, estimates)
    write_labels(references, CLASSES[::-1])
    other = scores_of(references, estimates)
    assert other["classes"] == list(CLASSES[::-1])
    for name, row in scores["per_class"].items():
        assert numbers(other["per_class"][name]) == pytest.approx(numbers(row), nan_ok=True)
    (estimates / "a/speech.wav").rename(estimates / "a/other.wav")
    (estimates / "a/knock.wav").rename(estimates / "a/speech.wav")
    (estimates / "a/other.wav").rename(estimates / "a/knock.wav")
    table = evaluate(references, estimates).table.set_index(["mixture", "class"])
    assert (table.loc["a.wav"].loc[["speech", "knock"], "si_sdr"] < -20).all()
    assert table.loc[("b.wav", "speech"), "si_sdr"] > 60


def test_what_separate_writes_besides_is_no_class(references, estimates):
    scores = scores_of(references, estimates)
    for name in SOUNDING:
        for more in ("residual", "remix", "background"):
            sound_files.save(estimates / name / f"{more}.wav", noise(5), RATE)
    other = scores_of(references, estimates)
    assert {**other, "settings": None} == {**scores, "settings": None}


def test_classes_that_never_sound_are_those_of_the_labels_and_have_leakage_alone(
    references, estimates
):
    for name in SOUNDING:
        sound_files.save(
            estimates / name / "alert.wav", 0.1 * sound_files.load(references / f"{name}.wav"), RATE
        )
    row = scores_of(references, estimates)["per_class"]["alert"]
    assert (row["n_present"], row["si_sdr"]) == (0, None)
    assert row["leakage"] == pytest.approx(-20, abs=0.01)


def test_without_labels_the_classes_are_those_that_sound(references, estimates):
    (references / "weak_labels.csv").unlink()
    assert "has the class alert" in refusal(references, estimates)
    for name in SOUNDING:
        (estimates / name / "alert.wav").unlink()
    scores = scores_of(references, estimates)
    assert scores["classes"] == ["knock", "speech"]
    assert (scores["separation"]["n_present"], scores["separation"]["n_absent"]) == (4, 2)
    assert scores["per_class"]["speech"]["n_present"] == 2


def test_silent_estimates_have_the_lowest_score_and_are_counted(references, estimates):
    for path in estimates.rglob("*.wav"):
        sound_files.save(path, np.zeros(N), RATE)
    scores = scores_of(references, estimates, ScoringConfig(n_resamples=20))
    assert scores["separation"]["si_sdr"] == pytest.approx(-120)
    assert scores["separation"]["sdr"] == pytest.approx(-120)
    assert scores["separation"]["residual"] == pytest.approx(0)
    assert scores["separation"]["n_silent_estimates"] == 4


def test_silent_references_are_absent_classes(references, estimates):
    scores = scores_of(references, estimates)
    for name, sounding in SOUNDING.items():
        for label in set(CLASSES) - set(sounding):
            sound_files.save(references / name / f"{label}.flac", np.zeros(N), RATE)
    assert scores_of(references, estimates)["separation"] == scores["separation"]


def test_where_there_is_no_mixture_it_is_the_sum_of_the_sources(references, estimates):
    scores = scores_of(references, estimates)
    for name in SOUNDING:
        (references / f"{name}.wav").unlink()
    without = scores_of(references, estimates)
    spread, spread_without = (each["separation"].pop("spread") for each in (scores, without))
    for name, values in spread["all"].items():
        assert spread_without["all"][name] == pytest.approx(values, nan_ok=True)
    assert numbers(without["separation"]) == pytest.approx(
        numbers(scores["separation"]), nan_ok=True
    )
    for name in BASELINES:
        assert numbers(without["baselines"][name]) == pytest.approx(
            numbers(scores["baselines"][name]), nan_ok=True, abs=1e-5
        )


def test_wav_and_flac_are_the_same(references, estimates):
    scores = scores_of(references, estimates)
    for path in [*references.glob("*.wav"), *estimates.rglob("*.wav")]:
        sound_files.save(path.with_suffix(".flac"), sound_files.load(path), RATE)
        path.unlink()
    assert scores_of(references, estimates)["separation"] == scores["separation"]


def test_events_are_scored_where_both_sides_have_them(references, estimates):
    write_events(references / "events.tsv", EVENTS)
    assert "events.tsv" in scores_of(references, estimates)["missing"]["detection"]
    for name in SOUNDING:
        rows = [row for row in EVENTS if row[0] == f"{name}.wav"]
        write_events(estimates / name / "events.tsv", rows)
    scores = scores_of(references, estimates)
    assert "detection" not in scores["missing"]
    for kind in ("frame", "segment", "event"):
        assert scores["detection"][kind]["f1"] == 1
        assert scores["detection"][kind]["error_rate"] == 0
    assert scores["detection"]["psds"] is None
    assert "psds" in scores["missing"]
    write_events(estimates / "b" / "events.tsv", [])  # one of two of speech is missed
    event = scores_of(references, estimates)["per_class"]["speech"]
    assert event["event_f1"] == pytest.approx(2 / 3)
    (references / "events.tsv").unlink()
    assert scores_of(references, estimates)["detection"] is None


def test_events_that_some_mixtures_lack_are_refused_lest_leaving_them_out_pays(
    references, estimates
):
    write_events(references / "events.tsv", EVENTS)
    write_events(estimates / "a/events.tsv", EVENTS[:2])
    assert "b has no events.tsv, but others have" in refusal(references, estimates)


def test_events_of_other_mixtures_are_refused(references, estimates):
    write_events(references / "events.tsv", EVENTS)
    for name in SOUNDING:
        write_events(estimates / name / "events.tsv", EVENTS)
    assert "expected the events of a.wav alone" in refusal(references, estimates)


def test_events_without_a_mixture_file_are_those_of_the_folder_of_sources(references, estimates):
    """A row of events.tsv names a.wav; its events count whether or not this file exists."""
    write_events(references / "events.tsv", EVENTS)
    for name in SOUNDING:
        write_events(
            estimates / name / "events.tsv", [row for row in EVENTS if row[0] == f"{name}.wav"]
        )
    expected = scores_of(references, estimates)["detection"]
    for name in SOUNDING:
        (references / f"{name}.wav").unlink()
    assert scores_of(references, estimates)["detection"] == expected


@pytest.mark.parametrize("side", ["references", "estimates"])
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("a.wav", 0.3, 0.2, "speech"), "not after its onset"),
        (("a.wav", 0.1, 0.2, "song"), "unknown class 'song'"),
    ],
)
def test_events_that_do_not_fit_are_refused_and_the_row_is_named(
    references, estimates, side, row, expected
):
    write_events(references / "events.tsv", EVENTS)
    for name in SOUNDING:
        write_events(estimates / name / "events.tsv", [])
    path = {"references": references, "estimates": estimates / "a"}[side] / "events.tsv"
    write_events(path, [EVENTS[0], row])
    message = refusal(references, estimates)
    assert "events.tsv, row 3" in message
    assert expected in message


def truncate_sound(path, n_samples):
    sound_files.save(path, np.resize(sound_files.load(path), n_samples), RATE)


def with_nan(path):
    samples = sound_files.load(path)
    samples[7] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")


def change_rate(path):
    sound_files.save(path, sound_files.load(path), 8000)


def without_sounds(folder):
    for path in list(folder.rglob("*")):
        if path.is_file():
            path.unlink()


DAMAGES = {
    "an estimate is shorter": (
        lambda r, e: truncate_sound(e / "b/speech.wav", N - 1),
        "b/speech.wav has 7999 samples",
    ),
    "an estimate is longer": (
        lambda r, e: truncate_sound(e / "b/alert.wav", N + 1),
        "b/alert.wav has 8001 samples",
    ),
    "a source is shorter": (
        lambda r, e: truncate_sound(r / "b/speech.flac", N - 1),
        "speech has 7999 samples, the mixture 8000",
    ),
    "a mixture is longer": (lambda r, e: truncate_sound(r / "b.wav", N + 1), "8001"),
    "an estimate has another rate": (
        lambda r, e: change_rate(e / "c/knock.wav"),
        "c/knock.wav has 8000 Hz: expected 16000 Hz",
    ),
    "a source has another rate": (
        lambda r, e: change_rate(r / "c/knock.flac"),
        "c/knock.flac has 8000 Hz",
    ),
    "a mixture has another rate": (lambda r, e: change_rate(r / "c.wav"), "c.wav has 8000 Hz"),
    "an estimate is missing": (
        lambda r, e: (e / "b/knock.wav").unlink(),
        "estimates/b lacks the class knock",
    ),
    "an estimate of another class": (
        lambda r, e: sound_files.save(e / "b/song.wav", noise(1), RATE),
        "estimates/b has the class song",
    ),
    "a source of another class": (
        lambda r, e: sound_files.save(r / "b/song.flac", noise(1), RATE),
        "has the class song",
    ),
    "a mixture has no estimates": (
        lambda r, e: shutil.rmtree(e / "b"),
        "estimates lacks the mixture b",
    ),
    "estimates of another mixture": (
        lambda r, e: shutil.copytree(e / "b", e / "z"),
        "estimates has the mixture z",
    ),
    "a mixture has no sources": (
        lambda r, e: shutil.rmtree(r / "b"),
        "estimates has the mixture b",
    ),
    "the folder of estimates is empty": (
        lambda r, e: [shutil.rmtree(path) for path in e.iterdir()],
        "lacks the mixture",
    ),
    "the folder of references is empty": (
        lambda r, e: [shutil.rmtree(path) for path in r.iterdir() if path.is_dir()],
        "references holds no folders of sources",
    ),
    "a mixture's estimates are empty": (
        lambda r, e: without_sounds(e / "a"),
        "estimates/a lacks the class",
    ),
    "all folders hold no sounds": (
        lambda r, e: [without_sounds(r), without_sounds(e)],
        "references",
    ),
    "the first folder of sources is empty and there is no mixture": (
        lambda r, e: [without_sounds(r / "a"), (r / "a.wav").unlink()],
        "references/a",
    ),
    "the last folder of sources is empty and there is no mixture": (
        lambda r, e: [without_sounds(r / "c"), (r / "c.wav").unlink()],
        "references/c",
    ),
    "there is no folder of estimates": (lambda r, e: shutil.rmtree(e), "is not a directory"),
    "there is no folder of references": (lambda r, e: shutil.rmtree(r), "is not a directory"),
    "an estimate holds NaN": (lambda r, e: with_nan(e / "a/knock.wav"), "a/knock.wav holds NaN"),
    "a mixture holds NaN": (lambda r, e: with_nan(r / "a.wav"), "a.wav holds NaN"),
    "a source holds NaN": (
        lambda r, e: [with_nan((r / "a/knock.flac").rename(r / "a/knock.wav"))],
        "a/knock.wav holds NaN",
    ),
    "an estimate is no sound": (
        lambda r, e: (e / "a/knock.wav").write_text("no sound"),
        "a/knock.wav is not a readable",
    ),
    "an estimate has no samples": (
        lambda r, e: soundfile.write(e / "a/knock.wav", np.zeros(0), RATE),
        "0 samples",
    ),
    "the labels are no table": (
        lambda r, e: (r / "weak_labels.csv").write_text("speech\n1\n"),
        "no column 'filename'",
    ),
    "the labels are neither 0 nor 1": (
        lambda r, e: (r / "weak_labels.csv").write_text(
            "filename,speech,knock,alert\na.wav,maybe,1,0\n"
        ),
        "weak_labels.csv",
    ),
    "the labels have no classes": (
        lambda r, e: (r / "weak_labels.csv").write_text("filename,split\na.wav,test\n"),
        "class",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_folders_are_refused_in_one_line_where(references, estimates, damage):
    change, message = DAMAGES[damage]
    change(references, estimates)
    assert message in refusal(references, estimates)


def test_folders_that_were_not_named_are_missing():
    with pytest.raises(InputError, match="references is missing: pass --references"):
        open_estimates(EstimatesConfig(estimates="x"))
    with pytest.raises(InputError, match="estimates is missing: pass --estimates"):
        open_estimates(EstimatesConfig(references="."))


def test_a_mixture_in_which_no_class_sounds_has_leakage_alone(references, estimates):
    """Its folder of sources may be empty, if the file of the mixture exists."""
    without_sounds(references / "a")
    text = (references / "weak_labels.csv").read_text()
    (references / "weak_labels.csv").write_text(text.replace("a.wav,1,1,0", "a.wav,0,0,0"))
    table = evaluate(references, estimates).table.set_index("mixture").loc["a.wav"]
    assert (table["present"] == 0).all()
    assert table["leakage"].notna().all()


def test_labels_that_are_unknown_are_empty_in_the_table(references, estimates):
    text = (references / "weak_labels.csv").read_text()
    (references / "weak_labels.csv").write_text(text.replace("a.wav,1,1,0", "a.wav,1,,"))
    table = evaluate(references, estimates).table.set_index("mixture").loc["a.wav"]
    assert table["label"].isna().tolist() == [False, True, True]


def test_sounds_of_several_channels_are_their_mean(references, estimates):
    scores = scores_of(references, estimates)
    for path in estimates.rglob("*.wav"):
        sound_files.save(path, np.stack([sound_files.load(path)] * 2), RATE)
    with collect_notices() as notices:
        again = scores_of(references, estimates)
    assert again["separation"] == scores["separation"]
    (notice,) = notices
    assert "9 estimates were averaged from 2 channels" in str(notice)


@pytest.fixture(scope="module")
def separated(checkpoint, mixtures, tmp_path_factory):
    """The folder that `absslab separate` wrote for the test split."""
    folder = tmp_path_factory.mktemp("separated")
    separator = Separator.from_checkpoint(str(checkpoint))
    for path in sorted((mixtures / "test").glob("*.wav")):
        assert list(separate_file(separator, path, folder))
    return folder


def test_what_separate_writes_has_the_scores_of_the_model(checkpoint, mixtures, separated):
    scoring = ScoringConfig(n_resamples=0)
    model = open_evaluation(
        EvaluationConfig(checkpoint_path=str(checkpoint), device="cpu"), scoring=scoring
    )
    expected = run_to_end(model.run()).scores.to_json()
    scores = scores_of(mixtures / "test", separated, scoring)
    with open(mixtures / "test/weak_labels.csv", newline="", encoding="utf-8") as file:
        assert scores["classes"] == next(csv.reader(file))[1:]
    for name in ("si_sdr", "si_sdr_improvement", "sdr"):
        # 16 bits
        assert scores["separation"][name] == pytest.approx(expected["separation"][name], abs=0.1), (
            name
        )
    for name in ("n_present", "n_absent"):
        assert scores["separation"][name] == expected["separation"][name]
    for name in BASELINES[:3]:  # baselines that do not depend on the bands of the model
        assert scores["baselines"][name]["si_sdr"] == pytest.approx(
            expected["baselines"][name]["si_sdr"], abs=0.01
        )
    for kind in ("segment", "event"):
        assert scores["detection"][kind] == pytest.approx(expected["detection"][kind])


def test_a_model_and_its_separated_files_are_compared_mixture_by_mixture(
    checkpoint, mixtures, separated, tmp_path
):
    """Both give the same names to mixtures, as the commands in the manual need."""
    scoring = ScoringConfig(bss_eval="none", n_resamples=0)
    model = open_evaluation(EvaluationConfig(checkpoint_path=str(checkpoint)), scoring=scoring)
    config = EstimatesConfig(estimates=str(separated), references=str(mixtures / "test"))
    files = open_estimates(config, scoring)
    for name, evaluation in (("model", model), ("files", files)):
        work = LongWork(evaluation.run())
        assert [step.done for step in work]
        write_scores(tmp_path / f"{name}.json", *work.result)
    compared = compare([tmp_path / "model.json", tmp_path / "files.json"]).scores
    assert compared["separation.si_sdr_improvement"].differences[1] == pytest.approx(0, abs=0.1)
    for kind in ("frame", "segment", "event"):
        assert compared[f"detection.{kind}.f1"].differences[1] == pytest.approx(0, abs=1e-6)


def test_mixtures_that_can_not_be_scored_are_left_out_or_told_at_once(references, estimates):
    expected = evaluate(references, estimates).table
    (references / "a.wav").write_bytes(b"no sound")
    path = next((estimates / "b").glob("*.wav"))
    path.write_bytes(b"no sound either")
    message = refusal(references, estimates)
    assert "2 of 3 files can't be used" in message
    assert "a.wav is not a readable" in message
    assert f"b/{path.name} is not a readable" in message
    result = evaluate(references, estimates, replace(QUICK, on_error="skip"))
    assert sorted(result.scores.left_out) == ["a.wav", "b.wav"]
    kept = expected[expected["mixture"] == "c.wav"].reset_index(drop=True)
    assert result.table[["mixture", "class", "si_sdr"]].equals(kept[["mixture", "class", "si_sdr"]])
    next((estimates / "c").glob("*.wav")).write_bytes(b"nor this")
    with pytest.raises(InputError, match="3 of 3 files can't be used"):
        evaluate(references, estimates, replace(QUICK, on_error="skip"))
    (references / "a.wav").unlink()
    message = refusal(references, estimates)
    assert "2 of 3 files can't be used" in message
    assert "pass --on_error skip" in message


# --- estimates that do not fit, and are made to fit -----------------------------------------------

MISFITS = {
    "one sample short": (
        lambda e: truncate_sound(e / "b/speech.wav", N - 1),
        "1 estimate was shorter than the mixture: silence added at the end",
    ),
    "one sample long": (
        lambda e: truncate_sound(e / "b/speech.wav", N + 1),
        "1 estimate was longer than the mixture: cut at the end",
    ),
    "another rate": (lambda e: change_rate(e / "b/speech.wav"), "1 estimate was resampled"),
    "a missing file": (
        lambda e: (e / "b/speech.wav").unlink(),
        "1 estimate was missing, scored as silence",
    ),
    "a missing folder": (lambda e: shutil.rmtree(e / "b"), "estimates were missing"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_an_estimate_that_does_not_fit_is_refused_with_the_flag_that_makes_it_fit(
    references, estimates, misfit
):
    change, said = MISFITS[misfit]
    change(estimates)
    assert "pass --fit_estimates True" in refusal(references, estimates)
    config = EstimatesConfig(
        references=str(references), estimates=str(estimates), fit_estimates=True
    )
    with collect_notices() as notices:
        scores, _ = run_to_end(open_estimates(config, ScoringConfig(n_resamples=0)).run())
    assert scores.n_mixtures == len(SOUNDING)
    assert scores.separation.si_sdr is not None
    assert any(said in str(notice) for notice in notices)


def test_estimates_of_several_channels_are_averaged_and_said(references, estimates):
    path = estimates / "b/speech.wav"
    samples = sound_files.load(path)
    soundfile.write(path, np.stack([samples, samples], 1), RATE)
    config = EstimatesConfig(references=str(references), estimates=str(estimates))
    with collect_notices() as notices:
        run_to_end(open_estimates(config, ScoringConfig(n_resamples=0)).run())
    assert "1 estimate was averaged from 2 channels" in str(notices[0])


def test_sounds_shorter_than_the_filter_of_bss_eval_have_the_other_scores(references, estimates):
    for path in [
        *references.rglob("*.wav"),
        *references.rglob("*.flac"),
        *estimates.rglob("*.wav"),
    ]:
        if path.stem == "a" or path.parent.name == "a":
            truncate_sound(path, 300)
    config = EstimatesConfig(references=str(references), estimates=str(estimates))
    scores, table = run_to_end(open_estimates(config, ScoringConfig(n_resamples=0)).run())
    assert "shorter than its filter of 512 samples" in scores.missing["bss_eval"]
    short = table[table["mixture"] == "a.wav"]
    assert short["sdr"].isna().all()
    assert short["si_sdr"].notna().any()
    assert scores.separation.sdr is not None
