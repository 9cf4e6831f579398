"""The form shows all settings of a training, and the training uses the values shown."""

import dataclasses

import ipywidgets
import pytest

from absslab.cli.train import _open_experiment
from absslab.core.common.errors import InputError
from absslab.core.model.mask_networks import MASK_NETS
from absslab.core.model.pooling import POOLINGS
from absslab.core.runs.device_list import Device
from absslab.core.training.recipes import RECIPES
from absslab.core.training.settings import Settings
from absslab.widgets.panels.training.training_form import NO_RECIPE, TrainingForm


@pytest.fixture
def form():
    form = TrainingForm()
    yield form
    form.close()


def names_of(form):
    return [name for part in form.forms.values() for name in part.controls]


@pytest.mark.parametrize("model_type", MASK_NETS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_field_of_the_chosen_configs_has_one_control(form, model_type, pooling):
    form.set({"model_type": model_type, "pooling": pooling})
    settings = Settings.from_flags({"model_type": model_type, "pooling": pooling})
    configs = settings.sections().values()
    wanted = [field.name for config in configs for field in dataclasses.fields(config)]
    assert sorted(names_of(form)) == sorted(wanted)


@pytest.mark.parametrize("recipe", [NO_RECIPE, *RECIPES])
def test_a_recipe_sets_what_it_names_and_leaves_folders_alone(form, recipe):
    form.set({"data_folder": "/data", "n_epochs": 7, "keep_every": 2})
    form.recipe.value = "thesis" if recipe != "thesis" else NO_RECIPE
    form.recipe.value = recipe
    settings = Settings.from_flags(
        RECIPES.get(recipe, {}) | {"data_folder": "/data", "keep_every": 2}
    )
    assert form.settings == settings
    flags = [] if recipe == NO_RECIPE else [f"--recipe={recipe}"]
    assert form.arguments() == ["train", *flags, "--keep_every=2", "--data_folder=/data"]


def test_only_what_differs_becomes_a_flag_and_paths_hold_from_everywhere(
    form, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    form.set({"save_path": "runs/a.ckpt", "n_epochs": 3, "presence_channels": (8, 8, 8)})
    form.set({"initial_weights": "runs/b.ckpt"})
    arguments = form.arguments()
    at = arguments.index("--presence_channels")
    assert arguments[at + 1 : at + 4] == ["8", "8", "8"]
    flags = dict(argument.partition("=")[::2] for argument in arguments)
    assert flags.pop("--save_path") == str(tmp_path / "runs" / "a.ckpt")
    assert flags["--initial_weights"] == str(tmp_path / "runs" / "b.ckpt")
    assert flags["--n_epochs"] == "3"
    assert flags["--keep_every"] == "1"
    assert "--learning_rate" not in flags


def test_the_command_line_reads_the_arguments_as_the_settings_that_were_shown(
    form, mixtures, tmp_path
):
    form.set(
        {
            "data_folder": str(mixtures),
            "save_path": str(tmp_path / "a b.ckpt"),
            "presence_channels": (8, 8, 8),
            "presence_context": 8,
            "n_mels": 32,
            "n_epochs": 1,
            "pair_gain_range": (-3.5, 3.0),
            "device": "cpu",
            "origin_pattern": r"^(\w+)-x",
            "thresholds": (0.25,),
        }
    )
    experiment = _open_experiment(form.arguments()[1:])
    assert experiment.settings == form.settings


def test_another_number_of_epochs_is_not_raised_to_the_least_steps_of_the_recipe(form):
    least_steps = form.forms["other training"].controls["least_steps"]
    assert least_steps.value == form.settings.training.least_steps == 2000
    form.set({"n_epochs": 5})
    assert least_steps.value == form.settings.training.least_steps == 0
    least_steps.value = 2000
    assert form.settings.training.least_steps == 2000
    assert "--least_steps=2000" in form.arguments()
    form.set({"n_epochs": 7, "least_steps": 300})
    assert least_steps.value == form.settings.training.least_steps == 300
    form.set({"n_epochs": 12})
    assert least_steps.value == form.settings.training.least_steps == 300
    form.set({"least_steps": 0})
    form.set({"n_epochs": 5})
    form.set({"n_epochs": 12})
    assert least_steps.value == form.settings.training.least_steps == 2000


def test_settings_of_another_model_are_refused_with_the_nearest_name(form):
    with pytest.raises(InputError, match="no setting 'kernel_size'"):
        form.set({"kernel_size": (3,)})
    with pytest.raises(InputError, match="no recipe 'best'"):
        form.set({"recipe": "best"})


def test_a_value_that_cannot_be_used_is_said_before_anything_starts(form):
    form.forms["training"].controls["n_epochs"].value = 0
    with pytest.raises(InputError, match="n_epochs is 0: expected at least 1"):
        form.arguments()


def test_devices_are_offered_with_what_they_are_and_the_choice_stays(form):
    control = form.forms["run"].controls["device"]
    form.set_devices([Device("cpu", "2 cores"), Device("cuda:0", "Brand X")])
    control.value = "cuda:0"
    form.set_devices([Device("cpu", "2 cores")])
    assert control.options == (("auto", "auto"), ("cpu: 2 cores", "cpu"), ("cuda:0", "cuda:0"))
    assert form.settings.run.device == "cuda:0"
    form.set({"device": "cuda:5"})
    assert form.settings.run.device == "cuda:5"


def test_changes_are_told_and_nothing_is_left_after_the_end():
    before = set(ipywidgets.widgets.widget._instances)
    changes = []
    form = TrainingForm(on_change=lambda: changes.append(1))
    form.forms["training"].controls["n_epochs"].value = 5
    assert changes == [1]
    form.set({"model_type": "VGG_like_CNN"})
    assert changes == [1, 1]
    assert form._folded.get_title(0) == "mask network: VGG_like_CNN"
    form.recipe.value = "thesis"
    assert changes == [1, 1, 1]
    form.close()
    assert set(ipywidgets.widgets.widget._instances) == before


@pytest.mark.parametrize("place", ["https://example.org/x", "pipe:cat /mnt/{name}"])
def test_shards_elsewhere_stay_where_they_are(form, tmp_path, place):
    form.set({"data_set_type": "weakly_labelled_shards", "data_folder": place})
    assert f"--data_folder={place}" in form.arguments()
    with pytest.raises(InputError, match="expected a folder of this machine"):
        form.arguments(writes_below=tmp_path)
