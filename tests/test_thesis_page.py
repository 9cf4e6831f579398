"""The page of the thesis' names shows a test of each flag and the flaws of the marked tests."""

from collections import Counter
from pathlib import Path

import pytest
from covering_tests import MARKER, find_tests, read_flag_tests, read_flaws
from thesis_page import SOURCES, registries, thesis_page

from absslab.core.thesis.flags import FLAGS, Outcome

ROOT = Path(__file__).parents[1]
MODULE = """
from absslab.core.thesis.translation import translate_training

KINDS = {"feature_type": "mel"}
GIVEN = KINDS | {"mask_n_blocks": 3}
UNUSED = "--pcen_s 0.1"


@pytest.mark.reference_flaw("--pcen_eps was not read")
@pytest.mark.parametrize("line", ["--train_pcen yes --pcen_r 0.5 -c GlobalMaxPooling2d"])
def test_something(line):
    '''The flag --pcen_alpha is only mentioned.'''
    check(GIVEN, line, f"--metric {KINDS}", ["--mask_conv_k_f", "5", "3"])


@pytest.mark.parametrize("case", [pytest.param(1, marks=pytest.mark.reference_flaw("a flaw"))])
def test_something_else(case):
    pass
"""


@pytest.fixture
def small_project(tmp_path) -> Path:
    """A project with one module of tests of the thesis, and one of other flags."""
    folder = tmp_path / "tests/core/thesis"
    folder.mkdir(parents=True)
    (folder / "test_flags.py").write_text(MODULE)
    (tmp_path / "tests/cli").mkdir()
    (tmp_path / "tests/cli/test_today.py").write_text("def test_one():\n    run('--n_epochs 3')")
    return tmp_path


def test_every_flag_that_is_accepted_is_tested():
    tests = read_flag_tests()
    accepted = [name for name, flag in FLAGS.items() if flag.outcome is not Outcome.REFUSED]
    assert [name for name in accepted if not find_tests(tests, name)] == []


def test_every_flaw_has_one_test():
    counts = Counter(flaw for flaw, _ in read_flaws())
    assert [flaw for flaw, count in counts.items() if count > 1] == []
    assert all(flaw == flaw.strip(" .") and flaw for flaw in counts)


def test_no_marker_of_a_flaw_is_overlooked():
    paths = (path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    n_markers = sum(path.read_text().count(f"mark.{MARKER}(") for path in paths)
    assert len(read_flaws()) == n_markers


def test_flags_are_found_in_lines_lists_and_dictionaries(small_project):
    test, other = read_flag_tests(small_project)
    assert test.address == "tests/core/thesis/test_flags.py::test_something"
    assert test.values == {
        "train_pcen": {"yes"},
        "pcen_r": {"0.5"},
        "classifier_model_type": {"GlobalMaxPooling2d"},
        "feature_type": {"mel"},
        "mask_n_blocks": {"3"},
        "mask_conv_k_f": {"5", "3"},
        "metric": set(),
    }
    assert other.values == {}
    assert find_tests([test, other], "feature_type", "mel") == [test.address]
    assert find_tests([test, other], "feature_type", "pcen") == []


def test_flaws_are_found_at_tests_and_at_their_cases(small_project):
    path = "tests/core/thesis/test_flags.py"
    assert read_flaws(small_project) == [
        ("--pcen_eps was not read", f"{path}::test_something"),
        ("a flaw", f"{path}::test_something_else"),
    ]


def test_the_page_shows_every_flag_value_and_flaw():
    page = list(thesis_page())
    rows = [line.split(" | ")[0] for line in page if line.startswith("| ")]
    assert [f"| `--{name}`" for name in FLAGS if f"| `--{name}`" not in rows] == []
    values = {name for registry in registries() for name in registry.here}
    assert [name for name in values if f"| `{name}`" not in rows] == []
    assert [flaw for flaw, _ in read_flaws() if f"| {flaw}" not in rows] == []
    assert SOURCES.keys() <= values
