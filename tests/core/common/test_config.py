"""Dataclasses, JSON and flags of settings agree; wrong values get a helpful message."""

import dataclasses
import importlib
import json
import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import absslab.core
from absslab.cli.parser import Parser
from absslab.core.common.config import (
    Config,
    add_flags,
    check_setting,
    format_setting,
    from_flags,
    look_up,
    option,
    parse_setting,
    suggest_nearest,
    to_flags,
)
from absslab.core.common.errors import InputError


@dataclasses.dataclass(frozen=True)
class Settings(Config):
    """A config with a field of each kind."""

    count: int = option(3, "how many", at_least=1, at_most=100)
    ratio: float = option(0.5, "how much", at_least=0, at_most=1)
    length: float = option(1.0, "how long", unit="s", above=0)
    loud: bool = option(False, "whether it is loud")
    name: str = option("", "what it is called", aliases=("title",))
    kind: str = option(
        "round", "its shape", choices=("round", "square"), value_aliases={"circle": "round"}
    )
    bounds: tuple[float, float] = option((0.0, 1.0), "from and to", unit="dB")
    sizes: tuple[int, ...] = option((3, 5), "of the layers", at_least=1)
    limit: float | None = option(None, "at most", unit="Hz")
    span: tuple[float, float] | None = option(None, "between two values")


@dataclasses.dataclass(frozen=True)
class OtherSettings(Settings):
    """The same fields under another name."""


def config_classes():
    """Return every config class of the package."""
    for module in pkgutil.walk_packages(absslab.core.__path__, "absslab.core."):
        importlib.import_module(module.name)
    classes = []
    waiting = [Config]
    while waiting:
        children = waiting.pop().__subclasses__()
        classes += [child for child in children if child.__module__.startswith("absslab.")]
        waiting += children
    return sorted(classes, key=lambda config_class: config_class.__name__)


def parser():
    test_parser = Parser("absslab test")
    add_flags(test_parser, Settings)
    return test_parser


def from_command_line(*arguments):
    return from_flags(Settings, vars(parser().parse(arguments)))


numbers = st.floats(-100, 100).map(lambda number: round(number, 3))
settings = st.builds(
    Settings,
    count=st.integers(1, 100),
    ratio=st.just(0.0) | st.floats(1e-30, 1),
    length=st.floats(1e-30, 1e6),
    loud=st.booleans(),
    name=st.text("abcxyz 09._/", max_size=12).filter(lambda text: text != "none"),
    kind=st.sampled_from(["round", "square"]),
    bounds=st.tuples(numbers, numbers),
    sizes=st.lists(st.integers(1, 99), min_size=1, max_size=6).map(tuple),
    limit=st.none() | st.just(0.0) | st.floats(1e-30, 1e6),
    span=st.none() | st.tuples(numbers, numbers),
)


@given(settings)
def test_a_config_survives_json(config):
    assert Settings.from_json(json.loads(json.dumps(config.to_json()))) == config


@given(settings)
def test_a_config_survives_the_command_line(config):
    arguments = []
    for name, value in config.to_json().items():
        values = value if isinstance(value, list) else ["none" if value is None else value]
        arguments += [f"--{name}", *map(str, values)]
    assert from_command_line(*arguments) == config


