"""Forms have a control for each field; their values make the config; problems appear beside it."""

import dataclasses
import importlib
import pkgutil

import ipywidgets
import pytest

import absslab.core
from absslab.core.common.config import Config, option
from absslab.core.common.errors import InputError
from absslab.widgets.ui.forms import Form


@dataclasses.dataclass(frozen=True)
class Settings(Config):
    """A config with a field of each kind."""

    rate: int = option(16000, "samples in a second", unit="Hz", above=0)
    level: float = option(0.5, "of the noise", at_least=0, at_most=1)
    is_mono: bool = option(True, "mix channels down")
    window: str = option("hann", "its shape", choices=("hann", "hamming"))
    folder: str = option("", "where <b>recordings</b> are")
    pattern: str | None = option(None, "of names")
    sizes: tuple[int, ...] = option((3, 5), "of kernels", at_least=1)
    gains: tuple[float, float] | None = option(None, "from, to", unit="dB")
    highest: float | None = option(None, "frequency", unit="Hz")

    def __post_init__(self):
        super().__post_init__()
        if self.highest is not None and self.highest > self.rate / 2:
            raise InputError(f"highest is {self.highest:g}: expected at most half of rate")


@pytest.fixture
def form():
    form = Form(Settings)
    yield form
    form.close()


def all_configs():
    for module in pkgutil.walk_packages(absslab.core.__path__, "absslab.core."):
        importlib.import_module(module.name)
    return [
        config
        for config in Config.__subclasses__()
        if config.__module__.startswith("absslab.core.")
    ]


def test_every_config_of_the_package_has_a_form_that_holds_its_defaults():
    before = set(ipywidgets.widgets.widget._instances)
    for config_class in all_configs():
        form = Form(config_class)
        assert form.config == config_class()
        assert form.values() == {}
        form.close()
    assert set(ipywidgets.widgets.widget._instances) == before


def test_each_kind_of_field_is_read_from_its_control(form):
    typed = {
        "rate": 8000,
        "level": 0.25,
        "is_mono": False,
        "window": "hamming",
        "folder": "/a b",
        "pattern": "none",
        "sizes": "7 9",
        "gains": "-6 6",
        "highest": "1e3",
    }
    for name, value in typed.items():
        form.controls[name].value = value
    expected = Settings(8000, 0.25, False, "hamming", "/a b", None, (7, 9), (-6.0, 6.0), 1000.0)
    assert form.config == expected
    assert form.values() == {name: getattr(expected, name) for name in typed if name != "pattern"}


def test_what_a_form_shows_is_read_back_as_it_was(form):
    values = {
        "sizes": (),
        "gains": (0.1, 1e-7),
        "pattern": "(a|b).*",
        "highest": 7999.999,
        "level": 1.0,
    }
    form.set(values)
    assert {name: getattr(form.config, name) for name in values} == values
    form.set({"sizes": [1, 2], "gains": None})  # as JSON has them
    assert (form.config.sizes, form.config.gains) == ((1, 2), None)


def test_units_and_help_stand_beside_the_control_as_text(form):
    assert "Hz: samples in a second" in form._explanations["rate"].value
    assert "where &lt;b&gt;recordings&lt;/b&gt; are" in form._explanations["folder"].value
    assert form.controls["rate"].description == "rate"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("rate", 0, "rate is 0: expected more than 0"),
        ("level", 1.5, "level is 1.5: expected at most 1"),
        ("sizes", "3 x", "sizes is &#39;3 x&#39;: expected a list, each a whole number"),
        ("gains", "1 2 3", "gains has 3 values (1 2 3): expected 2"),
        ("highest", "loud", "highest is &#39;loud&#39;: expected a number"),
    ],
)
def test_a_value_that_cannot_be_used_is_marked_where_it_stands_until_it_is_put_right(
    form, name, value, words
):
    good = form.controls[name].value
    form.controls[name].value = value
    assert words in form._explanations[name].value
    assert "absslab-invalid" in form.controls[name]._dom_classes
    with pytest.raises(InputError, match=name):
        _ = form.config
    form.controls[name].value = good
    assert "alert" not in form._explanations[name].value
    assert "absslab-invalid" not in form.controls[name]._dom_classes


def test_values_that_do_not_go_together_are_said_below(form):
    form.controls["highest"].value = "9000"
    assert "highest is 9000: expected at most half of rate" in form._below.value
    form.controls["rate"].value = 44100
    assert form._below.value == ""


def test_defaults_of_a_recipe_take_the_place_of_the_fields_own():
    form = Form(Settings, defaults={"rate": 8000, "n_epochs": 3})
    assert form.config.rate == 8000
    assert form.values() == {}
    form.set({"rate": 16000})
    assert form.values() == {"rate": 16000}
    form.reset({"level": 0.1})
    assert form.config == Settings(level=0.1)
    form.close()


def test_fields_without_a_control_keep_their_initial_values():
    form = Form(
        Settings,
        initial=Settings(rate=8000, level=0.1),
        only=["level", "sizes"],
        leave_out=["sizes"],
    )
    assert list(form.controls) == ["level"]
    form.controls["level"].value = 0.2
    assert form.config == Settings(rate=8000, level=0.2)
    form.set({"rate": 11025})
    assert form.config.rate == 11025
    form.close()


def test_a_change_is_told_once_also_where_many_values_are_set():
    changes = []
    form = Form(
        Settings,
        on_change=lambda: changes.append(1),
        choices={"folder": ["a", "b"]},
        initial=Settings(folder="a"),
    )
    form.controls["folder"].value = "b"
    assert (len(changes), form.config.folder) == (1, "b")
    form.set({"rate": 8000, "level": 0.1, "sizes": (1,)})
    assert len(changes) == 2
    form.close()
    form.controls["rate"].value = 1
    assert len(changes) == 2


def test_setting_what_the_config_does_not_take_changes_nothing(form):
    with pytest.raises(InputError, match="did you mean level"):
        form.set({"rate": 8000, "levl": 0.1})
    with pytest.raises(InputError, match="window is 'square'"):
        form.set({"rate": 8000, "window": "square"})
    assert form.config == Settings()


def test_a_list_of_choices_is_written_as_text():
    """A dropdown could hold one choice alone."""

    @dataclasses.dataclass(frozen=True)
    class Blocks(Config):
        activations: tuple[str, ...] = option(("lr",), "of each block", choices=("lr", "relu"))

    form = Form(Blocks)
    form.controls["activations"].value = "lr relu lr"
    assert form.config.activations == ("lr", "relu", "lr")
    form.controls["activations"].value = "lr tanh"
    assert "expected one of lr, relu" in form._explanations["activations"].value
    form.close()
