"""The parser of the commands offers its flags as `--help` groups them."""

import pytest

from absslab.cli.parser import Parser
from absslab.core.common.config import add_flags, to_flags
from absslab.core.common.errors import InputError
from absslab.core.model.mask_networks import MASK_NETS
from absslab.core.model.pooling import POOLINGS
from absslab.core.training.settings import Settings


def test_a_parser_lists_its_groups_with_their_flags_but_not_help():
    parser = Parser("absslab mix")
    parser.add_argument("name")
    group = parser.add_argument_group("How to mix", "In decibels.")
    group.add_argument("--gain", "--g")
    parser.add_argument_group("nothing in it")
    first, second = parser.flag_groups()
    assert [action.dest for action in first.flags] == ["name"]
    assert (second.title, second.description) == ("How to mix", "In decibels.")
    assert [action.option_strings for action in second.flags] == [["--gain", "--g"]]


@pytest.mark.parametrize(
    "arguments",
    [["--input", "-take1.wav"], ["--input", "a.wav", "-take1.wav"], ["-take1.wav"]],
)
def test_a_file_that_looks_like_a_flag_can_be_given(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    parser = Parser("absslab separate")
    parser.add_argument("--input", nargs="+")
    with pytest.raises(InputError) as without_the_file:
        parser.parse(arguments)
    assert "written as" not in str(without_the_file.value)
    (tmp_path / "-take1.wav").touch()
    with pytest.raises(InputError, match=r"is written as \./-take1\.wav$"):
        parser.parse(arguments)
    assert parser.parse(["--input", "./-take1.wav"]).input == ["./-take1.wav"]


PARTS = [("model_type", name) for name in MASK_NETS] + [("pooling", name) for name in POOLINGS]


@pytest.mark.parametrize(("part", "name"), PARTS)
def test_each_setting_of_a_training_can_be_given_with_its_default(part, name):
    settings = Settings.from_flags({part: name})
    for section, config in settings.sections().items():
        parser = Parser("absslab train")
        add_flags(parser, type(config))
        given = {field: getattr(config, field) for field in config.to_json()}
        parsed = vars(parser.parse(to_flags(given)))
        assert set(parsed) == set(given), section
        assert type(config)(**parsed) == config, section
