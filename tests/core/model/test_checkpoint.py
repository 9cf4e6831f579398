"""Checkpoints keep predictions, and other files are refused without running code from them."""

import os
import pickle
import re

import pytest
import torch

from absslab.core.common.errors import InputError
from absslab.core.model.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from absslab.core.model.event_thresholds import ClassThresholds, EventThresholds
from absslab.core.model.mask_networks import VGGLikeCNNConfig
from absslab.core.model.pooling import GWRPConfig
from absslab.core.model.separation_model import (
    ModelConfig,
    ModelConfigs,
    build_model,
)

from .small_models import CLASSES, FEATURES, UNET, VGG, every_kind, trained, waveforms


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.ckpt"
    save_checkpoint(path, trained(VGG), VGG, {"epoch": 7})
    return path


@every_kind
def test_what_was_saved_predicts_bit_for_bit_the_same(configs, tmp_path):
    model = trained(configs)
    x = waveforms(2, 4000)
    before = model(x)
    save_checkpoint(tmp_path / "model.ckpt", model, configs, {"epoch": 7, "metrics": {"auc": None}})
    loaded = load_checkpoint(tmp_path / "model.ckpt")
    after = loaded.model(x)
    assert torch.equal(after.probabilities, before.probabilities)
    assert torch.equal(after.masks, before.masks)
    assert torch.equal(after.log_background, before.log_background)
    assert loaded.model.classes == tuple(CLASSES)
    assert loaded.configs == configs
    assert not loaded.model.training
    assert loaded.made["epoch"] == 7
    assert set(loaded.made) >= {"absslab", "torch", "date"}


def test_a_checkpoint_holds_weights_and_plain_data_only(saved):
    content = torch.load(saved, weights_only=True)
    assert content["format"] == "absslab checkpoint"
    assert content["classes"] == CLASSES


def test_what_resuming_needs_travels_along(tmp_path):
    save_checkpoint(
        tmp_path / "last.ckpt", trained(VGG), VGG, {}, resume={"epoch": 3, "best": None}
    )
    assert read_checkpoint(tmp_path / "last.ckpt")["resume"] == {"epoch": 3, "best": None}


