"""Models that the thesis' code saved compute here what they computed there."""

import os
import pickle

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.evaluation.score_files import read_scores_alone
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.separation.separator import Separator
from absslab.core.thesis.checkpoint_import import ThesisModel, import_thesis_model

CLASSES = ["babycry", "glassbreak", "gunshot", "background"]
CONFIG = {
    "sampling_rate": 16000,
    "feature_type": "log-mel",
    "STFT_frame_width_ms": 64,
    "STFT_frame_shift_ms": 32,
    "STFT_window_function": "hamming",
    "n_Mel_filters": 64,
    "Mel_min_freq": 0,
    "Mel_max_freq": 8000,
    "scaling_type": "standardization",
    "train_pcen": False,
    "mask_model_type": "VGGLikeMaskModel",
    "mask_n_blocks": 2,
    "mask_conv_i_c": [1, 3],
    "mask_conv_o_c": [3, 2],
    "mask_conv_k_f": [3, 3],
    "mask_conv_k_t": [3, 3],
    "mask_conv_s_f": [1, 1],
    "mask_conv_s_t": [1, 1],
    "mask_conv_p_f": [1, 1],
    "mask_conv_p_t": [1, 1],
    "mask_conv_groups": [1, 1],
    "mask_dropout_probs": [0.1, 0.0],
    "mask_activations": ["lr", "sig"],
    "classifier_model_type": "GlobalWeightedRankPooling2d",
    "class_dc": 0.999,
    "data_set_type": "AudiosetSegments",
    "data_folder": "/somewhere",
    "epoch_idx": 7,
    "shift": [torch.tensor(0.0005)],
    "scaling": [torch.tensor(0.0016)],
}


def weights(n_classes=2):
    torch.manual_seed(0)
    state = {}
    for block, (n_in, n_out) in enumerate([(1, 3), (3, n_classes)]):
        state[f"mask_model.net.convolutions.{block}.weight"] = torch.randn(n_out, n_in, 3, 3)
        state[f"mask_model.net.convolutions.{block}.bias"] = torch.randn(n_out)
        name = f"mask_model.net.batch_norms.{block}"
        state |= {f"{name}.weight": torch.rand(n_out), f"{name}.bias": torch.randn(n_out)}
        state |= {f"{name}.running_mean": torch.randn(n_out)}
        state |= {f"{name}.running_var": torch.rand(n_out) + 0.5}
        state |= {f"{name}.num_batches_tracked": torch.tensor(5)}
    return state


@pytest.fixture
def save(tmp_path):
    """Write a file like the thesis' code, with changes to its configuration and its content."""

    def write(changes=None, **content):
        path = tmp_path / "old.ckpt"
        config = {name: value for name, value in (CONFIG | (changes or {})).items() if value != ""}
        whole = {"model_state_dict": weights(), "config": config, "test_metrics": [np.float64(0.9)]}
        whole = {name: value for name, value in (whole | content).items() if value is not None}
        torch.save(whole, path, _use_new_zipfile_serialization=False)
        # the name that NumPy gave the function before version 2
        stored = path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        path.write_bytes(stored)
        return path

    return write


@pytest.fixture
def published():
    """The folder of models that the thesis published."""
    if "ABSSLAB_THESIS_CHECKPOINTS" not in os.environ:
        pytest.skip("ABSSLAB_THESIS_CHECKPOINTS names no folder of models of the thesis")
    return os.environ["ABSSLAB_THESIS_CHECKPOINTS"]


def assert_close(values, expected, tolerance=1e-5):
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance)


