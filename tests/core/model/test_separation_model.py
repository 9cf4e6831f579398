"""The model predicts masks and probabilities, with and without padding."""

import pytest
import torch

from absslab.core.model.mask_kinds import MASK_KINDS
from absslab.core.model.mask_networks import VGGLikeCNNConfig
from absslab.core.model.pooling import (
    POOLINGS,
    GWRPConfig,
    NoConfig,
    find_pooling,
    pool_presence,
)
from absslab.core.model.separation_model import (
    BACKGROUND_BIAS,
    ModelConfig,
    ModelConfigs,
    build_model,
)
from absslab.core.model.vgg_like_mask_model import VGGLikeMaskModelConfig

from .small_models import (
    CLASSES,
    FEATURES,
    PRESENCE,
    UNET,
    VGG,
    every_kind,
    trained,
    waveforms,
)


def test_masks_that_compete_share_each_bin_with_the_background():
    prediction = trained(UNET)(waveforms(2, 4000))
    total = prediction.masks.sum(1) + prediction.log_background.exp()
    assert torch.allclose(total, torch.ones(()), atol=1e-5)


def test_independent_masks_decide_alone_and_the_background_is_what_none_takes():
    prediction = trained(VGG)(waveforms(2, 4000))
    assert (prediction.masks >= 0).all()
    assert (prediction.masks <= 1).all()
    assert torch.allclose(
        prediction.log_background.exp(), (1 - prediction.masks).prod(1), atol=1e-5
    )
    assert not torch.allclose(prediction.masks.sum(1), torch.ones(()), atol=0.1)


@every_kind
def test_a_prediction_has_a_mask_and_a_probability_per_class(configs):
    prediction = trained(configs)(waveforms(2, 4000))
    n_frames = FEATURES.n_frames(4000)
    assert prediction.probabilities.shape == (2, 3)
    assert prediction.masks.shape == (2, 3, 16, n_frames)
    assert prediction.log_background.shape == (2, 16, n_frames)
    assert ((prediction.probabilities >= 0) & (prediction.probabilities <= 1)).all()


@every_kind
@pytest.mark.reference_flaw("a last batch of one recording lost its axis, and training ended")
def test_a_batch_of_one_recording_keeps_its_axis(configs):
    model = trained(configs).train()
    prediction = model(waveforms(1, 4000))
    assert prediction.probabilities.shape == (1, 3)
    loss = torch.nn.functional.binary_cross_entropy(prediction.probabilities, torch.eye(1, 3))
    loss.backward()
    assert all(torch.isfinite(weights.grad).all() for weights in model.parameters())


def test_where_masks_compete_everything_starts_as_background():
    torch.manual_seed(0)
    model = build_model(UNET, CLASSES)
    assert model.mask_net.to_masks.bias.tolist() == [0, 0, 0, BACKGROUND_BIAS]
    background = model.eval()(waveforms(2, 4000)).log_background.exp()
    assert background.mean() > 0.6


def test_a_plain_network_may_compete_too():
    configs = ModelConfigs(FEATURES, ModelConfig(masks="competing"), VGG.mask_net, GWRPConfig())
    prediction = build_model(configs, CLASSES).eval()(waveforms(1, 4000))
    assert prediction.masks.shape[1] == 3
    assert prediction.log_background.exp().mean() > 0.6


@pytest.mark.parametrize(
    "pooling", [name for name, kind in POOLINGS.items() if not kind.has_fixed_size]
)
def test_padding_behind_a_recording_is_not_counted_as_frames(pooling):
    """Padding does not change the probabilities of a network whose kernels cover single bins."""
    mapping = ModelConfig(pooling=pooling)
    net = VGGLikeCNNConfig(channels=(4,), kernel_sizes=(1,))
    model = build_model(
        ModelConfigs(FEATURES, mapping, net, find_pooling(pooling).config()),
        CLASSES,
    ).eval()
    recording = waveforms(1, 3000)
    padded = torch.nn.functional.pad(recording, (0, 2500))
    alone = model(recording).probabilities
    together = model(padded, torch.tensor([3000])).probabilities
    assert torch.allclose(together, alone, atol=1e-5)


@every_kind
def test_waveforms_spectra_and_features_give_one_prediction(configs):
    model = trained(configs)
    x = waveforms(2, 4000)
    spectra = model.front_end.stft(x)
    lengths = torch.tensor([4000, 3000])
    expected = model(x, lengths)
    for prediction in (
        model.predict(spectra, lengths),
        model.predict_from_features(model.front_end(spectra), lengths),
    ):
        assert torch.equal(prediction.probabilities, expected.probabilities)
        assert torch.equal(prediction.masks, expected.masks)
        assert torch.equal(prediction.log_background, expected.log_background)
    assert model.device == x.device


def test_configs_survive_their_plain_data():
    assert ModelConfigs.from_json(UNET.to_json()) == UNET