class Malicious:
    """An object whose file runs a program when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))


def refusal_of(path):
    """Return the message with which a file is refused: one line that names the file."""
    with pytest.raises(InputError) as error:
        load_checkpoint(path)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    assert len(message) < 600
    return message


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.5, 0.9, 0.99, 0.9999])
def test_a_truncated_checkpoint_is_refused(saved, part):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(part * len(content))])
    refusal_of(saved)


@pytest.mark.parametrize(
    "damage", [b"", b"(", b"weights", b"\x80\x02\x80", b"PK\x03\x04weights", None]
)
def test_damage_is_told_in_plain_words(saved, damage):
    content = saved.read_bytes()
    saved.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert re.fullmatch(
        f"{re.escape(str(saved))} is (damaged|not a checkpoint) or [a-z ]+: [a-z, ]+",
        refusal_of(saved),
    )


def test_a_checkpoint_that_may_not_be_read_is_refused_with_the_reason(saved, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    assert refusal_of(saved).endswith("can't be read: Permission denied")


def test_an_error_of_elsewhere_is_not_the_files_fault(saved, monkeypatch):
    def fail(*_):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("absslab.core.model.checkpoint.build_model", fail)
    with pytest.raises(RuntimeError, match="no locator") as error:
        load_checkpoint(saved)
    assert not isinstance(error.value, InputError)


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_random_bytes_are_refused(tmp_path, size):
    path = tmp_path / "random.ckpt"
    path.write_bytes(
        torch.randint(256, (size,), generator=torch.Generator().manual_seed(size))
        .byte()
        .numpy()
        .tobytes()
    )
    refusal_of(path)


def test_a_text_is_refused(tmp_path):
    path = tmp_path / "text.ckpt"
    path.write_text("weights\n1.0\n")
    refusal_of(path)


def test_a_folder_and_a_file_that_is_not_there_are_refused(tmp_path):
    assert "does not exist or is not a file" in refusal_of(tmp_path)
    assert "does not exist or is not a file" in refusal_of(tmp_path / "missing.ckpt")


@pytest.mark.parametrize(
    "content", [{"state_dict": {"w": torch.zeros(2)}}, torch.zeros(3), [1, 2], {"format": "other"}]
)
def test_a_file_of_another_program_is_refused(tmp_path, content):
    path = tmp_path / "other.ckpt"
    torch.save(content, path)
    assert "another program" in refusal_of(path)


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))]
)
@pytest.mark.parametrize(
    "inside", [lambda bad: bad, lambda bad: {"format": "absslab checkpoint", "made": bad}]
)
def test_a_malicious_pickle_is_refused_without_a_warning_and_not_executed(
    tmp_path, write, inside, recwarn
):
    path = tmp_path / "bad.ckpt"
    trace = tmp_path / "was_here"
    write(inside(Malicious(trace)), path)
    refusal_of(path)
    assert not trace.exists()
    assert os.listdir(tmp_path) == ["bad.ckpt"]
    assert not recwarn.list


@every_kind
def test_weights_under_their_names_before_are_read(configs, tmp_path):
    model = trained(configs)
    before = {"mean": "shift", "std": "deviation"}
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, model, configs, {}, resume={"weights": model.state_dict()})
    content = torch.load(path, weights_only=True)
    for part in (content, content["resume"]):
        for name, old in before.items():
            part["weights"][f"front_end.{old}"] = part["weights"].pop(f"front_end.{name}")
    torch.save(content, path)
    assert torch.equal(load_checkpoint(path).model.front_end.std, model.front_end.std)
    assert set(read_checkpoint(path)["resume"]["weights"]) == set(model.state_dict())


def changed(path, **changes):
    content = torch.load(path, weights_only=True)
    torch.save(
        {key: value for key, value in {**content, **changes}.items() if value is not ...}, path
    )


def test_a_newer_format_asks_for_an_update(saved):
    changed(saved, version=2)
    assert "version 2, newer than 1: update ABSSLab" in refusal_of(saved)


@pytest.mark.parametrize("missing", ["version", "configs", "classes", "weights", "made"])
def test_a_checkpoint_that_lacks_a_part_is_refused(saved, missing):
    changed(saved, **{missing: ...})
    assert missing in refusal_of(saved)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("version", "one"),
        ("classes", 5),
        ("classes", ["dog"]),
        ("classes", torch.zeros(2)),
        ("classes", ["a", "b", torch.zeros(2)]),
        ("weights", {}),
        ("weights", [1, 2]),
        ("configs", None),
        ("configs", torch.zeros(3)),
        ("configs", {**VGG.to_json(), "model": torch.zeros(3)}),
        ("configs", {"features": {}}),
        ("configs", {**VGG.to_json(), "features": {"n_bands": 3}}),
        ("configs", {**VGG.to_json(), "features": {"n_mels": 17}}),
        ("configs", {**VGG.to_json(), "mask_net": {"channels": [4, 5]}}),
        ("configs", {**VGG.to_json(), "model": {"model_type": "ResNet"}}),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(saved, part, value):
    changed(saved, **{part: value})
    refusal_of(saved)


def test_weights_that_do_not_fit_are_named(saved):
    changed(saved, configs={**VGG.to_json(), "mask_net": {"channels": [4, 5]}})
    assert "mask_net.blocks" in refusal_of(saved)


@pytest.mark.parametrize("n_channels", [20_000, 2**31 - 1])  # the former would fill 14 GB
def test_settings_of_a_huge_network_are_refused_before_it_is_made(saved, n_channels):
    changed(saved, configs={**VGG.to_json(), "mask_net": {"channels": [n_channels, n_channels]}})
    assert f"({n_channels}, " in refusal_of(saved)


def test_an_interrupted_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def cut(content, file):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(saved, trained(UNET), UNET, {})
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


@pytest.mark.parametrize("name", ["../../escaped", ".hidden", "residual", "", 3])
def test_a_checkpoint_whose_classes_would_name_other_files_is_refused(tmp_path, name):
    configs = ModelConfigs.from_json(
        ModelConfigs(FEATURES, ModelConfig(), VGGLikeCNNConfig(), GWRPConfig()).to_json()
    )
    model = build_model(configs, ["one", "two"])
    save_checkpoint(tmp_path / "m.ckpt", model, configs, {})
    content = torch.load(tmp_path / "m.ckpt", weights_only=True)
    content["classes"] = ["one", name]
    torch.save(content, tmp_path / "m.ckpt")
    with pytest.raises(InputError):
        load_checkpoint(tmp_path / "m.ckpt")


# --- thresholds of events -------------------------------------------------------------------------


def test_thresholds_of_events_travel_with_a_model(tmp_path):
    model = trained(VGG)
    thresholds = {CLASSES[0]: ClassThresholds(0.6, 0.24, 0.2)}
    model.event_thresholds = EventThresholds(thresholds, "tags", 12)
    save_checkpoint(tmp_path / "m.ckpt", model, VGG, {})
    assert load_checkpoint(tmp_path / "m.ckpt").model.event_thresholds == model.event_thresholds


def test_a_model_of_an_earlier_version_has_no_thresholds(saved):
    content = torch.load(saved, weights_only=True)
    del content["event_thresholds"]
    torch.save(content, saved)
    assert load_checkpoint(saved).model.event_thresholds is None


@pytest.mark.parametrize(
    "thresholds",
    [
        "high",
        {"per_class": {"a": {"high": "high", "low": 0.2}}},
        {"per_class": {"a": {"high": 0.2, "low": 0.5}}},
        {"per_class": {"a": {"high": float("nan"), "low": 0.5}}},
        {"chosen_by": "luck"},
        {"chosen_on": 3},
    ],
)
def test_thresholds_that_are_damaged_are_refused(saved, thresholds):
    content = torch.load(saved, weights_only=True)
    torch.save(content | {"event_thresholds": thresholds}, saved)
    assert "is damaged" in refusal_of(saved)