def test_a_published_model_computes_what_it_did_there(published, tmp_path):
    new = tmp_path / "new.ckpt"
    import_thesis_model(f"{published}/tut_rare_2017_gwrp.ckpt", new, CLASSES)
    separator = Separator.from_checkpoint(str(new))
    front_end = separator.model.front_end
    reference = np.load(f"{published}/tut_rare_2017_gwrp_reference.npz")
    for index in (0, 1):
        audio = reference[f"audio_{index}"]
        expected = reference[f"masks_{index}"]
        inner = slice(1, 1 + expected.shape[-1])
        waveform = torch.from_numpy(audio)[None]
        features = front_end(front_end.stft(waveform))[0, 0, :, inner]
        assert_close(features.numpy(), reference[f"features_{index}"])
        with torch.no_grad():
            prediction = separator.model(waveform)
        assert_close(prediction.masks[0, ..., inner].numpy(), expected)
        separation = separator.separate(audio, 16000)
        assert_close(separation.masks[..., inner], expected)
        assert_close(separation.probabilities, reference[f"probabilities_{index}"])
        sources = reference[f"sources_{index}"]
        middle = slice(512, sources.shape[1] - 512)
        assert_close(separation.sources[:, middle], sources[:, middle])
        assert_close(separation.sources[:, : sources.shape[1]], sources, 0.013)


def linear_layers(name, n_inputs, n_classes=2):
    """Return the weights of the thesis' linear layers, one for each class."""
    layers = {}
    for number in range(n_classes):
        layers[f"{name}.{number}.weight"] = torch.randn(1, n_inputs) / n_inputs**0.5
        layers[f"{name}.{number}.bias"] = torch.randn(1)
    return layers


def apply_linear_layers(weights, name, values):
    """Compute the thesis' linear layers and the sigmoid: values (B, K, I) → (B, K)."""
    outputs = [
        F.linear(values[:, k], weights[f"{name}.{k}.weight"], weights[f"{name}.{k}.bias"])
        for k in range(values.shape[1])
    ]
    return torch.cat(outputs, 1).sigmoid()


def pool_like_the_thesis(mapping, stored, masks):
    """Compute the tags of masks (B, K, M, T), for the weights of a mapping: (B, K)."""
    if mapping == "ChannelWiseFC2d":
        return apply_linear_layers(stored, "classifier_model.FCs", masks.flatten(2))
    if mapping == "DepthWiseCNNClassifier":
        weight, bias = (
            stored[f"classifier_model.CNN.convolutions.0.{part}"] for part in ("weight", "bias")
        )
        values = F.leaky_relu(F.conv2d(masks, weight, bias, stride=3, groups=2)).flatten(2)
        return apply_linear_layers(stored, "classifier_model.FC.FCs", values)
    recurrent = torch.nn.GRU(64, 40, batch_first=True)
    for name, values in recurrent.named_parameters():
        values.data = stored[f"classifier_model.RNN.{name}"]
    values = torch.stack([recurrent(mask.mT)[1][0] for mask in masks.transpose(0, 1)], 1)
    return apply_linear_layers(stored, "classifier_model.ChannelWiseFC.FCs", values)


@pytest.mark.parametrize(
    "mapping", ["ChannelWiseFC2d", "DepthWiseCNNClassifier", "ChannelWiseRNNClassifier"]
)
def test_a_mapping_with_weights_gives_the_same_tags(mapping, save, tmp_path):
    n_frames = 30
    stored = weights()
    if mapping == "ChannelWiseFC2d":
        stored |= linear_layers("classifier_model.FCs", 64 * n_frames)
    elif mapping == "DepthWiseCNNClassifier":
        stored["classifier_model.CNN.convolutions.0.weight"] = torch.randn(2, 1, 5, 5)
        stored["classifier_model.CNN.convolutions.0.bias"] = torch.randn(2)
        stored |= linear_layers("classifier_model.FC.FCs", 20 * 9)
    else:
        for name, values in torch.nn.GRU(64, 40).state_dict().items():
            stored[f"classifier_model.RNN.{name}"] = values
        stored |= linear_layers("classifier_model.ChannelWiseFC.FCs", 40)
    changes = {"classes": ["dog", "bell"], "classifier_model_type": mapping}
    model = import_thesis_model(save(changes, model_state_dict=stored), tmp_path / "new.ckpt")
    model = load_checkpoint(tmp_path / "new.ckpt").model.eval()
    waveforms = 0.3 * torch.randn(3, (n_frames - 1) * 512 + 1024)
    with torch.no_grad():
        prediction = model(waveforms)
        masks = prediction.masks[..., 1 : 1 + n_frames]
        expected = pool_like_the_thesis(mapping, stored, masks)
    assert torch.allclose(prediction.probabilities, expected, atol=1e-5)
    assert expected.std() > 0.01


