"""Settings of a separation are saved, checked, and applied in dB."""

import json
import math

import numpy as np
import pytest

from absslab.core.common.errors import InputError
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.settings import (
    SeparationSettings,
    check_gains,
    gains_that_keep,
    mix_sources,
    parse_gains,
    read_settings,
    write_settings,
)

HEAD = {"format": "absslab separation settings", "version": 1}


def test_what_is_written_is_read_again_and_holds_no_infinity(tmp_path):
    settings = SeparationSettings(
        SeparationConfig(mask_power=2, wiener=1.5),
        {"speech": 3.0, 'a <b> "ü"': -12, "residual": -math.inf},
    )
    write_settings(tmp_path / "s.json", settings)
    assert read_settings(tmp_path / "s.json") == settings
    content = json.loads((tmp_path / "s.json").read_text(), parse_constant=pytest.fail)
    assert content["gains"]["residual"] is None
    assert content["separation"]["mask_power"] == 2


def test_what_a_file_leaves_out_has_its_default(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(HEAD))
    assert read_settings(tmp_path / "s.json") == SeparationSettings()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable JSON"),
        ("[]", "holds no settings of a separation"),
        ('{"format": "absslab scores", "version": 1}', "holds no settings of a separation"),
        ('{"format": "absslab separation settings"}', "lacks its format version"),
        (json.dumps(HEAD | {"version": 2}), "newer than 1: update ABSSLab"),
        (json.dumps(HEAD | {"gain": {}}), "unknown field 'gain'; did you mean gains"),
        (
            json.dumps(HEAD | {"separation": {"mask_powr": 2}}),
            "no setting 'mask_powr'; did you mean mask_power",
        ),
        (
            json.dumps(HEAD | {"separation": {"mask_power": -2}}),
            "mask_power is -2: expected at least 0",
        ),
        (json.dumps(HEAD | {"separation": []}), "expected an object"),
        (json.dumps(HEAD | {"gains": [1]}), "expected an object, class: dB"),
        (json.dumps(HEAD | {"gains": {"speech": "loud"}}), "the gain of speech is 'loud'"),
        (json.dumps(HEAD | {"gains": {"speech": True}}), "the gain of speech is True"),
        (json.dumps(HEAD | {"gains": {"speech": math.nan}}), "the gain of speech is nan"),
        (json.dumps(HEAD | {"gains": {"speech": 61}}), "expected dB up to 60"),
    ],
)
def test_a_file_that_can_not_be_meant_is_refused_in_one_line_that_names_it(
    tmp_path, content, message
):
    (tmp_path / "s.json").write_text(content)
    with pytest.raises(InputError) as refused:
        read_settings(tmp_path / "s.json")
    assert message in str(refused.value)
    assert "s.json" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_settings(tmp_path / "s.json")


def test_gains_are_typed_as_class_and_decibels():
    assert parse_gains(["speech=-6", "residual=-inf", "a=b=1.5"]) == {
        "speech": -6,
        "residual": -math.inf,
        "a=b": 1.5,
    }
    assert parse_gains([]) == {}


@pytest.mark.parametrize(
    "text", ["speech", "speech=", "=-6", "speech=loud", "speech=6dB", "speech=nan", "speech=inf"]
)
def test_gains_that_are_none_are_refused(text):
    with pytest.raises(InputError, match="expected"):
        parse_gains([text])


def test_a_gain_is_given_once_and_to_a_class_that_there_is():
    with pytest.raises(InputError, match="speech twice"):
        parse_gains(["speech=1", "speech=2"])
    check_gains({"speech": 0.0, "residual": 0.0}, ["speech"])
    with pytest.raises(InputError, match="did you mean speech"):
        check_gains({"speach": 0.0}, ["speech", "knock"])


def test_a_remix_is_the_sum_with_its_gains():
    sources = np.array([[1.0, 2.0], [10.0, 20.0]])
    residual = np.array([100.0, 200.0])
    classes = ["a", "b"]
    np.testing.assert_array_equal(mix_sources(sources, residual, classes, {}), [111, 222])
    np.testing.assert_allclose(
        mix_sources(sources, residual, classes, {"a": 20, "residual": -20}), [30, 60]
    )
    np.testing.assert_array_equal(
        mix_sources(sources, residual, classes, {"b": -math.inf}), [101, 202]
    )
    np.testing.assert_array_equal(
        mix_sources(sources, residual, classes, gains_that_keep(["b"], classes)), [10, 20]
    )
    with pytest.raises(InputError, match="not a class of the model"):
        mix_sources(sources, residual, classes, {"c": 0})


def test_a_remix_has_the_shape_and_precision_of_what_it_is_made_of_and_changes_nothing():
    sources = np.ones((3, 2, 5), np.float32)
    residual = np.ones((2, 5), np.float32)
    mixed = mix_sources(sources, residual, ["a", "b", "c"], {"a": 6})
    assert (mixed.shape, mixed.dtype) == ((2, 5), np.float32)
    assert sources.min() == sources.max() == residual.min() == residual.max() == 1
