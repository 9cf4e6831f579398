"""BSS Eval: closed forms without an allowed filter, physics with one, and mir_eval for the rest."""

import sys

import numpy as np
import pytest
import scipy.signal

from absslab.core.common.errors import InputError
from absslab.core.metrics.bss_eval import (
    FILTER_LENGTH,
    bss_eval,
    bss_eval_images,
    bss_eval_sources,
    decompose,
)

N = 4000
TAPS = np.array([0.2, 1.0, -0.5, 0.1])  # mostly a delay


def noises(n_signals=2, *, seed=0, n=N):
    """Make white noises that end 100 samples early, so that filtering them cuts nothing off."""
    signals = np.random.default_rng(seed).standard_normal((n_signals, n))
    signals[:, -100:] = 0
    return signals


def orthonormal(n_signals, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((N, n_signals)))[0].T


def filter_signals(signals, taps=TAPS):
    return np.stack([np.convolve(signal, taps)[: signals.shape[-1]] for signal in signals])


def disturb(references, *, leak=0.1, noise=0.03, seed=9):
    """Make estimates with noise and a little of the next source."""
    return (
        references
        + leak * np.roll(references, 1, axis=0)
        + noise * noises(len(references), seed=seed)
    )


def assert_close(ours, expected, atol):
    for name, mine, other in zip(expected._fields, ours, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=atol, err_msg=name)


# closed forms: one tap, orthogonal signals


@pytest.mark.parametrize(("leak", "noise"), [(0.1, 0.01), (0.01, 0.1), (1.0, 2.0)])
def test_without_a_filter_the_ratios_are_those_of_the_energies(leak, noise):
    first, other, foreign, foreign2 = orthonormal(4)
    references = np.stack([first, other])
    estimates = np.stack(
        [first + leak * other + noise * foreign, other + leak * first + noise * foreign2]
    )
    parts = decompose(references[:, None], estimates[:, None], filter_length=1)
    sources = parts.sources()
    images = parts.images()
    ratios = {"sdr": leak**2 + noise**2, "sir": leak**2, "sar": noise**2 / (1 + leak**2)}
    for name, ratio in ratios.items():
        np.testing.assert_allclose(getattr(sources, name), -10 * np.log10(ratio), atol=1e-9)
        np.testing.assert_allclose(getattr(images, name), -10 * np.log10(ratio), atol=1e-9)
    assert (images.isr > 200).all()


@pytest.mark.parametrize("gain", [0.5, 0.9, 1.1, 2.0, -1.0])
def test_of_an_image_a_wrong_gain_is_spatial_distortion(gain):
    references = noises()
    sources, images = bss_eval(references, gain * references)
    expected = -20 * np.log10(abs(gain - 1))
    np.testing.assert_allclose(images.isr, expected, atol=1e-6)
    np.testing.assert_allclose(images.sdr, expected, atol=1e-6)
    assert min(*images.sir, *images.sar, *sources.sdr, *sources.sir, *sources.sar) > 100


def test_of_two_channels_the_energies_add_up():
    """The right channel is half as loud, its gain wrong by 0.2: an error of 0.25 · 0.04 / 1.25."""
    left = noises()
    references = np.stack([left, 0.5 * noises(seed=1)], 1)  # (J, C, N)
    estimates = references * np.array([1.0, 1.2])[:, None]
    images = bss_eval_images(references, estimates)
    energy = (references**2).sum(-1)  # (J, C)
    np.testing.assert_allclose(
        images.isr, 10 * np.log10(energy.sum(1) / (0.04 * energy[:, 1])), atol=1e-6
    )
    assert min(*images.sir, *images.sar) > 100


# allowed distortions


def test_a_short_filter_is_forgiven_in_sources_but_not_in_images():
    references = noises()
    sources, images = bss_eval(references, filter_signals(references))
    assert sources.sdr.min() > 100
    assert sources.sar.min() > 100
    assert images.sdr.max() < 5
    np.testing.assert_allclose(images.isr, images.sdr, atol=1e-3)


@pytest.mark.parametrize(
    ("delay", "is_forgiven"),
    [(0, True), (90, True), (FILTER_LENGTH - 1, True), (FILTER_LENGTH, False)],
)
def test_a_delay_is_forgiven_up_to_the_length_of_the_filter(delay, is_forgiven):
    references = np.pad(noises(n=N - FILTER_LENGTH), ((0, 0), (0, FILTER_LENGTH)))
    sources = bss_eval_sources(references, np.roll(references, delay, axis=1))
    assert ((sources.sdr > 100) == is_forgiven).all()
    assert ((sources.sdr < 0) == (not is_forgiven)).all()