def test_tags_are_the_mean_of_what_masks_and_presence_tell():
    prediction = trained(PRESENCE)(waveforms(2, 4000))
    assert prediction.presence is not None
    of_presence = pool_presence(prediction.presence)
    expected = (prediction.of_masks + of_presence) / 2
    assert torch.equal(prediction.probabilities, expected)
    assert not torch.allclose(prediction.of_masks, of_presence)


def coarse_model(masks="independent", **settings):
    """Return a model whose masks have half of the bands and a third of the frames."""
    net = VGGLikeMaskModelConfig(
        mask_n_blocks=2,
        mask_conv_o_c=(4,),
        mask_conv_s_f=(2, 1),
        mask_conv_s_t=(3, 1),
        mask_dropout_probs=(0.0,),
        **settings,
    )
    model = ModelConfig(model_type="VGGLikeMaskModel", pooling="GAP", masks=masks)
    return trained(ModelConfigs(FEATURES, model, net, NoConfig()))


@pytest.mark.parametrize("masks", MASK_KINDS)
def test_masks_coarser_than_features_are_pooled_as_they_are(masks):
    model = coarse_model(masks)
    x = waveforms(2, 4000)
    prediction = model(x)
    logits = model.mask_net(model.front_end(model.front_end.stft(x))).masks
    assert logits.shape[2:] == (8, -(-FEATURES.n_frames(4000) // 3))
    coarse, log_background = MASK_KINDS[masks].activate(logits)
    assert torch.allclose(prediction.probabilities, coarse.mean((2, 3)), atol=1e-6)
    size = (16, FEATURES.n_frames(4000))
    expected = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    assert torch.allclose(prediction.masks, expected, atol=1e-6)
    background = torch.nn.functional.interpolate(
        log_background.exp()[:, None], size=size, mode="bilinear"
    )[:, 0]
    assert torch.allclose(prediction.log_background.exp(), background, atol=1e-6)


def test_padding_is_not_counted_in_coarser_masks():
    model = coarse_model(mask_conv_k_f=(2, 1), mask_conv_k_t=(3, 1), mask_conv_p_t=(0,))
    recording = waveforms(1, 8 * 256)  # 9 frames, 3 of the masks
    alone = model(recording).probabilities
    padded = torch.nn.functional.pad(recording, (0, 6 * 256))
    together = model(padded, torch.tensor([8 * 256])).probabilities
    assert torch.allclose(together, alone, atol=1e-5)


def test_softmax_masks_share_each_bin_among_the_classes_alone():
    configs = ModelConfigs(FEATURES, ModelConfig(masks="softmax"), VGG.mask_net, GWRPConfig())
    model = trained(configs)
    prediction = model(waveforms(2, 4000))
    assert prediction.masks.shape[1] == 3
    assert torch.allclose(prediction.masks.sum(1), torch.ones(()), atol=1e-6)
    assert (prediction.log_background == -torch.inf).all()
    assert not model.competing


def test_the_complement_is_what_the_masks_leave_of_1_and_at_least_0():
    values = torch.tensor([[0.2, 0.5, 0.7], [0.1, 0.5, 0.9]])  # of two classes in three bins
    logits = values.logit().reshape(1, 2, 1, 3).requires_grad_()
    masks, log_background = MASK_KINDS["complement"].activate(logits)
    assert torch.allclose(masks, values.reshape(1, 2, 1, 3))
    assert torch.allclose(log_background.exp(), torch.tensor([[[0.7, 0.0, 0.0]]]), atol=1e-6)
    log_background.sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[..., 0] < 0).all()
    assert (logits.grad[..., 2] == 0).all()  # 0.7 + 0.9 leave nothing, and no more than that


def test_complement_masks_are_those_of_a_model_with_independent_ones():
    predictions = []
    for masks in ("complement", "independent"):
        configs = ModelConfigs(FEATURES, ModelConfig(masks=masks), VGG.mask_net, GWRPConfig())
        predictions.append(trained(configs)(waveforms(2, 4000)))
    complement, independent = predictions
    assert torch.equal(complement.masks, independent.masks)
    assert torch.equal(complement.probabilities, independent.probabilities)
    expected = (1 - complement.masks.sum(1)).clamp_min(0)
    assert torch.allclose(complement.log_background.exp(), expected, atol=1e-6)


def test_certain_masks_that_are_coarse_have_finite_gradients():
    net = VGGLikeMaskModelConfig(mask_n_blocks=1, mask_conv_s_f=(2,), mask_conv_s_t=(2,))
    config = ModelConfig(model_type="VGGLikeMaskModel", pooling="GAP")
    model = build_model(
        ModelConfigs(FEATURES, config, net, NoConfig()), [str(k) for k in range(16)]
    )
    with torch.no_grad():
        model.mask_net.to_masks.bias.fill_(10)
    prediction = model(waveforms(2, 4000))
    (prediction.log_background.exp().sum() + prediction.masks.sum()).backward()
    assert all(torch.isfinite(weights.grad).all() for weights in model.parameters())
