"""The separation panel: choose, listen, move a slider, save; the command line gives the same."""

import asyncio
import shutil
from datetime import datetime

import ipywidgets
import numpy as np
import pytest

from absslab.cli.main import main
from absslab.core.audio import sound_files
from absslab.core.common.devices import choose_device
from absslab.core.common.errors import InputError
from absslab.core.model.event_thresholds import ClassThresholds, EventThresholds
from absslab.core.separation.detection import DetectionConfig
from absslab.core.separation.masks import SeparationConfig
from absslab.core.separation.separator import Separator
from absslab.core.separation.settings import read_settings
from absslab.widgets.listening.live_separation import Excerpt, LiveSeparation
from absslab.widgets.listening.playback import read_known_events
from absslab.widgets.panels import State
from absslab.widgets.panels.separation import SeparationPanel
from absslab.widgets.player.any_sound import make_tracks
from absslab.widgets.player.mixdown import MixState


@pytest.fixture(scope="module")
def mixture(mixtures):
    return mixtures / "test" / "000000.wav"


@pytest.fixture
def panel(checkpoint, mixture, tmp_path, settle):
    panel = SeparationPanel(
        State(
            runs_folder=str(checkpoint.parent),
            run=str(checkpoint.with_suffix("")),
            mixture=str(mixture),
        )
    )
    settle()
    yield panel
    panel.close()


def samples_of(panel, name):
    player = panel.recording_view.player
    track = next(track for track in player.tracks if track.name == name)
    return track.sound.read(0, player.n_samples)


def si_sdr(reference, estimate):
    """Le Roux et al. 2019, eq. 5, without the means."""
    reference = reference.astype(float) - reference.mean(dtype=float)
    estimate = estimate.astype(float) - estimate.mean(dtype=float)
    target = (estimate @ reference) / (reference @ reference) * reference
    return 10 * np.log10((target**2).sum() / ((estimate - target) ** 2).sum())


def test_an_error_in_playing_the_sources_is_shown(panel, settle, monkeypatch):
    def show_tracks(*args, **options):
        raise InputError("there is nothing to listen to")

    monkeypatch.setattr(panel.recording_view, "show_tracks", show_tracks)
    panel.separate()
    settle()
    assert panel.message == "there is nothing to listen to"


def test_a_slider_sends_only_what_it_changed(panel, settle):
    panel.separate()
    settle()
    player = panel.recording_view.player
    messages = []
    player.send = lambda content, buffers=None: messages.append(content)
    player._handle_custom_msg({"type": "ready"}, [])
    panel.masks.sliders["mask_power"].value = 2.0
    settle()
    before, after = [content for content in messages if content["type"] == "tracks"]
    pairs = list(zip(before["tracks"], after["tracks"], strict=True))
    changed = {new["kind"] for old, new in pairs if new["version"] != old["version"]}
    same = {new["kind"] for old, new in pairs if new["version"] == old["version"]}
    assert changed == {"source", "residual"}
    assert {"mixture", "reference"} <= same
    assert [content["track"] for content in messages if content["type"] == "pcm"] == [0]


def test_a_slider_has_a_hundred_steps(panel):
    sliders = dict(panel.masks.sliders)
    for name in ("binary_masks", "separation_method"):
        assert isinstance(sliders.pop(name), ipywidgets.Dropdown)
    for name, slider in sliders.items():
        assert (slider.max - slider.min) / slider.step == pytest.approx(100), name


def test_the_state_says_what_is_separated_and_the_controls_say_it_to_the_state(
    panel, checkpoint, mixture, settle
):
    assert panel.choice.checkpoint == checkpoint
    assert panel.choice.file == mixture
    panel.choice.path.value = str(mixture.with_name("000001.wav"))
    settle()
    assert panel.state.mixture == str(mixture.with_name("000001.wav"))
    panel.state.mixture = str(mixture)
    settle()
    assert panel.choice.path.value == str(mixture)


def test_the_mixtures_of_the_set_are_offered(panel, mixtures, settle):
    assert panel.choice.path.options == ()
    panel.state.mixture_folder = str(mixtures)
    settle()
    assert str(mixtures / "test" / "000000.wav") in panel.choice.path.options
    panel.state.split = "validation"
    settle()
    assert {path.split("/")[-2] for path in panel.choice.path.options} == {"validation"}
    panel.state.mixture_folder = "nowhere"
    settle()
    assert panel.choice.path.options == ()


