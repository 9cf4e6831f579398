"""The kernel side of the player: its messages to the page, and its answers to the page."""

import asyncio
import inspect
import io
import json

import anywidget
import ipywidgets
import numpy as np
import pytest
import soundfile

from absslab import listen
from absslab.core.audio import sound_files
from absslab.core.common.errors import InputError
from absslab.core.data.mixture_rendering import Mixture
from absslab.plots.figures import RANGE
from absslab.widgets.player.display import player_of
from absslab.widgets.player.player import Player
from absslab.widgets.player.playlist import BUDGET
from absslab.widgets.player.tracks import Mask, Track, array_sound
from absslab.widgets.ui.main_loop import current_main_loop

RATE = 16000


MIX = {"solo": [1], "mute": [], "gains": [0, -6, 0], "level": "raw"}


def tone(hertz, seconds=1.0, level=0.25):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(
        np.float32
    )


class Page:
    """A fake page that shows a player and collects its messages."""

    def __init__(self, player):
        self.player = player
        self.messages = []
        player.send = lambda content, buffers=None: self.messages.append((content, buffers))

    def sends(self, **content):
        self.player._handle_custom_msg(content, [])

    def says(self, **content):
        """Send a message, and return the messages that answer it."""
        self.messages.clear()
        self.sends(**content)
        current_main_loop().settle()
        return self.messages

    def of(self, kind):
        return [(content, buffers) for content, buffers in self.messages if content["type"] == kind]


@pytest.fixture
def sounds():
    return {"speech": tone(440), "knock": tone(1000, level=0.1)}


@pytest.fixture
def page(sounds):
    tracks = [Track("mixture", array_sound(sum(sounds.values()), RATE), "mixture")]
    mask = Mask(np.full((4, 32), 0.5), np.array([100.0, 500, 2000, 6000]), 0.032)
    tracks += [
        Track(name, array_sound(samples, RATE), "source", mask) for name, samples in sounds.items()
    ]
    player = Player(tracks, title="two")
    yield Page(player)
    player.close()


def samples_of(content, buffers):
    samples = np.frombuffer(buffers[0], "<i2").reshape(content["channels"], -1)
    return samples / 32768 * content["scale"]


def test_the_page_is_told_what_there_is_and_gets_what_is_heard_at_once(page, sounds):
    page.says(type="ready")
    (content, buffers), *pcm = page.messages
    assert [(track["name"], track["kind"], track["has_mask"]) for track in content["tracks"]] == [
        ("mixture", "mixture", False),
        ("speech", "source", True),
        ("knock", "source", True),
    ]
    assert (content["rate"], content["length"], content["chunk_length"]) == (RATE, RATE, RATE)
    assert len(buffers[0]) == 2 * 256 * 3
    assert [content["track"] for content, _ in pcm] == [0] == content["coming"]
    np.testing.assert_allclose(samples_of(*pcm[0])[0], sum(sounds.values()), atol=1e-5)


def test_no_sound_lies_in_the_traits_that_notebooks_save(page):
    state = page.player.get_state()
    assert (
        len(
            json.dumps(
                {name: value for name, value in state.items() if name not in ("_esm", "_css")},
                default=str,
            )
        )
        < 2000
    )


@pytest.mark.parametrize("level", [3.0, 1.0, 0.3, 1e-4])
def test_levels_are_true_however_loud_or_quiet_a_sound_is(level):
    samples = (level * np.random.default_rng(0).uniform(-1, 1, RATE)).astype(np.float32)
    page = Page(Player([Track("a", array_sound(samples, RATE))]))
    page.says(type="ready")
    got = samples_of(*page.of("pcm")[0])[0]
    assert np.abs(got - samples).max() <= level / 32768


def test_sixteen_bit_sound_arrives_bit_by_bit(tmp_path):
    samples_in_file = np.random.default_rng(0).integers(-20000, 20000, RATE).astype(np.int16)
    sound_files.save(tmp_path / "a.wav", samples_in_file, RATE)
    page = Page(listen(tmp_path / "a.wav"))
    page.says(type="ready")
    np.testing.assert_array_equal(samples_of(*page.of("pcm")[0])[0] * 32768, samples_in_file)