@given(settings, settings)
def test_fingerprints_are_equal_exactly_where_configs_are(first, other):
    assert (first.fingerprint() == other.fingerprint()) == (first == other)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 4},
        {"ratio": 0.5000001},
        {"length": 2.0},
        {"loud": True},
        {"name": "x"},
        {"kind": "square"},
        {"bounds": (0.0, 2.0)},
        {"sizes": (3, 5, 5)},
        {"limit": 0.0},
        {"span": (0.0, 1.0)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_fingerprint_differs_when_any_field_does(change):
    assert dataclasses.replace(Settings(), **change).fingerprint() != Settings().fingerprint()


def test_the_fingerprint_stays_what_it_is_in_files_written_long_ago():
    assert Settings().fingerprint() == "dfface735c692220"


def test_the_fingerprint_tells_classes_with_the_same_fields_apart():
    assert OtherSettings().fingerprint() != Settings().fingerprint()


@pytest.mark.parametrize(
    ("text", "value"),
    [("True", True), ("true", True), ("1", True), ("False", False), ("false", False), ("0", False)],
)
def test_a_boolean_flag_takes_the_words_for_true_and_false(text, value):
    assert from_command_line("--loud", text).loud is value


@pytest.mark.parametrize(("text", "value"), [("4", 4), ("4.0", 4), ("2.", 2), ("1e2", 100)])
def test_a_whole_number_may_be_written_with_a_point(text, value):
    count = from_command_line("--count", text).count
    assert count == value
    assert isinstance(count, int)


@pytest.mark.parametrize("text", ["TRUE", "yes", "no", "t", "2", "", "none"])
def test_a_boolean_flag_takes_no_other_words(text):
    with pytest.raises(InputError, match=r"--loud.*neither True, true, 1 nor False, false, 0"):
        from_command_line("--loud", text)


def test_a_flag_may_be_called_by_its_other_name():
    assert from_command_line("--title", "x").name == "x"


def test_a_field_is_read_by_its_other_name_and_written_by_its_own():
    config = Settings.from_json({"title": "x"})
    assert config == from_flags(Settings, {"title": "x", "unknown": 1}) == Settings(name="x")
    assert config.to_json() == Settings(name="x").to_json()
    assert check_setting(Settings, "title", "x") == "x"
    assert parse_setting(Settings, "title", " x ") == "x"


def test_a_value_is_read_by_its_other_name_and_written_by_its_own():
    for config in (
        Settings(kind="circle"),
        Settings.from_json({"kind": "circle"}),
        from_command_line("--kind", "circle"),
    ):
        assert config == Settings(kind="round")
        assert config.to_json()["kind"] == "round"
    assert check_setting(Settings, "kind", "circle") == "round"


def test_two_names_of_a_field_may_not_disagree():
    assert Settings.from_json({"title": "x", "name": "x"}) == Settings(name="x")
    with pytest.raises(InputError, match="title and name are the same setting: pass one of them"):
        Settings.from_json({"title": "x", "name": "y"})


def test_the_help_takes_a_default_by_its_other_name():
    parser_with_defaults = Parser("absslab test")
    add_flags(parser_with_defaults, Settings, defaults={"title": "Nocturne"})
    assert "(default Nocturne)" in " ".join(parser_with_defaults.format_help().split())


def test_a_list_may_be_given_element_by_element_and_be_negative():
    config = from_command_line("--sizes", "7", "9", "11", "--bounds", "-5", "-0.5")
    assert config.sizes == (7, 9, 11)
    assert config.bounds == (-5.0, -0.5)


def test_flags_that_are_not_given_leave_the_defaults():
    assert from_command_line() == Settings.default_config() == Settings()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--count", "two"), "'two' is not a whole number"),
        (("--count", "2.5"), "'2.5' is not a whole number"),
        (("--count", "inf"), "'inf' is not a whole number"),
        (("--count", "nan"), "'nan' is not a whole number"),
        (("--ratio", "much"), "'much' is not a number"),
        (("--ratio",), "--ratio"),
        (("--rati", "0.5"), "unknown flag --rati; did you mean --ratio?"),
        (("--lenght=3",), "unknown flag --lenght; did you mean --length?"),
        (("stray",), "unexpected 'stray'"),
    ],
)
def test_a_wrong_flag_is_named(arguments, message):
    with pytest.raises(InputError) as caught:
        from_command_line(*arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count is 0: expected at least 1"),
        ({"count": 101}, "count is 101: expected at most 100"),
        ({"count": True}, "count is True: expected a whole number"),
        ({"count": 2.0}, "count is 2.0: expected a whole number"),
        ({"count": None}, "count is none: expected a whole number"),
        ({"ratio": 2}, "ratio is 2: expected at most 1"),
        ({"ratio": 1.0000001}, "ratio is 1.0000001: expected at most 1"),
        ({"ratio": "0.5"}, "ratio is '0.5': expected a number"),
        ({"ratio": float("nan")}, "ratio is nan: expected a finite number"),
        ({"length": float("inf")}, "length is inf: expected a finite number"),
        ({"length": 0}, "length is 0: expected more than 0"),
        ({"loud": 1}, "loud is 1: expected True or False"),
        ({"name": 3}, "name is 3: expected text"),
        ({"kind": "oval"}, "kind is 'oval': expected one of round, square"),
        ({"bounds": (1.0,)}, "bounds has 1 values (1): expected 2"),
        ({"bounds": (1.0, 2.0, 3.0)}, "bounds has 3 values (1 2 3): expected 2"),
        ({"bounds": "ab"}, "bounds is 'ab': expected a list, each a number"),
        ({"bounds": 3.0}, "bounds is 3.0: expected a list, each a number"),
        ({"sizes": (3, 0)}, "sizes is 0: expected at least 1"),
        ({"sizes": (3, 1.5)}, "sizes is 1.5: expected a list, each a whole number"),
        ({"span": (1.0,)}, "span has 1 values (1): expected 2"),
    ],
)
def test_a_value_that_a_field_does_not_take_is_refused_with_what_came_and_what_is_expected(
    values, message
):
    with pytest.raises(InputError) as caught:
        Settings.from_json(values)
    assert str(caught.value) == message


def test_none_is_among_the_values_that_are_expected_where_it_is_allowed():
    @dataclasses.dataclass(frozen=True)
    class Means(Config):
        mean: str | None = option("weighted", "of what", choices=("weighted", "macro"))

    assert Means(mean=None).mean is None
    with pytest.raises(InputError, match=r"mean is 'bar': expected one of weighted, macro, None$"):
        Means(mean="bar")


def test_whole_numbers_and_lists_become_the_fields_own_types():
    config = Settings(ratio=1, bounds=[1, 2], sizes=[4])
    assert (config.ratio, config.bounds, config.sizes) == (1.0, (1.0, 2.0), (4,))
    assert isinstance(config.ratio, float)