def test_a_mixture_is_shown_with_sources_references_scores_and_events(
    panel, checkpoint, mixture, settle
):
    panel.separate()
    settle()
    assert panel.message == ""
    device = choose_device("auto")  # as the panel does
    expected = Separator.from_checkpoint(str(checkpoint), device).separate(
        *sound_files.load_channels(mixture)
    )
    for name, source in zip(expected.classes, expected.sources, strict=True):
        np.testing.assert_allclose(samples_of(panel, name), source, atol=1e-6)
    kinds = {track.kind for track in panel.recording_view.player.tracks}
    assert kinds == {"mixture", "source", "residual", "reference", "background"}
    for name, (score, improvement) in panel.live_result.si_sdr.items():
        reference = sound_files.load(mixture.with_suffix("") / f"{name}.flac")
        assert score == pytest.approx(si_sdr(reference, samples_of(panel, name)[0]), abs=1e-3)
        assert improvement == pytest.approx(
            score - si_sdr(reference, sound_files.load(mixture)), abs=1e-3
        )
    references = [
        track.name for track in panel.recording_view.player.tracks if track.kind == "reference"
    ]
    assert {f"{name} (reference)" for name in panel.live_result.si_sdr} == set(references)
    assert "improvement" in panel.scores.value


def test_the_method_and_binary_masks_can_be_chosen(panel, checkpoint, mixture, settle):
    panel.separate()
    settle()
    panel.masks.sliders["separation_method"].value = "in_log"
    panel.masks.sliders["binary_masks"].value = True
    settle()
    config = SeparationConfig(separation_method="in_log", binary_masks=True)
    assert panel.masks.config == config
    expected = Separator.from_checkpoint(str(checkpoint), config=config).separate(
        *sound_files.load_channels(mixture)
    )
    np.testing.assert_allclose(samples_of(panel, "residual"), expected.residual, atol=1e-6)
    panel.masks.set(SeparationConfig())
    assert panel.masks.config == SeparationConfig()


def test_a_slider_changes_the_sound_as_the_core_does(panel, checkpoint, mixture, settle):
    panel.separate()
    settle()
    panel.masks.sliders["mask_threshold"].value = 0.5
    settle()
    panel.masks.sliders["mask_power"].value = 2.0
    settle()
    config = SeparationConfig(mask_threshold=0.5, mask_power=2.0)
    expected = Separator.from_checkpoint(str(checkpoint), config=config).separate(
        *sound_files.load_channels(mixture)
    )
    np.testing.assert_allclose(samples_of(panel, "residual"), expected.residual, atol=1e-6)
    panel.masks.set(SeparationConfig())
    settle()
    untouched = Separator.from_checkpoint(str(checkpoint)).separate(
        *sound_files.load_channels(mixture)
    )
    np.testing.assert_allclose(samples_of(panel, "residual"), untouched.residual, atol=1e-6)


def test_what_is_heard_is_saved_and_the_command_line_makes_the_same(
    panel, checkpoint, mixture, tmp_path, settle
):
    panel.separate()
    settle()
    panel.masks.sliders["mask_power"].value = 1.6
    settle()
    player = panel.recording_view.player
    gains = [
        {"speech": -6.0, "residual": 3.0}.get(track.name, float("-inf")) for track in player.tracks
    ]
    player._mix_state = MixState(tuple(gains), {})
    wav, settings = panel.save(str(tmp_path / "mine"))
    assert read_settings(settings).separation.mask_power == 1.6
    assert read_settings(settings).gains["speech"] == pytest.approx(-6)
    flags = [
        "--checkpoint_path",
        str(checkpoint),
        "--input",
        str(mixture),
        "--settings",
        str(settings),
    ]
    assert (
        main(["separate", *flags, "--output_folder", str(tmp_path / "out"), "--device", "cpu"]) == 0
    )
    np.testing.assert_allclose(
        sound_files.load(wav),
        sound_files.load(tmp_path / "out" / mixture.stem / "remix.wav"),
        atol=1e-4,
    )


def test_wav_and_settings_that_are_saved_belong_together(panel, tmp_path, monkeypatch, settle):
    panel.separate()
    settle()
    panel.recording_view.player._mix_state = MixState.only(panel.recording_view.player.tracks, [1])
    # The result of the slider's change is still being computed.
    monkeypatch.setattr(panel._latest, "request", lambda *args: None)
    panel.masks.sliders["mask_threshold"].value = 1.0
    settle()
    _, settings = panel.save(str(tmp_path / "mine"))
    assert read_settings(settings).separation.mask_threshold == 0


