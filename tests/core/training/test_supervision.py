"""True sources and strong labels reach the loss, varied as their recordings are."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from absslab.core.audio import sound_files
from absslab.core.audio.stft import STFT
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.data.batches import Batch, Events, References
from absslab.core.data.mixture_folder import source_files
from absslab.core.model.checkpoint import load_checkpoint
from absslab.core.model.feature_config import FeatureConfig
from absslab.core.model.front_end import FrontEnd
from absslab.core.model.mask_networks import MASK_NETS
from absslab.core.training.augmentation import (
    AugmentationConfig,
    SourceSpectra,
    augment,
    describe_alone,
)
from absslab.core.training.events import EpochResult
from absslab.core.training.experiment import Experiment
from absslab.core.training.frame_labels import FrameLabels, label_frames, roll_events
from absslab.core.training.losses import (
    find_sounding_frames,
    frame_tag_loss,
    measure_shares,
    ratio_mask_loss,
    silent_mask_loss,
    source_share_loss,
    tag_frames,
)
from absslab.core.training.settings import Settings

RATE = 8000
STFT_ = STFT(window_size=256, hop_size=128)
ALL = AugmentationConfig(
    pair_probability=0.7, pair_gain_range=(-6.0, 6.0), roll=True, gain_range=(-8.0, 4.0),
    equaliser=3.0,
)  # fmt: skip
LENGTHS = [900, 2048, 1500, 2048, 2048, 1800]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(lengths=None):
    """Six recordings of two sources each, without background; classes 0 to 3."""
    B, N = 6, 2048
    recordings = torch.arange(B).repeat_interleave(2)
    classes = torch.tensor([0, 1, 1, 2, 2, 3, 3, 0, 0, 2, 1, 3])
    waveforms = noise(len(classes), N)
    events = Events(
        recordings,
        classes,
        torch.linspace(0, 600, 12).floor(),
        torch.linspace(100, 890, 12).floor(),
        torch.ones(12) > 0,
    )
    times = torch.arange(N)
    sounding = (times >= events.onsets[:, None]) & (times < events.offsets[:, None])
    waveforms = waveforms * sounding
    labels = torch.zeros(B, 4)
    labels[recordings, classes] = 1
    mixtures = torch.zeros(B, N).index_add(0, recordings, waveforms)
    n_samples = None if lengths is None else torch.tensor(lengths)
    references = References(waveforms, recordings, classes)
    return Batch(mixtures, n_samples, labels, torch.arange(B), references, events)


def augmented(of, seed=0, config=ALL):
    return augment(of, config, STFT_, RATE, np.random.default_rng(seed))


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("seed", range(4))
def test_sources_are_varied_as_their_recordings_are(lengths, seed):
    pairs = augmented(batch(lengths), seed)
    mixtures = pairs.first + pairs.second
    rest = mixtures.index_add(0, pairs.sources.recordings, -pairs.sources.spectra)
    assert pairs.second.abs().max() > 0
    assert rest.abs().max() < 1e-5 * mixtures.abs().max()
    keys = pairs.sources.recordings * 4 + pairs.sources.classes
    assert len(keys.unique()) == len(keys)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_what_is_known_of_recordings_changes_no_augmentation(lengths):
    known = batch(lengths)
    plain = augmented(known._replace(references=None, events=None))
    pairs = augmented(known)
    for name in ("first", "second", "labels_first", "labels_second"):
        assert torch.equal(getattr(pairs, name), getattr(plain, name))
    assert plain.sources is None
    assert plain.frames_first is None


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("seed", range(4))
def test_events_are_shifted_as_their_recordings_are(lengths, seed):
    pairs = augmented(batch(lengths), seed)
    frames = pairs.frames_first.join(pairs.frames_second)
    sources = pairs.sources
    power = sources.spectra.abs().square().sum(1)  # (R, T)
    possible = frames.possible[sources.recordings, sources.classes]
    assert not power[~possible].any()
    certain = frames.certain[sources.recordings, sources.classes]
    assert (power[certain] > 0).all()
    assert (frames.possible | ~frames.certain).all()
    assert frames.certain.any()


def test_a_recording_that_meets_none_lends_no_events():
    pairs = augmented(batch(), config=replace(ALL, pair_probability=0.5), seed=1)
    alone = ~pairs.labels_second.any(1)
    assert alone.any()
    assert not pairs.frames_second.possible[alone].any()
    assert pairs.frames_second.possible[~alone].any()


def test_an_event_that_meets_the_end_is_cut_in_two():
    one = torch.zeros(1, dtype=torch.int64)
    events = Events(one, one, torch.tensor([50.0]), torch.tensor([90.0]), torch.ones(1) > 0)
    rolled = roll_events(events, torch.tensor([30]), torch.tensor([100]))
    assert rolled.onsets.tolist() == [80, 0]
    assert rolled.offsets.tolist() == [100, 20]


def test_frames_at_the_border_of_an_event_are_possible_but_not_certain():
    one = torch.zeros(1, dtype=torch.int64)
    events = Events(one, one, torch.tensor([256.0]), torch.tensor([513.0]), torch.ones(1) > 0)
    frames = label_frames(events, (1, 2, 7), STFT_)
    assert frames.certain[0, 0].tolist() == [False, False, True, True, True, False, False]
    assert frames.possible[0, 0].tolist() == [False, False, True, True, True, True, False]
    assert not frames.possible[0, 1].any()
    weak = events._replace(are_exact=torch.zeros(1) > 0)
    assert not label_frames(weak, (1, 2, 7), STFT_).certain.any()


@pytest.fixture(scope="module")
def front_end():
    return FrontEnd(FeatureConfig(sampling_rate=RATE, n_mels=24))


@pytest.fixture(scope="module")
def scene(front_end):
    """A mixture of two sources and a background, in spectra, and its shares."""
    parts = front_end.stft(noise(3, RATE) * torch.tensor([1.0, 0.5, 0.25])[:, None])
    rows = torch.zeros(2, dtype=torch.int64)
    sources = SourceSpectra(parts[:2], rows, torch.tensor([0, 2]))
    mixture = parts.sum(0)[None]
    return sources, measure_shares(mixture, sources, front_end), front_end.power(parts)


def test_shares_of_sources_and_background_are_those_of_their_powers(scene):
    _, shares, powers = scene
    total = powers.sum(0)
    assert torch.allclose(shares.classes, powers[:2] / total, atol=1e-5)
    assert torch.allclose(shares.background, powers[2:] / total, atol=1e-4)
    assert torch.allclose(shares.classes.sum(0) + shares.background[0], torch.ones(()), atol=1e-5)


def test_sources_sound_where_they_have_power():
    spectra = torch.zeros(2, 5, 6, dtype=torch.complex64)
    sources = SourceSpectra(spectra, torch.tensor([0, 1]), torch.tensor([2, 0]))
    powers = torch.zeros(2, 4, 6)
    powers[0, 1] = torch.tensor([0, 1e-7, 1e-4, 0.1, 1.0, 0])  # of its loudest frame
    frames = find_sounding_frames(powers, sources, (2, 3, 6))
    expected = torch.zeros(2, 3, 6, dtype=torch.bool)
    expected[0, 2, 2:5] = True
    assert torch.equal(frames.possible, expected)
    expected[0, 2, 2] = False
    assert torch.equal(frames.certain, expected)  # the second source is silent


def test_silence_is_background(front_end):
    silence = torch.zeros(1, 513, 9, dtype=torch.complex64)
    nothing = SourceSpectra(silence[:0], *torch.zeros(2, 0, dtype=torch.int64))
    shares = measure_shares(silence, nothing, FrontEnd(FeatureConfig(sampling_rate=16000)))
    assert torch.equal(shares.background, torch.ones_like(shares.background))


def test_the_loss_of_competing_masks_is_smallest_at_the_true_shares(scene):
    sources, shares, _ = scene
    logits = torch.zeros(1, 4, *shares.background.shape[1:], requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    weights = torch.ones_like(shares.background)
    for _ in range(300):
        optimizer.zero_grad()
        log_masks = logits.log_softmax(1)
        masks = log_masks[:, :3].exp()
        source_share_loss(masks, log_masks[:, 3], shares, sources, weights).backward()
        optimizer.step()
    masks = logits.softmax(1).detach()[0]
    assert (masks[0] - shares.classes[0]).abs().mean() < 0.01
    assert (masks[2] - shares.classes[1]).abs().mean() < 0.01
    assert (masks[3] - shares.background[0]).abs().mean() < 0.01
    assert masks[1].max() < 0.01


def test_the_loss_of_independent_masks_is_their_distance_from_the_ratio_masks(scene):
    sources, shares, _ = scene
    ideal = torch.zeros(1, 3, *shares.background.shape[1:])
    ideal[0, [0, 2]] = shares.classes
    weights = torch.ones_like(shares.background)
    assert ratio_mask_loss(ideal, shares, sources, weights) == 0
    wrong = ideal.clone()
    wrong[0, 1] += 0.3
    loss = ratio_mask_loss(wrong, shares, sources, weights)
    assert loss.item() == pytest.approx(0.1, rel=1e-4)


FRAMES = FrameLabels(
    torch.tensor([[[1, 1, 0, 0]]]) > 0,
    torch.tensor([[[1, 0, 0, 0]]]) > 0,
)


def test_masks_are_pushed_down_where_no_event_sounds():
    masks = torch.full((1, 1, 3, 4), 0.5, requires_grad=True)
    loss = silent_mask_loss(masks, FRAMES)
    loss.backward()
    assert loss.item() == 0.5
    assert (masks.grad.abs().sum((0, 1, 2)) > 0).tolist() == [False, False, True, True]
    assert silent_mask_loss(masks, FRAMES, torch.tensor([2])) == 0


def test_tags_of_frames_follow_the_events_and_borders_stay_open():
    masks = torch.full((1, 1, 3, 4), 0.5, requires_grad=True)
    loss = frame_tag_loss(tag_frames(masks), FRAMES)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2))
    assert masks.grad[0, 0, 0].sign().tolist() == [-1, 0, 1, 1]
    silent = torch.zeros(1, 1, 3, 4, requires_grad=True)
    frame_tag_loss(tag_frames(silent), FRAMES).backward()
    assert torch.isfinite(silent.grad).all()


def with_training(settings, **changes) -> Settings:
    return replace(settings, training=replace(settings.training, **changes))


def finish(experiment):
    return [event for event in experiment.run() if isinstance(event, EpochResult)]


@pytest.mark.parametrize("masks", ["competing", "independent"])
@pytest.mark.parametrize("supervision", ["events", "sources"])
def test_each_supervision_trains_either_kind_of_masks(new_run, supervision, masks):
    settings = replace(new_run, model=replace(new_run.model, masks=masks))
    share_weight = 2.0 if masks == "competing" else 0.0
    settings = with_training(
        settings, supervision=supervision, share_weight=share_weight, n_epochs=3
    )
    results = finish(Experiment(settings))
    extra = {"share"} if masks == "competing" else {"frame"} if supervision == "events" else set()
    assert all(set(result.losses) == {"total", "tag", "absent"} | extra for result in results)
    assert results[-1].losses["total"] < results[0].losses["total"]
    made = load_checkpoint(settings.run.save_path).made
    assert made["settings"]["training"]["supervision"] == supervision


def test_presence_is_learnt_from_true_sources(new_run):
    mask_net = MASK_NETS["Presence_U_Net"][0](presence_channels=(4, 4, 4), presence_context=4)
    model = replace(new_run.model, model_type="Presence_U_Net", masks="competing")
    settings = replace(new_run, model=model, mask_net=mask_net)
    results = finish(Experiment(with_training(settings, supervision="sources", n_epochs=3)))
    losses = [result.losses["presence"] for result in results]
    assert losses[-1] < losses[0]


def test_a_training_with_sources_reads_them_from_files_as_from_memory(new_run, tmp_path):
    losses = []
    for name, data in {"a": {}, "b": {"in_memory": False, "n_loaders": 1}}.items():
        settings = with_training(new_run, supervision="sources", n_epochs=1)
        settings = replace(
            settings,
            data=replace(settings.data, **data),
            run=replace(settings.run, save_path=str(tmp_path / f"{name}.ckpt")),
        )
        losses += [result.losses for result in finish(Experiment(settings))]
    assert losses[0] == losses[1]


def test_batches_have_the_sources_and_events_of_their_clips(new_run):
    """A recording is cut into two clips."""
    settings = replace(new_run, data=replace(new_run.data, clip_length=1.0))
    sources = run_to_end(Experiment(with_training(settings, supervision="sources")).prepare())
    events = run_to_end(Experiment(with_training(settings, supervision="events")).prepare())
    train = sources.data.train
    assert len(train) == 48
    with_sources = next(iter(train.batches(48)))
    references = with_sources.references
    clip = 5
    path = train.path(clip)
    expected = {
        train.classes.index(name): sound_files.load(file)[16000:]
        for name, file in source_files(path).items()
        if name != "background"
    }
    own = references.recordings == clip
    found = dict(zip(references.classes[own].tolist(), references.waveforms[own], strict=True))
    assert {k for k, sound in expected.items() if sound.any()} == set(found)
    for k, sound in found.items():
        np.testing.assert_array_equal(sound, expected[k])
    with_events = next(iter(events.data.train.batches(48)))
    frames = describe_alone(
        with_events, STFT_(with_events.waveforms), STFT_
    ).frames_first  # (B, K, T)
    sounding = STFT_(references.waveforms).abs().amax(1) > 1e-3  # (R, T)
    assert frames.possible[references.recordings, references.classes][sounding].all()


@pytest.fixture
def copied(mixtures, new_run, tmp_path):
    """Settings with a copy of the mixtures, and the copy."""
    folder = tmp_path / "mixtures"
    shutil.copytree(mixtures, folder)
    return replace(new_run, data=replace(new_run.data, data_folder=str(folder))), folder


def refuse(settings, match):
    with pytest.raises(InputError, match=match):
        finish(Experiment(settings))


def test_sources_that_were_not_saved_are_told_in_one_line(copied, tmp_path):
    settings, folder = copied
    settings = with_training(settings, supervision="sources")
    shutil.rmtree(folder / "validation" / "000003")
    refuse(settings, r"needs the true sources of all recordings, but 1 of 8 in .* such as .*000003")
    shutil.rmtree(folder / "train" / "000000")
    shutil.rmtree(folder / "train" / "000001")
    refuse(settings, r"2 of 24 .* mix them with --sources active, or train with --supervision weak")
    assert not (tmp_path / "run").exists()


def test_a_source_of_another_length_is_told_before_the_first_epoch(copied):
    settings, folder = copied
    path = next(path for path in (folder / "train" / "000002").iterdir() if path.stem[0] != "b")
    sound_files.save(path, np.zeros(1000, np.int16), 16000)
    refuse(
        with_training(settings, supervision="sources"),
        r"000002/.*flac has 1000 samples, .*000002.wav has 32000: a source has the rate and the",
    )


def test_a_label_without_source_is_counted(copied):
    settings, folder = copied
    path = next(path for path in (folder / "train" / "000002").iterdir() if path.stem[0] != "b")
    path.unlink()
    with collect_notices() as notices:
        run_to_end(Experiment(with_training(settings, supervision="sources")).prepare())
    assert "1 of 24 recordings are labelled with classes of which they have no source" in str(
        notices[0]
    )


def test_strong_labels_that_are_missing_are_told_in_one_line(copied, tmp_path):
    settings, folder = copied
    settings = with_training(settings, supervision="events")
    (folder / "train" / "events.tsv").unlink()
    refuse(settings, "supervision events needs strong labels, and there are none in .*events.tsv")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("supervision", ["events", "sources"])
def test_recordings_of_a_split_that_are_all_broken_are_named(copied, supervision):
    settings, folder = copied
    for path in (folder / "validation").glob("*.wav"):
        path.write_bytes(b"no sound")
    settings = replace(settings, run=replace(settings.run, on_error="skip"))
    refuse(with_training(settings, supervision=supervision), "8 of 40 files can't be used: ")


def test_strong_labels_of_some_recordings_go_with_weak_ones_of_others(copied):
    settings, folder = copied
    table = folder / "train" / "events.tsv"
    lines = table.read_text().splitlines()
    names = {line.split("\t")[0] for line in lines[1:]}
    kept = [line for line in lines if not line.startswith("000000.wav")]
    table.write_text("\n".join(kept) + "\n")
    with collect_notices() as notices:
        trainer = run_to_end(Experiment(with_training(settings, supervision="events")).prepare())
    assert "000000.wav" in names
    assert "1 of 24 recordings are labelled with classes of which" in str(notices[0])
    first = next(iter(trainer.data.train.batches(24)))
    own = first.events.recordings == 0
    assert own.any()
    assert not first.events.are_exact[own].any()
    assert first.events.are_exact[~own].all()


def test_events_of_a_class_that_is_not_labelled_are_left_out(copied):
    settings, folder = copied
    table = folder / "train" / "weak_labels.csv"
    lines = table.read_text().splitlines()
    n_classes = lines[0].count(",")
    lines[1] = "000000.wav" + ",0" * n_classes
    table.write_text("\n".join(lines) + "\n")
    with collect_notices() as notices:
        trainer = run_to_end(Experiment(with_training(settings, supervision="events")).prepare())
    assert "of classes that their recordings are not labelled with: left out" in str(notices[0])
    first = next(iter(trainer.data.train.batches(24)))
    assert not (first.events.recordings == 0).any()


@pytest.mark.parametrize("supervision", ["events", "sources"])
def test_stored_features_have_no_sources_and_no_events(new_run, tmp_path, supervision):
    settings = with_training(new_run, supervision=supervision, share_weight=0.0)
    settings = replace(
        settings,
        data=replace(settings.data, feature_store=str(tmp_path)),
        augmentation=AugmentationConfig(),
    )
    refuse(settings, "supervision need waveforms")


def test_a_loss_must_use_the_sources(new_run):
    settings = with_training(new_run, supervision="sources", share_weight=0.0)
    refuse(settings, "share_weight is 0, but it is the weight of the loss on true sources")
    settings = replace(settings, model=replace(settings.model, masks="independent"))
    settings = with_training(settings, l1_weight=0.0)
    refuse(settings, "l1_weight is 0, but it is the weight .* with independent masks")


def test_a_training_with_sources_goes_on_after_a_cut_as_if_there_was_none(new_run, tmp_path):
    settings = with_training(new_run, supervision="sources", n_epochs=2)
    finish(Experiment(settings))
    cut = replace(settings, run=replace(settings.run, save_path=str(tmp_path / "cut.ckpt")))
    run = Experiment(cut).run()
    while not isinstance(next(run), EpochResult):
        pass
    run.close()
    finish(Experiment.resume(tmp_path / "cut" / "last.ckpt"))
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("run", "cut")]
    losses = [[json.loads(line)["losses"] for line in text.splitlines()] for text in lines]
    assert losses[0] == losses[1]