def test_a_config_cannot_be_written_into():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().count = 5


def test_an_unknown_setting_in_json_names_the_nearest():
    with pytest.raises(InputError, match=r"Settings has no setting 'cuont'; did you mean count\?"):
        Settings.from_json({"cuont": 3})


def test_json_that_is_no_object_is_refused():
    with pytest.raises(InputError, match="Settings"):
        Settings.from_json(["count"])


def test_an_unknown_name_is_followed_by_the_nearest_or_by_what_there_is():
    assert suggest_nearest("keybord", ["keys", "keyboard"]) == "; did you mean keyboard?"
    assert suggest_nearest("zzz", ["keys", "keyboard"]) == "; there is keys, keyboard"
    assert suggest_nearest("zzz", []) == ""
    with pytest.raises(InputError, match="no pooling 'GXP'; there is GMP, GAP"):
        look_up("pooling", "GXP", {"GMP": 1, "GAP": 2})
    assert look_up("pooling", "GAP", {"GMP": 1, "GAP": 2}) == 2


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_shown_so_that_it_can_be_typed_again(number):
    assert float(format_setting(number)) == number


def test_settings_are_shown_as_one_would_type_them():
    shown_values = [
        format_setting(value) for value in (16000.0, 0.05, (80.0, 10.0), None, True, (), "x")
    ]
    assert shown_values == ["16000", "0.05", "80 10", "none", "True", "none", "x"]


@pytest.mark.parametrize(
    "config_class", config_classes(), ids=lambda each_class: each_class.__name__
)
def test_every_config_of_the_package_explains_all_its_fields_and_has_good_defaults(config_class):
    config = config_class.default_config()
    assert config_class.from_json(config.to_json()) == config
    parser_of_class = Parser("absslab test")
    add_flags(parser_of_class, config_class)
    text = " ".join(parser_of_class.format_help().split())
    assert config_class.__doc__
    for field in dataclasses.fields(config_class):
        assert field.metadata["help"]
        assert f"--{field.name}" in text
        default = f"default {format_setting(field.default)}"
        assert f"({'required' if field.metadata['required'] else default}" in text
    assert from_flags(config_class, vars(parser_of_class.parse([]))) == config


def test_the_help_is_titled_in_words_and_says_what_is_required():
    @dataclasses.dataclass(frozen=True)
    class TunerConfig(Config):
        """How strings are tuned.

        Only for
        stringed instruments.
        """

        path: str = option("", "the instrument", metavar="FILE", required=True)
        pitch: float = option(440.0, "of the first string", unit="Hz")
        kind: str = option("lute", "its kind", choices=("lute", "harp"))

    tuner = Parser("absslab test")
    add_flags(tuner, TunerConfig)
    text = " ".join(tuner.format_help().split())
    assert "How strings are tuned: Only for stringed instruments. --path FILE" in text
    assert "TunerConfig" not in text
    assert "--path FILE the instrument (required)" in text
    assert "--pitch X of the first string (default 440, Hz)" in text
    assert "--kind NAME its kind; one of lute, harp (default lute)" in text


def test_settings_as_flags_are_read_back_as_they_were():
    values = {
        "rate": -3,
        "window": "--odd name",
        "sizes": (8, 16),
        "is_mono": False,
        "pattern": None,
        "folder": "",
    }
    parser = Parser("p")
    for name, kind in {
        "rate": int,
        "window": str,
        "is_mono": str,
        "pattern": str,
        "folder": str,
    }.items():
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--sizes", type=int, nargs="+")
    expected = values | {"sizes": [8, 16], "is_mono": "False", "pattern": "none"}
    assert vars(parser.parse(to_flags(values))) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 4", (3, 4)),
        ("", InputError),
        ("none", InputError),
        ("3.5", InputError),
        ("3 0", InputError),
    ],
)
def test_what_a_person_types_is_parsed_as_after_a_flag(text, value):
    @dataclasses.dataclass(frozen=True)
    class Typed(Config):
        sizes: tuple[int, int] = option((1, 2), "of kernels", at_least=1)
        most: float | None = option(None, "of them", unit="s")

    if value is InputError:
        with pytest.raises(InputError, match="sizes"):
            parse_setting(Typed, "sizes", text)
    else:
        assert parse_setting(Typed, "sizes", text) == value
    assert parse_setting(Typed, "most", "none") is parse_setting(Typed, "most", " ") is None
    assert parse_setting(Typed, "most", " 2 ") == 2.0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1e-320, "expected 0, or at least 1e-30"),
        (-1e-31, "expected 0, or at least 1e-30"),
        (1e300, "expected at most 1.8"),
        (10**400, "expected at most 1.8"),
        (float("inf"), "expected a finite number"),
    ],
)
def test_numbers_that_nothing_can_be_computed_with_are_refused(value, message):
    with pytest.raises(InputError) as error:
        Settings(length=value)
    assert message in str(error.value)
    assert len(str(error.value)) < 300


def test_a_number_that_python_does_not_write_is_refused():
    with pytest.raises(InputError, match="length is a very long int"):
        Settings(length=10**5000)