def test_a_mapping_for_no_length_of_recordings_is_refused(save):
    stored = weights() | linear_layers("classifier_model.FCs", 64 * 30 + 1)
    path = save(
        {"classes": ["dog", "bell"], "classifier_model_type": "ChannelWiseFC2d"},
        model_state_dict=stored,
    )
    with pytest.raises(InputError, match="has 1921 inputs: no length of recordings gives masks"):
        ThesisModel.open(path).convert()


def test_features_of_tut_rare_were_the_same_whatever_was_asked_for(save, tmp_path):
    changes = {
        "classes": ["dog", "bell"],
        "data_set_type": "ICASSP2018JointSeparationClassificationDataSet",
        "feature_type": "pcen",
    }
    config = import_thesis_model(save(changes), tmp_path / "new.ckpt").front_end.config
    assert (config.feature_type, config.log_offset) == ("log_mel", 1e-8)


def test_fixed_pcen_is_standardised_by_the_numbers_of_the_file(save, tmp_path):
    changes = {"classes": ["dog", "bell"], "feature_type": "pcen", "pcen_s": 0.01}
    model = import_thesis_model(save(changes), tmp_path / "new.ckpt")
    config = model.front_end.config
    assert (config.pcen_s, config.pcen_direction, config.train_pcen) == (0.01, "both", False)
    seen = []
    model.mask_net.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    waveform = 0.3 * torch.randn(1, 16000)
    with torch.no_grad():
        model(waveform)
        magnitudes = model.front_end(model.front_end.stft(waveform))[..., 1:31]
    energies = magnitudes[0, 0].double().numpy()
    levels = scipy.signal.filtfilt([0.01], [1, -0.99], energies, axis=-1, padtype=None)
    features = (energies / (1e-6 + levels) ** 0.98 + 2) ** 0.5 - 2**0.5
    expected = (features - 0.0005) / 0.0016
    assert seen[0][0, 0].numpy() == pytest.approx(expected, rel=1e-4, abs=1e-2)


def test_a_model_of_audioset_has_its_own_features_and_classes(save, tmp_path):
    path = save({"classes": ["dog", "bell"]})
    model = import_thesis_model(path, tmp_path / "new.ckpt")
    assert model.classes == ("dog", "bell")
    assert model.masks == "independent"
    config = model.front_end.config
    assert (config.feature_type, config.mel_area) == ("log1p_mel", "slaney")
    assert model.front_end.mean.item() == pytest.approx(0.0005)
    assert model.front_end.std.item() == pytest.approx(0.0016)
    loaded = load_checkpoint(tmp_path / "new.ckpt")
    assert loaded.made["epoch"] == 7
    expected = weights()["mask_model.net.batch_norms.1.running_var"]
    assert torch.equal(loaded.model.mask_net.blocks[1].norm.running_var, expected)


def test_the_command_tells_what_it_made(save, tmp_path, capsys):
    new = tmp_path / "new.ckpt"
    assert main(["import-thesis", str(save()), str(new), "--classes", "dog", "bell"]) == 0
    printed = capsys.readouterr().out
    assert "2 classes: dog, bell" in printed
    assert f"→ {new}" in printed