def test_what_comes_too_early_is_not_forgiven():
    references = np.pad(noises(n=N - 10), ((0, 0), (10, 0)))
    assert bss_eval_sources(references, np.roll(references, -1, axis=1)).sdr.max() < 5


@pytest.mark.parametrize("gain", [1e-3, -1.0, 50.0])
def test_the_scale_of_the_estimate_does_not_change_the_scores_of_sources(gain):
    references = noises()
    estimates = disturb(references)
    assert_close(
        bss_eval_sources(references, gain * estimates),
        bss_eval_sources(references, estimates),
        1e-6,
    )


@pytest.mark.parametrize("gain", [1e-3, 20.0])
def test_the_level_of_all_does_not_change_any_score(gain):
    references = noises()
    estimates = disturb(references)
    for scaled, plain in zip(
        bss_eval(gain * references, gain * estimates), bss_eval(references, estimates), strict=True
    ):
        assert_close(scaled, plain, 1e-6)


def test_more_of_another_source_lowers_SIR_but_hardly_SAR():
    references = noises()
    scores = (
        bss_eval(references, disturb(references, leak=leak, noise=0.01)) for leak in (0.02, 0.2)
    )
    for less, more in zip(*scores, strict=True):
        np.testing.assert_allclose(less.sir - more.sir, 20, atol=0.5)
        np.testing.assert_allclose(less.sar, more.sar, atol=0.3)
        assert (more.sdr < less.sdr).all()


def test_more_noise_lowers_SAR_but_not_SIR():
    references = noises()
    scores = (bss_eval(references, disturb(references, noise=noise)) for noise in (0.003, 0.03))
    for less, more in zip(*scores, strict=True):
        np.testing.assert_allclose(less.sar - more.sar, 20, atol=0.3)
        np.testing.assert_allclose(less.sir, more.sir, atol=0.3)
        assert (more.sdr < less.sdr).all()


def test_another_source_that_went_through_a_filter_is_interference_all_the_same():
    references = noises()
    estimates = references + 0.1 * filter_signals(references[::-1])
    sources = bss_eval_sources(references, estimates)
    assert sources.sar.min() > 100
    np.testing.assert_allclose(sources.sir, -10 * np.log10(0.01 * (TAPS**2).sum()), atol=1)


# corner cases


def test_a_perfect_estimate_is_above_100_dB():
    references = noises(3)
    sources, images = bss_eval(references, references.copy())
    for score in (*sources, *images):
        assert (score > 100).all()


def test_a_silent_estimate_has_no_SIR_and_no_SAR_and_changes_no_other_score():
    references = noises(3)
    estimates = disturb(references)
    expected = bss_eval(references, estimates)
    estimates[1] = 0
    sources, images = bss_eval(references, estimates)
    assert sources.sdr[1] == -np.inf
    assert images.sdr[1] == 0  # the whole image is error
    assert np.isnan(
        [sources.sir[1], sources.sar[1], images.isr[1], images.sir[1], images.sar[1]]
    ).all()
    for ours, of_heard in zip((sources, images), expected, strict=True):
        for mine, other in zip(ours, of_heard, strict=True):
            np.testing.assert_allclose(mine[[0, 2]], other[[0, 2]], rtol=0, atol=1e-9)


def test_one_source_has_no_interference():
    references = noises(1)
    for scores in bss_eval(references, disturb(references, leak=0)):
        assert np.isnan(scores.sir).all()
        np.testing.assert_allclose(scores.sar, -20 * np.log10(0.03), atol=1)
        assert np.isfinite(scores.sdr).all()


@pytest.mark.parametrize("delay", [0, 1, 5, 300])
def test_references_that_repeat_each_other_give_finite_numbers(delay):
    """The other source then explains the estimate as well, so hardly anything is interference."""
    signal = noises(1)[0]
    signal[-400:] = 0
    references = np.stack([signal, np.roll(signal, delay), noises(1, seed=5)[0]])
    estimates = references + 0.1 * noises(3, seed=9)
    for scores in bss_eval(references, estimates):
        for score in scores:
            assert np.isfinite(score).all()
        np.testing.assert_allclose(scores.sar, 20, atol=2)
    if delay == 0:
        sources = bss_eval_sources(references[:2], estimates[:2])
        np.testing.assert_allclose(sources.sar, sources.sdr, atol=1e-3)
        assert (sources.sir > 60).all()


@pytest.mark.parametrize("kind", ["silent but for a click", "constant", "tone", "one sample long"])
def test_references_that_say_little_give_numbers(kind):
    other = noises(1)[0]
    time = np.arange(N)
    poor = {
        "silent but for a click": (time == 700).astype(float),
        "constant": np.ones(N),
        "tone": np.sin(0.3 * time),
        "one sample long": (time == 0).astype(float),
    }[kind]
    references = np.stack([poor, other])
    for scores in bss_eval(references, references + 0.01 * noises(2, seed=9)):
        for score in scores:
            assert np.isfinite(score).all()
        assert (scores.sdr > 0).all()


