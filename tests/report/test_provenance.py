"""A report lists the settings and commands that reproduce a run."""

import shlex

import pytest

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags
from absslab.core.common.files import checksum
from absslab.core.data.mixing import MixingConfig
from absslab.core.data.mixture_folder import read_manifest
from absslab.core.data.mixture_plan import MixtureFolderConfig
from absslab.core.training.run_directory import RunReader
from absslab.core.training.settings import Settings
from absslab.report import provenance


def flags_of(line):
    """Return the words after the name of a command."""
    return shlex.split(line.replace("\\\n", ""))[2:]


@pytest.fixture
def commands(run, mixtures):
    settings = Settings.from_json(RunReader.open(run).config)
    scoring = {"split": "test", "output": "s.json", "bss_eval": "none"}
    page = {"n_examples": 2, "output": None}
    return provenance.list_commands(
        settings, run=run, data_folder=str(mixtures), scoring=scoring, page=page
    )


def test_the_settings_that_are_not_the_default_make_all_of_them_again(run):
    settings = Settings.from_json(RunReader.open(run).config)
    assert Settings.from_flags(provenance.find_changed_settings(settings)) == settings
    changed, all_flags = (
        provenance.tabulate_settings(settings, changed_only=only) for only in (True, False)
    )
    assert 5 < len(changed) < len(all_flags)
    assert ["training", "n_epochs", "2", "300"] in [row[:4] for row in changed]


def test_the_commands_say_what_was_done(commands, run, mixtures):
    mix, train, evaluate, report = commands
    parser = Parser("absslab mix")
    add_flags(parser, MixingConfig)
    add_flags(parser, MixtureFolderConfig)
    flags = vars(parser.parse(flags_of(mix)))
    config = read_manifest(mixtures).config
    assert flags["length"] == config["length"] == 2.0
    assert {name: config[name] for name in ("n_files", "max_event", "seed", "event_folder")} == {
        name: flags[name] for name in ("n_files", "max_event", "seed", "event_folder")
    }
    assert f"--data_folder={mixtures}" in flags_of(train)
    assert flags_of(evaluate) == [
        f"--checkpoint_path={run}.ckpt",
        "--split=test",
        "--output=s.json",
        "--bss_eval=none",
    ]
    assert flags_of(report) == [f"--run_directory={run}", "--n_examples=2"]
    assert all(line.startswith("absslab ") for line in commands)


def test_what_scores_were_made_with_is_said_where_it_is_not_the_default():
    known = {
        "evaluation": {
            "checkpoint_path": "R.ckpt",
            "split": "test",
            "data_folder": "moved",
            "device": "auto",
        }
    }
    known |= {"separation": {"smoothing": 0.5, "tag_exponent": 0.25, "of_another_version": 3}}
    assert provenance.find_scoring_flags(known) == {"data_folder": "moved", "smoothing": 0.5}
    assert provenance.find_scoring_flags({}) == {}


def test_counts_and_checksums_are_those_of_the_files(run, mixtures):
    settings = Settings.from_json(RunReader.open(run).config)
    labelled = provenance.read_labelled_recordings(settings, str(mixtures))
    items = labelled.recordings
    counts = provenance.count_recordings(items, labelled.classes)
    assert len(items) == 40
    assert sum(counts["speech"].values()) == sum("speech" in item.labels for item in items)
    drawn = provenance.count_sources(read_manifest(mixtures))
    assert drawn["alert"] == {"train": 3, "validation": 1, "test": 1}
    sums = {name: digest for name, _, digest in provenance.tabulate_checksums(run, str(mixtures))}
    assert sums["best model"] == checksum(run.with_name("small-run.ckpt"))
    assert {"data: manifest.json", "labels: train", "settings"} <= set(sums)
    began = provenance.find_training_dates(RunReader.open(run))
    assert list(began) == ["training began", "last line of its log"]
    (run / "log.txt").unlink()
    assert provenance.find_training_dates(RunReader.open(run)) == {}