def test_an_imported_model_is_scored_and_trained_further(save, mixtures, tmp_path):
    new = tmp_path / "new.ckpt"
    names = (mixtures / "test/weak_labels.csv").read_text().splitlines()[0].split(",")[1:]
    config = {"classes": names, "mask_conv_o_c": [3, len(names)]}
    import_thesis_model(save(config, model_state_dict=weights(len(names))), new)
    flags = "--mask_model_type VGGLikeMaskModel --mask_n_blocks 2 --mask_conv_o_c 3 2 --device cpu"
    flags += " --mask_dropout_probs 0.1 0 --mask_activations lr sig --n_epochs 1"
    flags += f" --data_folder {mixtures} --save_path {tmp_path}/on.ckpt --initial_weights {new}"
    assert main(["train", *flags.split()]) == 0
    arguments = ["--data_folder", str(mixtures), "--bss_eval", "none", "--n_resamples", "0"]
    arguments += ["--output", str(tmp_path / "s.json"), "--device", "cpu"]
    assert main(["evaluate", "--checkpoint_path", str(new), *arguments]) == 0
    assert read_scores_alone(tmp_path / "s.json").classes


@pytest.mark.parametrize("content", [{}, {"test_metrics": None}])
def test_a_file_of_the_thesis_itself_is_refused_with_the_command_that_imports_it(
    save, tmp_path, capsys, content
):
    path = save(**content)
    expected = "is a model that the thesis' code saved: make a checkpoint of it with absslab import"
    for command in (
        ["evaluate"],
        ["separate", "--input", str(path), "--output_folder", str(tmp_path / "out")],
    ):
        assert main([*command, "--checkpoint_path", str(path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line


def test_a_model_without_data_has_no_split_to_separate(save, tmp_path, mixtures, capsys):
    new = tmp_path / "new.ckpt"
    names = (mixtures / "test/weak_labels.csv").read_text().splitlines()[0].split(",")[1:]
    config = {"classes": names, "mask_conv_o_c": [3, len(names)]}
    import_thesis_model(save(config, model_state_dict=weights(len(names))), new)
    command = ["separate", "--checkpoint_path", str(new), "--output_folder", str(tmp_path / "out")]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "new.ckpt was imported without data, so it has no test split: pass --data_folder" in line
    assert main([*command, "--data_folder", str(mixtures), "--n_recordings", "1"]) == 0
    assert (tmp_path / "out/000000/residual.wav").is_file()


class Executes:
    """What a malicious file would hold."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def test_nothing_in_a_file_is_executed(save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = save(pcen_parameters=Executes())
    with pytest.raises(InputError, match="holds more than weights and plain data"):
        ThesisModel.open(path)
    path.write_bytes(pickle.dumps(Executes()))
    with pytest.raises(InputError, match="was not loaded"):
        ThesisModel.open(path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("config", "content", "message"),
    [
        ({}, {"config": None}, "has no model_state_dict or no config: expected a model that"),
        ({}, {"model_state_dict": {"a": 3}}, "has weights that are no plain tensors"),
        ({}, {"model_state_dict": {}}, r"there are no weights mask_model\.net\.convolutions\.1"),
        ({"mask_n_blocks": 3}, {}, r"there are no weights mask_model\.net\.convolutions\.2"),
        ({"mask_conv_k_f": [3, 3, 3]}, {}, "mask_conv_k_f has 3 values: expected one for each of"),
        ({"mask_conv_o_c": [5, 2]}, {}, r"has the shape \(3, 1, 3, 3\): its configuration asks"),
        ({"mask_use_batch_norm": False}, {}, "has no place for mask_model.net.batch_norms.0.bias"),
        ({"classes": ["dog"]}, {}, r"has 2 classes: expected as many different names, not 1 \(dog"),
        ({"classes": ["dog", "dog"]}, {}, "expected as many different names"),
        ({"classes": ["dog", "residual"]}, {}, "can't be called 'residual'"),
        ({"classes": ""}, {}, "does not say the names of its 2 classes: pass 2 names"),
        ({"shift": [1.0, 2.0]}, {}, "shift is .*: expected a list of a finite number"),
        ({"shift": [float("inf")]}, {}, "shift is .*: expected a list of a finite number"),
        ({"scaling": ""}, {}, "scaling is None: expected a list of a number above 0"),
        ({"scaling": [0.0]}, {}, "scaling is .*: expected a list of a number above 0"),
        ({"scaling": [float("nan")]}, {}, "scaling is .*: expected a list of a number above 0"),
        ({"mask_n_blocks": 2.0}, {}, "mask_n_blocks is 2.0: expected int"),
        ({"mask_n_blocks": 10**9}, {}, "there are no weights"),
        ({"STFT_frame_width_ms": "64"}, {}, "STFT_frame_width_ms is '64': expected int"),
        ({"feature_type": ["x"]}, {}, "feature_type is .*: expected str"),
        ({"mask_activations": [["lr"]]}, {}, "mask_activations is .*: expected str values"),
        ({"classes": 5}, {}, "does not say the names of its 2 classes"),
        ({"classifier_model_type": ""}, {}, "its configuration lacks classifier_model_type"),
        ({"data_set_type": ""}, {}, "its configuration lacks data_set_type"),
        ({"mask_activations": ""}, {}, "its configuration lacks mask_activations"),
        ({"train_pcen": True}, {}, "its PCEN was learnt from magnitudes that were standardised"),
        ({"rescale_classification": True}, {}, "rescale_classification made its probabilities"),
        (
            {"classifier_model_type": "AdaptiveGlobalWeightedRankPooling2d"},
            {},
            "AdaptiveGlobalWeightedRankPooling2d weighted by",
        ),
        ({"classifier_model_type": "ChannelWiseFC2d"}, {}, "no weights classifier_model.FCs.0.wei"),
        ({"n_Mel_filters": "many"}, {}, "n_Mel_filters is 'many': expected int"),
    ],
)
def test_what_does_not_fit_is_one_line_and_writes_nothing(save, tmp_path, config, content, message):
    path = save({"classes": ["dog", "bell"]} | config, **content)
    new = tmp_path / "new.ckpt"
    with pytest.raises(InputError, match=message):
        import_thesis_model(path, new)
    assert not new.exists()


def test_weights_that_are_not_finite_are_refused(save, tmp_path):
    state = weights()
    state["mask_model.net.convolutions.0.bias"][1] = torch.nan
    path = save({"classes": ["dog", "bell"]}, model_state_dict=state)
    with pytest.raises(InputError, match=r"convolutions\.0\.bias holds NaN or infinite numbers"):
        import_thesis_model(path, tmp_path / "new.ckpt")


def test_damaged_and_missing_files_are_named(save, tmp_path):
    path = save()
    with pytest.raises(InputError, match="does not exist or is not a file"):
        ThesisModel.open(tmp_path / "no.ckpt")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="not a checkpoint"):
        ThesisModel.open(path)


def test_nothing_is_overwritten(save, tmp_path):
    new = tmp_path / "new.ckpt"
    new.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        import_thesis_model(save(), new, ["dog", "bell"])
    assert new.read_text() == "mine"


def test_a_checkpoint_has_the_suffix_that_a_training_demands(save, tmp_path, capsys):
    ending = "': expected the name of a file that ends in .ckpt\n"
    for name in ("new.pt", "new"):
        new = tmp_path / name
        assert main(["import-thesis", str(save()), str(new), "--classes", "dog", "bell"]) == 2
        assert capsys.readouterr().err == f"absslab import-thesis: new is '{new}{ending}"
        assert not new.exists()
        assert main(["train", "--save_path", str(new), "--data_folder", str(tmp_path)]) == 2
        assert capsys.readouterr().err == f"absslab train: save_path is '{new}{ending}"


@pytest.mark.parametrize(
    "config",
    [
        {"mask_conv_k_f": [3], "optimizer": "SGD", "batch_size": 0, "epoch_idx": "many"},
        {"scheduler_step_size": 0, "scheduler_milestones": ["a"], "pcen_s": 0.01, "n_epochs": 0},
    ],
)
def test_settings_that_do_not_change_what_it_computes_do_not_matter(save, tmp_path, config):
    import_thesis_model(save({"classes": ["dog", "bell"]} | config), tmp_path / "new.ckpt")
    assert load_checkpoint(tmp_path / "new.ckpt").model.classes == ("dog", "bell")