def test_a_sound_that_does_not_fit_comes_chunk_by_chunk(tmp_path):
    rng = np.random.default_rng(0)
    samples_in_file = rng.integers(-20000, 20000, (2, 44100 * 240)).astype(np.int16)
    sound_files.save(tmp_path / "long.wav", samples_in_file, 44100)
    page = Page(listen(tmp_path / "long.wav"))
    page.says(type="ready")
    ((about, _),) = page.messages
    assert about["chunk_length"] < about["length"] == samples_in_file.shape[1]
    assert about["chunk_length"] * about["kept"] * 4 <= BUDGET
    last = -(-about["length"] // about["chunk_length"]) - 1
    for chunk in (0, 5, last):
        page.says(type="need", chunks=[[0, chunk]])
        ((content, buffers),) = page.messages
        start = chunk * about["chunk_length"]
        expected = samples_in_file[:, start : start + about["chunk_length"]]
        np.testing.assert_array_equal(samples_of(content, buffers) * 32768, expected)


def test_pictures_of_sounds_and_masks_are_sent_as_bytes(page):
    page.says(type="ready")
    request = {
        "type": "tile",
        "track": 1,
        "size": "large",
        "axis": "mel",
        "start": 0.0,
        "end": 1.0,
    }
    ((sound, pixels),) = page.says(**request, what="sound")
    assert len(pixels[0]) == sound["rows"] * sound["columns"]
    image = np.frombuffer(pixels[0], np.uint8).reshape(sound["rows"], -1)
    assert image.max() > 200
    ((_, pixels),) = page.says(**request, what="mask")
    assert set(pixels[0]) == {128}
    assert page.says(**{**request, "track": 0}, what="mask") == []


def test_all_pictures_share_one_range_of_levels(page):
    page.says(type="ready")
    request = {
        "type": "tile",
        "what": "sound",
        "size": "lane",
        "axis": "mel",
        "start": 0.0,
        "end": 1.0,
    }
    brightest = {}
    for track in range(3):
        ((about, pixels),) = page.says(**request, track=track)
        brightest[track] = max(pixels[0])
        assert about["top"] == page.player._playlist.brightest
    assert (
        abs(brightest[0] - brightest[1]) <= 1
    )  # the louder source has the brightest colour of the mixture
    assert (
        brightest[1] - brightest[2] > 255 * 20 * np.log10(2.5) / RANGE - 2
    )  # and its band is also narrower


def test_a_brushed_region_is_cut_out_of_what_is_heard(page):
    page.says(type="ready")
    region = {"start": 0.25, "end": 0.75, "low": 300.0, "high": 600.0}
    ((about, buffers),) = page.says(type="brush", number=1, **region, gains=[1, 0, 0])
    cut = samples_of(about, buffers)[0]
    assert (about["start"], about["n"]) == (4000, 8000)
    middle = slice(2000, 6000)
    np.testing.assert_allclose(cut[middle], tone(440)[4000:12000][middle], atol=0.02)
    for end in (cut[:16], cut[-16:]):
        assert np.abs(end).max() < 0.01, "it fades at its ends, because it is played in a loop"


def test_levels_are_matched_when_the_page_asks(page):
    page.says(type="ready")
    ((about, _),) = page.says(type="matched_gains")
    assert set(about["gains"]) == {"loudness", "peak"}
    after = [
        gain + 20 * np.log10(level)
        for gain, level in zip(about["gains"]["peak"][1:], (0.25, 0.1), strict=True)
    ]
    assert after == pytest.approx([-1, -1], abs=0.05)


def test_what_is_heard_is_saved_with_its_gains(page, sounds):
    page.says(type="ready")
    ((about, buffers),) = page.says(type="save", gains=[0, 0.5, 1], name='my "remix" <b>/../x')
    assert about["name"] == "my _remix_ _b__.._x.wav"
    samples, rate = soundfile.read(io.BytesIO(buffers[0]))
    assert rate == RATE
    np.testing.assert_allclose(samples, 0.5 * sounds["speech"] + sounds["knock"], atol=1e-4)


def test_a_track_can_be_offered_from_python(page, sounds, settle):
    page.says(type="ready")
    page.messages.clear()
    page.player.offer("knock", "the knock: <b>")
    settle()
    ((about, buffers),) = page.of("file")
    assert about["name"] == "the knock_ _b_.wav"
    np.testing.assert_allclose(
        soundfile.read(io.BytesIO(buffers[0]))[0], sounds["knock"], atol=1e-4
    )
    with pytest.raises(InputError, match="there is no track 'x'"):
        page.player.offer("x", "x")


def test_a_remix_beyond_full_scale_is_saved_without_clipping(page, sounds):
    page.says(type="ready")
    ((_, buffers),) = page.says(type="save", gains=[0, 10, 0], name="loud")
    np.testing.assert_allclose(
        soundfile.read(io.BytesIO(buffers[0]))[0], 10 * sounds["speech"], atol=1e-4
    )


def test_other_tracks_of_the_same_names_keep_what_is_heard(page, sounds, settle):
    page.says(type="ready")
    page.says(type="mix", gains=[None, 0, None], mix=MIX)
    page.messages.clear()
    page.player.show(
        [
            Track(track.name, array_sound(tone(200), RATE), track.kind)
            for track in page.player.tracks
        ]
    )
    settle()
    ((about, _),) = page.of("tracks")
    assert about["coming"] == [1]
    assert about["mix"] == MIX
    assert [content["track"] for content, _ in page.of("pcm")] == [1]
    page.messages.clear()
    page.player.show([Track("else", array_sound(tone(200), RATE))], title="else")
    settle()
    assert page.of("tracks")[0][0]["coming"] == [0]
    assert page.player.title == "else"


def test_tracks_of_the_same_sound_are_not_sent_again(page, settle):
    page.says(type="ready")
    before = page.of("tracks")[0][0]
    page.messages.clear()
    mixture, speech, knock = page.player.tracks
    other = Track(speech.name, array_sound(tone(200), RATE), speech.kind)
    page.player.show([mixture, other, knock])
    settle()
    (content,) = [content for content, _ in page.messages]
    assert content["coming"] == []
    versions = [track["version"] for track in content["tracks"]]
    versions_before = [track["version"] for track in before["tracks"]]
    assert [versions[0], versions[2]] == [versions_before[0], versions_before[2]]
    assert versions[1] == content["version"] > before["version"]
    (pcm,) = [content for content, _ in page.says(type="need", chunks=[[0, 0]])]
    assert pcm["version"] == versions[0]
    page.says(type="ready")
    assert [content["track"] for content, _ in page.of("pcm")] == [0], "a new page has nothing"
    longer = Track("knock", array_sound(tone(200, 2.0), RATE), "source")
    page.player.show([mixture, other, longer])
    settle()
    (content,) = [content for content, _ in page.of("tracks")][1:]
    assert {track["version"] for track in content["tracks"]} == {content["version"]}


def test_what_is_heard_is_known_here_and_told_to_a_page_that_comes_anew(page):
    page.says(type="mix", gains=[None, -6, 0], mix=MIX)
    assert page.player.mix_state.gains == (float("-inf"), -6.0, 0.0)
    page.says(type="ready")
    assert page.messages[0][0]["mix"] == MIX
    assert page.messages[0][0]["coming"] == [1, 2]


def test_of_two_wishes_for_a_brush_only_the_later_is_answered(page, monkeypatch):
    page.says(type="ready")
    page.messages.clear()
    waiting = []
    monkeypatch.setattr(
        page.player,
        "_submit",
        lambda worker, function, content, *args: waiting.append((function, content, args)),
    )
    region = {"start": 0.1, "end": 0.5, "low": 300.0, "high": 600.0, "gains": [1, 0, 0]}
    for number in (1, 2):
        page.player._handle_custom_msg({"type": "brush", "number": number, **region}, [])
    results = [function(content, *args) for function, content, args in waiting]
    assert results[0] is None
    assert results[1][0]["number"] == 2


def test_what_was_begun_for_other_tracks_is_never_told(page, settle):
    page.says(type="ready")
    before = page.player._playlist
    page.player.show(
        [
            Track(track.name, array_sound(tone(200, level=0.01), RATE), track.kind)
            for track in page.player.tracks
        ]
    )
    settle()
    page.messages.clear()
    page.player._submit("slow", page.player._match_gains, before)
    settle()
    assert page.messages == []
    assert page.player._playlist.matched_gains["peak"][0] == pytest.approx(39, abs=0.1)


def test_it_is_driven_from_python(page):
    page.says(type="ready")
    page.messages.clear()
    page.player.hear("knock")
    page.player.seek(0.5)
    page.player.play()
    page.player.pause()
    assert [content["command"] for content, _ in page.messages] == ["hear", "seek", "play", "pause"]
    assert page.messages[0][0]["tracks"] == [2]
    with pytest.raises(InputError, match="there is no track 'nothing'"):
        page.player.hear("nothing")


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"type": "other"},
        {"type": "need", "chunks": 3},
        {"type": "need", "chunks": [["a", "b"]]},
        {"type": "mix", "gains": [1], "mix": {}},
        {"type": "mix", "gains": [1, 1, 1]},
        {"type": "brush", "number": 1, "start": 0, "end": 1, "low": 0, "high": 1, "gains": [1]},
        {
            "type": "tile",
            "track": 99,
            "size": "lane",
            "axis": "mel",
            "start": 0,
            "end": 1,
            "what": "sound",
        },
    ],
)
def test_a_page_may_say_anything(page, content):
    page.says(type="ready")
    page.sends(**content)
    page.says(type="need", chunks=[[1, 0]])
    assert len(page.of("pcm")) == 1