def test_references_that_are_heard_are_not_saved_as_settings(panel, tmp_path, settle):
    panel.separate()
    settle()
    player = panel.recording_view.player
    reference = next(k for k, track in enumerate(player.tracks) if track.kind == "reference")
    player._mix_state = MixState.only(player.tracks, [reference])
    with pytest.raises(InputError, match="which no model makes"):
        panel.save(str(tmp_path / "x"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_can_be_saved_before_something_is_separated(panel, settle):
    panel.guard(panel.save)()
    settle()
    assert panel.message == "there is nothing to save: separate a recording first"


def test_an_excerpt_has_its_own_references_and_events(checkpoint, mixture):
    live = LiveSeparation.open(
        Separator.from_checkpoint(str(checkpoint)), Excerpt.of(mixture, 0.5, 1.0)
    )
    assert live.waveform.shape == (1, 16000)
    total = sum(track.sound.read(0, 16000) for track in live.references)
    np.testing.assert_allclose(total, live.waveform, atol=1e-6)
    assert all(0 <= event.onset < event.offset <= 1.0 for event in live.truth)
    live_of_file = LiveSeparation.open(live.separator, Excerpt.of(mixture))
    assert {event.event_label for event in live.truth} <= {
        event.event_label for event in live_of_file.truth
    }


def test_events_that_are_shown_are_found_with_the_thresholds_of_the_model(checkpoint, mixture):
    live = LiveSeparation.open(Separator.from_checkpoint(str(checkpoint)), Excerpt.of(mixture))
    detection = DetectionConfig(tag_threshold=0.0)
    for threshold, n_found in ((0.0, len(live.separator.classes)), (1.0, 0)):
        chosen = dict.fromkeys(live.separator.classes, ClassThresholds(threshold, threshold))
        live.separator.model.event_thresholds = EventThresholds(chosen)
        events = live.separate(SeparationConfig(), detection).events
        assert len({event.event_label for event in events}) == n_found


def test_references_of_another_rate_are_compared_at_the_mixtures(checkpoint, mixture, tmp_path):
    copy = tmp_path / "a.wav"
    shutil.copy(mixture, copy)
    for path in mixture.with_suffix("").iterdir():
        samples, rate = sound_files.load_channels(path)
        sound_files.save(
            tmp_path / "a" / f"{path.stem}.wav", sound_files.resample(samples, rate, 44100), 44100
        )
    separator = Separator.from_checkpoint(str(checkpoint))
    scores = [
        LiveSeparation.open(separator, Excerpt.of(path)).separate(SeparationConfig()).si_sdr
        for path in (mixture, copy)
    ]
    assert scores[0]
    for name, (score, improvement) in scores[0].items():
        assert scores[1][name] == pytest.approx((score, improvement), abs=0.2)


def test_references_with_other_channels_than_the_mixture_are_refused(checkpoint, mixture, tmp_path):
    shutil.copy(mixture, tmp_path / "a.wav")
    sound_files.save(tmp_path / "a" / "speech.wav", np.full((2, 32000), 0.1, np.float32), 16000)
    with pytest.raises(InputError, match=r"speech\.wav has 2 channels, its mixture 1"):
        LiveSeparation.open(
            Separator.from_checkpoint(str(checkpoint)), Excerpt.of(tmp_path / "a.wav")
        )


def test_a_table_that_does_not_name_the_file_says_nothing_of_it(checkpoint, mixture, tmp_path):
    for name in ("a.wav", "b.wav"):
        shutil.copy(mixture, tmp_path / name)
    (tmp_path / "events.tsv").write_text(
        "filename\tonset\toffset\tevent_label\nb.wav\t0\t1\ta class of no model\n"
    )
    assert read_known_events(tmp_path / "a.wav") is None
    assert [event.event_label for event in read_known_events(tmp_path / "b.wav")] == [
        "a class of no model"
    ]
    separator = Separator.from_checkpoint(str(checkpoint))
    assert LiveSeparation.open(separator, Excerpt.of(tmp_path / "a.wav")).truth is None
    (event,) = LiveSeparation.open(separator, Excerpt.of(tmp_path / "b.wav", 0.5, 1.0)).truth
    assert (event.onset, event.offset) == (0.0, 0.5)


def test_a_whole_file_is_written_to_a_folder_and_shown(panel, tmp_path, settle):
    panel.output_folder.value = str(tmp_path / "out")
    panel.separate_whole()
    settle()
    player = panel.recording_view.player
    assert {track.kind for track in player.tracks} == {"source", "residual"}
    total = sum(
        track.sound.read(0, player.n_samples) for track in make_tracks(tmp_path / "out" / "000000")
    )
    np.testing.assert_allclose(total[0], sound_files.load(panel.choice.file), atol=1e-4)


def test_all_files_of_a_folder_are_separated_and_what_is_left_out_is_named(
    panel, mixture, tmp_path, settle
):
    (tmp_path / "in").mkdir()
    for name in ("a.wav", "b.wav"):
        shutil.copy(mixture, tmp_path / "in" / name)
    (tmp_path / "in/memo.m4a").write_bytes(b"no sound")
    panel.choice.path.value = str(tmp_path / "in")
    panel.output_folder.value = str(tmp_path / "out")
    panel.on_error.value = "stop"
    panel.separate_whole()
    settle()
    assert "memo.m4a" in panel.message
    assert not (tmp_path / "out").exists()
    panel.on_error.value = "skip"
    panel.separate_whole()
    settle()
    assert "2 files are written" in panel.message
    assert "1 of 3 files was left out" in panel.message
    assert "memo.m4a" in panel.message
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"a", "b", "left_out.csv"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": ""}, "no file is chosen"),
        ({"path": "missing.wav"}, "does not exist"),
        ({"model": ""}, "no model is chosen"),
        ({"model": "missing.ckpt"}, "train a model first"),
        ({"start": 99.0}, "where 000000.wav ends"),
        ({"length": 0.0}, "expected a length above 0"),
        ({"length": 500.0}, "at most 120 s"),
    ],
)
def test_what_can_not_be_separated_is_said_in_the_panel(panel, change, words, settle):
    panel.state.run = ""
    settle()
    for name, value in change.items():
        getattr(panel.choice, name).value = value
    panel.guard(panel.separate)()
    settle()
    assert words in panel.message
    assert 'role="alert"' in panel.message_line.value


