"""A grid of settings in YAML: the trainings that it describes, and what is refused."""

import pytest

from absslab.core.common.errors import InputError
from absslab.core.runs.sweep_grid import find_grid, read_grid

FLAGS = ("output_folder", "seeds", "split")


@pytest.fixture
def grid(tmp_path):
    """Write a grid, and read it."""

    def read(text):
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return read_grid(path, FLAGS)

    return read


def test_every_value_is_combined_with_every_value_of_the_others(grid):
    content = grid(
        """
        seeds: [0, 1]
        common: {n_epochs: 3, channels: [8, 8]}
        grid:
          pooling: [GMP, GAP]
          masks:
            sigmoid: {masks: independent}
            softmax: {masks: softmax, l1_weight: 0.5}
        runs:
          long: {n_epochs: 9}
        """
    )
    assert content.flags == {"seeds": [0, 1]}
    assert content.common == {"n_epochs": 3, "channels": [8, 8]}
    assert [run.name for run in content.runs] == [
        "pooling=GMP-sigmoid",
        "pooling=GMP-softmax",
        "pooling=GAP-sigmoid",
        "pooling=GAP-softmax",
        "long",
    ]
    assert content.runs[1].own == {"pooling": "GMP", "masks": "softmax", "l1_weight": 0.5}
    assert content.runs[1].values == {"pooling": "GMP", "masks": "softmax"}
    assert content.runs[-1].own == {"n_epochs": 9}


def test_values_that_are_lists_or_paths_make_names_of_files(grid):
    runs = grid("grid: {channels: [[8, 8], [16]], labels: [a/b.csv]}").runs
    assert [run.name for run in runs] == [
        "channels=8_8-labels=a_b.csv",
        "channels=16-labels=a_b.csv",
    ]
    assert runs[0].own == {"channels": [8, 8], "labels": "a/b.csv"}


def test_trainings_are_chosen_by_their_names(grid):
    content = grid("grid: {pooling: [GMP, GAP, GWRP]}\nruns: {long: {n_epochs: 9}}")
    chosen = content.select(["long", "pooling=G?P", "*GMP"])
    assert [run.name for run in chosen] == ["pooling=GMP", "pooling=GAP", "long"]
    assert len(content.select([])) == 4
    with pytest.raises(InputError, match="no training of the grid is called 'lang'; did you mean"):
        content.select(["long", "lang"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it holds None: expected names with values"),
        ("- pooling", r"it holds \['pooling'\]: expected names with values"),
        ("pooling: GMP", "unknown part 'pooling'; there is common, grid, runs"),
        ("cmmon: {}", "unknown part 'cmmon'; did you mean common"),
        ("common: {n_epochs: 3}", "describes no training: expected a grid, or runs, or both"),
        ("grid: {}\nruns: {}", "describes no training"),
        ("grid: {pooling: []}", "grid has an empty list for pooling: expected at least one"),
        ("grid: {masks: {}}", "grid has an empty list for masks"),
        ("grid: {pooling: GMP}", "grid has 'GMP' for pooling: expected a list of values"),
        ("grid: {channels: [[]]}", "channels of grid is an empty list"),
        ("grid: {channels: [[[8]]]}", "channels of grid is .*: expected a text, a number"),
        ("grid: {pooling: [2026-01-01]}", "pooling of grid is .*: expected a text, a number"),
        ("grid: {--pooling: [GMP]}", "the setting '--pooling': expected the name of a flag"),
        ("grid: [pooling]", r"grid is \['pooling'\]: expected names with values"),
        (
            "runs: {a: {pooling: GMP}, a: {pooling: GAP}}",
            "a occurs 2 times in what begins in line 1",
        ),
        ("runs: {a: {}, A: {}}", "two trainings would have one place, a and A: give one another"),
        ("grid: {pooling: [GMP, GMP]}", "two trainings would have one place, pooling=GMP:"),
        ("grid: {pooling: [GMP]}\nruns: {pooling=GMP: {}}", "one place, pooling=GMP"),
        ("grid: {labels: [a/b, a b]}", "two trainings would have one place, labels=a_b"),
        ("runs: {../a: {}}", "a training is called '../a': expected letters, digits"),
        ("runs: {a: 3}", "the run a is 3: expected names with values"),
        ("runs: {yes: {}}", "runs has the name True: expected a text; put it into quotes"),
        ("runs: {a: {seed: 3}}", "the run a has the setting seed, which a sweep gives to each"),
        ("common: {save_path: a.ckpt}\nruns: {a: {}}", "save_path, .*: pass --output_folder"),
        ("grid: {gpu_no: [0, 1]}", "the setting gpu_no, .*: pass --devices instead"),
        ("grid: {masks: {a: {pooling: GMP}}, pooling: [GAP]}", "grid sets pooling in pooling and"),
        ("runs: {a: !!python/object/apply:os.system [touch executed]}", "is no YAML of plain"),
        ("runs: {a: {b: !!python/name:os.system }}", "is no YAML of plain names"),
        ("runs: {a: {", "is no YAML of plain names"),
        ("runs: &a {a: *a}", "expected a text, a number"),
        ("[" * 5000, "is no YAML of plain names"),
        ("grid: {" + ", ".join(f"s{i}: [1, 2]" for i in range(40)) + "}", "expected at most 10000"),
    ],
)
def test_what_is_no_grid_is_told_in_one_line(grid, tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        grid(text)
    assert error.value.path.name == "grid.yaml"
    assert not (tmp_path / "executed").exists()


def test_a_grid_is_found_by_its_path_or_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    built_in = find_grid("thesis")
    assert built_in.parts[-3:] == ("absslab", "sweeps", "thesis.yaml")
    assert find_grid("sweeps/thesis.yaml") == built_in
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/thesis.yaml").write_text("runs: {own: {}}")
    assert find_grid("sweeps/thesis.yaml").read_text() == "runs: {own: {}}"
    assert find_grid("thesis") == built_in
    for missing in ("no.yaml", "sweeps", "these"):
        with pytest.raises(InputError, match=r"does not exist or is no file: .*package: thesis"):
            find_grid(missing)
