"""Devices are chosen by name, each once."""

import pytest
import torch

from absslab.core.common.devices import choose_device, choose_devices
from absslab.core.common.errors import InputError


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_auto_is_every_gpu(two_gpus):
    assert choose_devices(["auto"]) == ["cuda:0", "cuda:1"]
    assert choose_devices(["cuda:1", "cuda", "cpu"]) == ["cuda:1", "cuda:0", "cpu"]


def test_auto_is_the_cpu_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_devices(["auto"]) == ["cpu"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cuda", "cuda:0"], "devices is cuda cuda:0: expected auto, or one or more, each once"),
        (["auto", "cpu"], "devices is auto cpu"),
        ([], "devices is none"),
        (["cuda:2"], "device is 'cuda:2', but PyTorch finds 2 CUDA GPUs"),
    ],
)
def test_other_names_are_refused(two_gpus, names, message):
    with pytest.raises(InputError, match=message):
        choose_devices(names)


def test_a_gpu_of_apple_is_chosen_by_its_name_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("mps") == torch.device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match="PyTorch finds no GPU of Apple here: use auto or cpu"):
        choose_device("mps")