def test_a_damaged_or_deleted_model_is_said_in_the_panel(panel, checkpoint, tmp_path, settle):
    shutil.copy(checkpoint, tmp_path / "mine.ckpt")
    (tmp_path / "text.ckpt").write_text("no model")
    panel.separate(checkpoint=str(tmp_path / "text.ckpt"))
    settle()
    assert "text.ckpt" in panel.message
    panel.separate(checkpoint=str(tmp_path / "mine.ckpt"))
    settle()
    assert panel.message == ""
    (tmp_path / "mine.ckpt").unlink()
    panel.guard(panel.separate)()
    settle()
    assert "mine.ckpt does not exist" in panel.message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.wav", b"no sound", "not a readable sound file"),
        ("a.wav", b"", "0 bytes"),
        ("../../b <b>.wav", b"x", "b _b_.wav"),
    ],
)
def test_an_upload_that_is_no_sound_is_said_and_stays_where_it_does_no_harm(
    panel, name, content, words, settle
):
    upload = {
        "name": name,
        "type": "audio/wav",
        "size": len(content),
        "content": content,
        "last_modified": datetime.now(),
    }
    panel.choice.upload.set_trait("value", (upload,))
    settle()
    assert words in panel.message
    (upload_folder,) = panel.choice.uploads.path.iterdir()
    assert upload_folder.parent == panel.choice.uploads.path


def test_an_uploaded_sound_is_separated_and_removed_with_the_panel(panel, mixture, settle):
    upload = {
        "name": "own.wav",
        "type": "",
        "size": 1,
        "content": mixture.read_bytes(),
        "last_modified": datetime.now(),
    }
    panel.choice.upload.set_trait("value", (upload,))
    settle()
    panel.separate()
    settle()
    assert panel.recording_view.player.title == "own.wav"
    folder = panel.choice.uploads.path
    panel.close()
    assert not folder.exists()


def test_the_latest_setting_wins_where_a_loop_runs(checkpoint, mixture):
    async def run():
        panel = SeparationPanel(State(run=str(checkpoint.with_suffix("")), mixture=str(mixture)))
        panel.separate()
        for value in np.linspace(0, 3, 20):
            panel.masks.sliders["mask_power"].value = value
            if panel.live_result is None:
                await panel.loop.until(lambda: panel.live_result is not None)
            await asyncio.sleep(0.002)
        await panel.loop.until(lambda: not panel._latest.is_running)
        got = samples_of(panel, "residual")
        panel.close()
        return got

    config = SeparationConfig(mask_power=3.0)
    expected = Separator.from_checkpoint(str(checkpoint), config=config).separate(
        *sound_files.load_channels(mixture)
    )
    np.testing.assert_allclose(asyncio.run(run()), expected.residual, atol=1e-6)


def test_closing_leaves_no_widget_and_no_observer(checkpoint, mixture, settle):
    state = State(run=str(checkpoint.with_suffix("")), mixture=str(mixture))
    before = set(ipywidgets.widgets.widget._instances)
    panel = SeparationPanel(state)
    settle()
    panel.separate()
    settle()
    panel.close()
    state.mixture = "other.wav"
    assert set(ipywidgets.widgets.widget._instances) == before