def test_signals_may_be_shorter_than_the_filter():
    references = np.random.default_rng(0).standard_normal((2, 100))
    estimates = references + 0.1 * np.random.default_rng(1).standard_normal((2, 100))
    for scores in bss_eval(references, estimates):
        assert np.isfinite(scores.sdr).all()


# shapes, number types, views


def test_leading_axes_are_systems_that_are_scored_one_by_one():
    references = noises(3)
    estimates = np.stack(
        [disturb(references, leak=leak, seed=9 + i) for i, leak in enumerate([0.0, 0.1, 0.3, 1.0])]
    )
    estimates[2, 1] = 0
    together = bss_eval(references, estimates.reshape(2, 2, 3, N))
    for variant, scores in enumerate(together):
        for score in scores:
            assert score.shape == (2, 2, 3)
        for i, estimate in enumerate(estimates):
            alone = bss_eval(references, estimate)[variant]
            assert_close(type(alone)(*(score.reshape(4, 3)[i] for score in scores)), alone, 1e-9)


def test_many_systems_keep_their_places():
    references = noises(3)
    levels = np.geomspace(0.01, 3, 50)[:, None, None]
    estimates = references + levels * np.random.default_rng(1).standard_normal((50, 3, N))
    sources, images = bss_eval(references, estimates)
    for i in (0, 20, 21, 22, 42, 43, 49):
        alone = bss_eval(references, estimates[i])
        assert_close(type(sources)(*(score[i] for score in sources)), alone[0], 1e-9)
        assert_close(type(images)(*(score[i] for score in images)), alone[1], 1e-9)


def test_systems_of_two_channels_are_scored_one_by_one():
    references = noises(4).reshape(2, 2, N)
    estimates = references + 0.1 * np.random.default_rng(1).standard_normal((3, 2, 2, N))
    together = bss_eval_images(references, estimates)
    for i in range(3):
        assert_close(
            type(together)(*(score[i] for score in together)),
            bss_eval_images(references, estimates[i]),
            1e-9,
        )


def test_the_order_of_the_sources_does_not_matter():
    references = noises(3)
    estimates = disturb(references)
    order = [2, 0, 1]
    for turned, plain in zip(
        bss_eval(references[order], estimates[order]), bss_eval(references, estimates), strict=True
    ):
        assert_close(turned, type(plain)(*(score[order] for score in plain)), 1e-6)


def test_both_variants_are_those_that_can_be_had_alone():
    references = noises()
    estimates = disturb(references)
    sources, images = bss_eval(references, estimates)
    assert_close(bss_eval_sources(references, estimates), sources, 1e-9)
    assert_close(bss_eval_images(references[:, None], estimates[:, None]), images, 1e-9)


def test_single_precision_gives_the_same_scores():
    references = noises()
    estimates = disturb(references)
    single = bss_eval(references.astype(np.float32), estimates.astype(np.float32))
    for ours, expected in zip(single, bss_eval(references, estimates), strict=True):
        assert_close(ours, expected, 1e-3)


def test_integers_are_samples_as_well():
    references = np.round(1000 * noises()).astype(np.int16)
    estimates = np.round(disturb(references)).astype(np.int16)
    for ours, expected in zip(
        bss_eval(references, estimates),
        bss_eval(references.astype(float), estimates.astype(float)),
        strict=True,
    ):
        assert_close(ours, expected, 1e-9)


@pytest.mark.parametrize("backend", ["torch", "mir_eval"])
@pytest.mark.parametrize(
    "view",
    [
        lambda array: array[::-1],
        lambda array: array[:, ::-1],
        lambda array: array.T.copy().T,
        lambda array: array.repeat(2, 1)[:, ::2],
    ],
    ids=["sources reversed", "time reversed", "other order of axes", "every other sample"],
)
def test_a_view_is_as_good_as_a_copy(view, backend):
    if backend == "mir_eval":
        pytest.importorskip("mir_eval")
    references = noises()
    views = view(references), view(disturb(references))
    copies = [np.ascontiguousarray(array) for array in views]
    for ours, expected in zip(
        bss_eval(*views, backend=backend), bss_eval(*copies, backend=backend), strict=True
    ):
        assert_close(ours, expected, 1e-9)