def test_a_file_that_vanishes_while_one_listens_is_said_in_the_page(tmp_path):
    sound_files.save(tmp_path / "a.wav", tone(440), RATE)
    page = Page(listen(tmp_path / "a.wav"))
    (tmp_path / "a.wav").unlink()
    page.says(type="ready")
    ((about, _),) = page.of("error")
    assert "a.wav does not exist" in about["text"]


def test_nan_in_a_file_is_said_in_the_page(tmp_path):
    samples = tone(440)
    samples[50] = np.nan
    sound_files.save(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    page = Page(listen(tmp_path / "a.wav"))
    page.says(type="ready")
    assert "NaN" in page.of("error")[0][0]["text"]


def test_silence_can_be_listened_to_at_every_level():
    page = Page(listen(np.zeros(RATE, np.float32), RATE))
    page.says(type="ready")
    assert not samples_of(*page.of("pcm")[0]).any()
    ((about, _),) = page.says(type="matched_gains")
    assert about["gains"] == {"loudness": [0.0], "peak": [0.0]}


def test_a_hundred_tracks_with_any_names_are_shown():
    names = [f'<img src=x onerror="alert(1)"> „{i}“ 音 $x_{{{i}}}$' for i in range(100)]
    player = listen({name: tone(100 + i, 0.2) for i, name in enumerate(names)}, RATE)
    page = Page(player)
    page.says(type="ready")
    assert [track["name"] for track in page.messages[0][0]["tracks"]] == names


def test_results_show_themselves_as_players(checkpoint):
    from absslab.core.separation.separator import Separator

    separation = Separator.from_checkpoint(str(checkpoint)).separate(tone(440), RATE)
    assert "application/vnd.jupyter.widget-view+json" in separation._repr_mimebundle_()[0]
    tracks = player_of(separation).tracks
    assert [track.kind for track in tracks] == ["mixture", *["source"] * 4, "residual"]
    total = sum(track.sound.read(0, RATE) for track in tracks[1:])
    np.testing.assert_allclose(total, tracks[0].sound.read(0, RATE), atol=1e-6)
    mixed = Mixture(tone(440), {"speech": tone(440)}, np.zeros(RATE, np.float32), RATE)
    assert "application/vnd.jupyter.widget-view+json" in mixed._repr_mimebundle_()[0]
    assert [track.kind for track in player_of(mixed).tracks] == [
        "mixture",
        "reference",
        "background",
    ]


def test_a_closed_player_says_nothing_and_leaves_nothing():
    before = set(ipywidgets.widgets.widget._instances)
    player = listen(tone(440), RATE)
    page = Page(player)
    player.close()
    page.says(type="ready")
    player.close()
    assert page.messages == []
    after = set(ipywidgets.widgets.widget._instances)
    assert after == before


def test_where_a_loop_runs_answers_come_on_it_and_in_a_thread():
    async def run():
        page = Page(listen(tone(440), RATE))
        page.sends(type="ready")
        await current_main_loop().until(lambda: page.of("pcm"))
        page.player.close()
        return [content["type"] for content, _ in page.messages]

    assert asyncio.run(run()) == ["tracks", "pcm"]


def test_of_a_two_hour_file_only_what_is_asked_for_is_read(tmp_path):
    rate = 44100
    n_samples = 2 * 3600 * 44100
    path = tmp_path / "two_hours.wav"
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_16") as file:
        file.write(np.zeros((1, 2)))
    with open(
        path, "r+b"
    ) as raw:  # a sparse file: a header for the full length, and a tone near the end
        head = bytearray(raw.read(44))
        n_bytes = n_samples * 4
        head[4:8] = (n_bytes + 36).to_bytes(4, "little")
        head[40:44] = n_bytes.to_bytes(4, "little")
        raw.seek(0)
        raw.write(head)
        raw.seek(44 + 4 * (n_samples - 10 * rate))
        t = np.arange(10 * rate) / rate
        raw.write(
            np.repeat((8000 * np.sin(2 * np.pi * 1000 * t)).astype("<i2")[:, None], 2, 1).tobytes()
        )
    page = Page(listen(path))
    page.says(type="ready")
    ((about, _),) = page.messages
    assert about["length"] == n_samples
    ((_, buffers),) = page.says(
        type="need", chunks=[[0, (n_samples - 5 * rate) // about["chunk_length"]]]
    )
    assert len(buffers[0]) <= about["chunk_length"] * 4
    assert np.abs(np.frombuffer(buffers[0], "<i2")).max() > 8000
    request = {
        "type": "tile",
        "track": 0,
        "what": "sound",
        "size": "large",
        "axis": "mel",
        "start": 0,
        "end": 7200,
    }
    ((picture, pixels),) = page.says(**request)
    loudest = np.frombuffer(pixels[0], np.uint8).reshape(picture["rows"], -1).max(0)
    assert set(np.flatnonzero(loudest)) == {picture["columns"] - 2, picture["columns"] - 1}
    ((about, _),) = page.says(type="save", gains=[1], name="all")
    assert "expected at most 6 min to save from here" in about["text"]


def test_no_method_takes_the_place_of_one_of_ipywidgets():
    own = {name for name, value in vars(Player).items() if inspect.isfunction(value)}
    assert own & set(dir(anywidget.AnyWidget)) == {"__init__", "close"}
