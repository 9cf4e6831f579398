"""The parser of the commands offers its flags as `--help` groups them."""

from absslab.cli.parser import Parser


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
