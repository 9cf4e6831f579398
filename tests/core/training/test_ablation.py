"""The ablation trains the recipe without each of its parts, once, and goes on where it stopped."""

from dataclasses import replace

import ablation
import pytest
from ablation import RECIPE, VARIANTS, Ablation, run_variants, tabulate

from absslab.core.common.notices import collect_notices
from absslab.core.runs.result_tables import get_value
from absslab.core.training.recipes import RECIPES
from absslab.core.training.settings import Settings


@pytest.fixture
def small(monkeypatch, small_model, mixtures, tmp_path):
    """A recipe that trains within a second."""
    recipe = small_model | {
        "batch_size": 8,
        "n_epochs": 1,
        "least_steps": 6,
        "share_weight": 1.0,
        "l1_weight": 0.0,
        "pair_probability": 0.7,
        "test_every": 1,
    }
    monkeypatch.setitem(RECIPES, RECIPE, recipe)
    with collect_notices():  # about classes that so few mixtures do not hold
        yield Ablation(mixtures, tmp_path / "ablation")


def test_each_variant_is_a_training_or_changes_masks_alone():
    work = Ablation(ablation.Path("mixtures"), ablation.Path("ablation"))
    for name, variant in VARIANTS.items():
        settings = Settings.from_flags(work.flags(variant))
        values = {key: value for part in settings.to_json().values() for key, value in part.items()}
        for key, value in variant.training.items():
            assert values[key] == (list(value) if isinstance(value, tuple) else value)
        assert work.model(name) == work.model(RECIPE) or variant.training


def test_a_variant_is_the_recipe_without_one_part(small):
    whole = small.flags(VARIANTS[RECIPE])
    without = small.flags(VARIANTS["without pairs"])
    assert {name for name in whole | without if whole.get(name) != without.get(name)} == {
        "pair_probability"
    }
    assert small.flags(VARIANTS["without least steps"])["least_steps"] == 0


def test_variants_are_trained_once_and_compared(small):
    names = [RECIPE, "without least steps", "masks without tags"]
    results = run_variants(small, names)
    assert list(results.rows) == names
    assert not results.failures
    runs = small.folder / "runs"
    assert {path.name for path in runs.glob("*.ckpt")} == {
        "recommended.ckpt",
        "without_least_steps.ckpt",
    }
    assert [results.rows[name].epochs for name in names] == [2, 1, 2]
    table = (small.folder / "ablation-validation.md").read_text()
    assert table == tabulate(results)
    whole = get_value(results.rows[RECIPE], ablation.COMPARED)
    difference = get_value(results.rows["without least steps"], ablation.COMPARED) - whole
    last_cells = [line.split(" | ")[-1] for line in table.splitlines()[2:]]
    assert last_cells[0] == "– |"
    assert last_cells[1] == f"{difference:+z.1f} |".replace("-", "−")
    before = {path: path.stat().st_mtime_ns for path in small.folder.rglob("*.*") if path.is_file()}
    run_variants(small, names)
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed <= {"ablation-validation.md"}


def test_what_fails_or_is_the_recipe_is_named_and_ends_no_others(small, monkeypatch):
    monkeypatch.setitem(VARIANTS, "impossible", ablation.Variant({"pooling": "GMPP"}))
    results = run_variants(replace(small, n_epochs=1), ["impossible", "without least steps"])
    assert results.same == ["without least steps"]
    assert not (small.folder / "runs").exists()
    table = tabulate(results)
    assert table == (small.folder / "ablation-validation.md").read_text()
    assert "- without least steps: the same as the recipe here" in table
    assert "- impossible: pooling is 'GMPP': expected one of " in table