@pytest.mark.filterwarnings("error")
def test_the_mixture_itself_is_an_estimate_and_nothing_is_modified():
    """`IdealMasks` passes one read-only signal as the estimate of all sources."""
    references = noises()
    mixture = references.sum(0)
    references.flags.writeable = mixture.flags.writeable = False
    copies = references.copy(), mixture.copy()
    sources, _ = bss_eval(references, np.broadcast_to(mixture, references.shape))
    chance = FILTER_LENGTH / N  # part of a noise that delays of the other noise explain
    np.testing.assert_allclose(sources.sir, 10 * np.log10((1 + chance) / (1 - chance)), atol=0.3)
    assert sources.sar.min() > 100
    np.testing.assert_array_equal(references, copies[0])
    np.testing.assert_array_equal(mixture, copies[1])


# wrong input


@pytest.mark.parametrize("backend", ["torch", "mir_eval"])
@pytest.mark.parametrize(
    ("references", "estimates", "complaint"),
    [
        (noises(), noises()[:, :-1], r"4000\).*3999\)"),
        (noises(), noises(3), r"\(2, .*\(3, "),
        (noises(3), noises(), r"\(3, .*\(2, "),
        (noises(), noises()[0], r"\(2, .*4000\).*4000,?\)"),
        (noises()[0], noises()[0], r"\(4000.*4000,?\)"),
        (noises() * [[1], [0]], noises(), "a reference is silent"),
        (noises() + np.where(np.arange(N) == 7, np.nan, 0), noises(), "NaN"),
        (noises(), noises() + np.where(np.arange(N) == 7, np.inf, 0), "infinite"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(backend, references, estimates, complaint):
    if backend == "mir_eval":
        pytest.importorskip("mir_eval")
    with pytest.raises(InputError, match=complaint) as caught:
        bss_eval(references, estimates, backend=backend)
    assert "\n" not in str(caught.value)


def test_images_of_other_channels_are_refused():
    references = noises(4).reshape(2, 2, N)
    with pytest.raises(InputError, match=r"\(2, 2, 4000\).*\(2, 1, 4000\)"):
        bss_eval_images(references, references[:, :1])
    with pytest.raises(InputError, match="a reference is silent"):
        bss_eval_images(references * np.array([1, 0])[:, None, None], references)


def test_a_silent_channel_is_no_silent_reference():
    references = noises(4).reshape(2, 2, N)
    references[0, 1] = 0
    images = bss_eval_images(
        references, references + 0.1 * np.random.default_rng(1).standard_normal(references.shape)
    )
    for score in images:
        assert np.isfinite(score).all()


def test_an_unknown_backend_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match=r"'matlab'.*torch, mir_eval"):
        bss_eval(noises(), noises(), backend="matlab")


def test_without_mir_eval_its_backend_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "mir_eval", None)
    with pytest.raises(InputError, match="pip install"):
        bss_eval(noises(), noises(), backend="mir_eval")


# mir_eval


@pytest.mark.parametrize("n_sources", [1, 2, 3])
def test_both_backends_agree(n_sources):
    pytest.importorskip("mir_eval")
    references = noises(n_sources)
    systems = np.stack(
        [filter_signals(disturb(references)), disturb(references, leak=0.5, noise=0.5)]
    )
    systems[1, 0] = 0
    ours, theirs = (
        bss_eval(references, systems, backend=backend) for backend in ("torch", "mir_eval")
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(mine, other, 1e-6)


def brick_wall(signals):
    """Remove everything above 0.1 of half the sampling rate."""
    spectra = np.fft.rfft(signals)
    spectra[:, N // 20 :] = 0
    return np.fft.irfft(spectra, N)


def steep(signals):
    """Reduce everything above a third of half the sampling rate by 160 dB."""
    return filter_signals(signals, scipy.signal.firwin(255, 0.3, window=("kaiser", 20)))


def both_low(low):
    return low(noises())


def one_low(low):
    return np.stack([low(noises())[0], noises()[1]])


def alone(low):
    return low(noises(1))


@pytest.mark.parametrize("low", [brick_wall, steep])
@pytest.mark.parametrize("which", [alone, one_low, both_low])
@pytest.mark.parametrize("noise", [0.1, 1e-3])
@pytest.mark.parametrize("noise_too", [False, True])
def test_where_references_have_nothing_in_a_band_artefacts_are_not_larger_than_those_of_mir_eval(
    low, which, noise, noise_too
):
    """The Gram matrix is nearly singular: of several solutions the best has the least error."""
    pytest.importorskip("mir_eval")
    references = which(low)
    disturbance = noises(len(references), seed=9)
    estimates = (
        references
        + 0.1 * references[::-1]
        + noise * (low(disturbance) if noise_too else disturbance)
    )
    ours, theirs = (
        bss_eval(references, estimates, backend=backend) for backend in ("torch", "mir_eval")
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.sar > other.sar - 0.01).all()
        assert (mine.sdr > other.sdr - 0.01).all()
