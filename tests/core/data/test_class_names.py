"""Any name can be that of a class, and its files are found again; doubtful names are refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from absslab.core.common.errors import InputError
from absslab.core.data.class_names import (
    RESERVED,
    check_class_name,
    check_class_names,
    class_of_stem,
    file_stem,
    normalise,
)

AUDIO_SET = [
    "Male speech, man speaking",
    "Chirp, tweet",
    "Hiss/Sizzle",
    "Burping, eructation",
    "Music for children",
    "Fixed-wing aircraft, airplane",
    "A capella",
    "Tick-tock",
    "Christmas music",
]


@pytest.mark.parametrize(
    "name", ["", " speech", "..", "../x", ".hidden", "a\tb", "a\nb", "a\x00b", *RESERVED]
)
def test_a_name_that_no_table_can_hold_or_that_is_taken_is_refused(name):
    with pytest.raises(InputError, match=r"alert01\.wav: .*class"):
        check_class_name(name, "alert01.wav")


@pytest.mark.parametrize("name", ["mixture", "residual", "remix", "filename"])
def test_names_that_stand_beside_the_classes_are_taken(name):
    assert name in RESERVED


@pytest.mark.parametrize(
    "name",
    [
        *AUDIO_SET,
        "a/b",
        "a\\b",
        "a,b",
        "-12 dB",
        "what?",
        'a "b"',
        "50%2F",
        "100%",
        "aux",
        "CON.1",
        "Residual",
        "Background",
        "dot.",
        "müde",
        "犬",
        "a:b|c<d>*",
    ],
)
def test_a_class_is_found_again_by_the_name_of_its_files(name):
    check_class_name(name, "weak.tsv")
    stem = file_stem(name)
    assert class_of_stem(stem) == name
    assert not set(stem) & set('/\\:*?"<>|')
    assert not stem.startswith((".", "-", " "))
    assert not stem.endswith((".", " "))
    assert stem.casefold() not in RESERVED


def test_plain_names_are_names_of_files_as_they_are():
    for name in ("speech", "Chirp, tweet", "door slam", "100%", "a.b", "0", "犬"):
        assert file_stem(name) == name


@given(st.text(min_size=1, max_size=30))
def test_whatever_may_be_a_class_comes_back_from_its_file(text):
    name = normalise(text)
    try:
        check_class_name(name, "t")
    except InputError:
        return
    try:
        stem = file_stem(name)
        stem.encode()
    except UnicodeEncodeError:
        return
    assert class_of_stem(stem) == name
    assert "/" not in stem
    assert stem not in RESERVED


def test_blanks_around_a_name_and_its_unicode_form_do_not_matter():
    assert normalise(" café\u00a0") == normalise("cafe\u0301") == "café"
    assert class_of_stem(unicodedata.normalize("NFD", "café")) == "café"


def test_names_that_differ_by_case_alone_are_refused_together():
    with pytest.raises(InputError, match="'Dog' and 'dog' differ by case alone"):
        check_class_names(["Dog", "cat", "dog"], "weak.tsv")
    check_class_names(["Dog", "dogs"], "weak.tsv")


@pytest.mark.parametrize("name", ["NaN", "nan", "NULL", "None", "N/A"])
def test_what_means_no_value_is_no_class(name):
    with pytest.raises(InputError, match="means that there is no label"):
        check_class_names(["dog", name], "weak.tsv")


def test_a_name_too_long_for_a_file_is_refused():
    with pytest.raises(InputError, match="too long"):
        check_class_name("a" * 200, "weak.tsv")
    check_class_name("ü" * 70, "weak.tsv")


@pytest.mark.parametrize("name", ["split", "Origin"])
def test_columns_of_tables_are_no_classes(name):
    with pytest.raises(InputError, match="a column of tables of labels"):
        check_class_names(["dog", name], "weak.tsv")
