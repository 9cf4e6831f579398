"""The player in a browser: which sounds play and how loud, measured after all gains."""

import math

import numpy as np
import pytest
import soundfile

RATE = 16000
LEVELS = {"speech": 0.2, "knock": 0.1, "phone": 0.05}  # amplitudes of tones
SET_UP = f"""
import numpy as np
from absslab.widgets.player.player import Player
from absslab.widgets.player.tracks import Track, array_sound

rate, t = {RATE}, np.arange(4 * {RATE}) / {RATE}
tone = lambda hertz, level: (level * np.sin(2 * np.pi * hertz * t)).astype(np.float32)
parts = {{"speech": tone(440, 0.2), "knock": tone(1000, 0.1), "phone": tone(3000, 0.05)}}

def tracks(scale=1.0):
    some = [Track("mixture", array_sound(sum(parts.values()), rate), "mixture")]
    some += [
        Track(name, array_sound(scale * samples, rate), "source") for name, samples in parts.items()
    ]
    return [*some, Track("residual", array_sound(0 * t, rate), "residual")]
"""
SHOW = 'player = Player(tracks(), title="tones")\nplayer'


def tone(hertz, level):
    return (level * np.sin(2 * np.pi * hertz * np.arange(4 * RATE) / RATE)).astype(np.float32)


COUNT_DRAWINGS = """async () => {
    const { prototype } = CanvasRenderingContext2D;
    const { clearRect } = prototype;
    let count = 0;
    prototype.clearRect = function (...box) {
        count += 1;
        return clearRect.apply(this, box);
    };
    for (let frame = 0; frame < 20; frame += 1) await new Promise(requestAnimationFrame);
    prototype.clearRect = clearRect;
    return count;
}"""


class PlayerInPage:
    """Reads and operates the player in the page."""

    def __init__(self, page, notebook):
        self.page = page
        self.notebook = notebook
        page.wait_for_selector(".absslab-player .track")
        self.wait(lambda state: len(state["tracks"]) == 5, "tracks")

    def probe(self):
        return self.page.evaluate("document.querySelector('.absslab-player').absslab.probe()")

    def wait(self, condition, what, seconds=15):
        return self.notebook.until(
            lambda: condition(state := self.probe()) and state, seconds, what
        )

    def amplitudes(self):
        """Return the amplitude of each track that sounds."""
        return {
            track["name"]: track["rms"] * math.sqrt(2)
            for track in self.probe()["tracks"]
            if track["rms"] > 1e-5
        }

    def wait_for_tracks(self, *names, **levels):
        """Wait until exactly these tracks sound, at these amplitudes (by default their own).

        The analyser measures the last 0.13 s.
        """
        expected = {
            name: pytest.approx(levels.get(name, LEVELS.get(name)), rel=0.03)
            for name in (*names, *levels)
        }
        try:
            self.notebook.until(lambda: self.amplitudes() == expected, 8)
        except AssertionError:
            raise AssertionError(f"heard {self.amplitudes()}, expected {expected}") from None

    def press(self, key):
        self.page.locator(".absslab-player").press(key)

    def box(self):
        return self.page.locator(".absslab-player .overlay").bounding_box()

    def drag(self, start, end, low=0.3, high=0.7):
        """Drag from one time to another, in seconds; the sound has four.

        `low` and `high` are fractions of the height of the spectrogram.
        """
        box = self.box()
        x = lambda seconds: box["x"] + 58 + seconds / 4 * (box["width"] - 66)  # noqa: E731
        y = lambda part: box["y"] + 6 + (1 - part) * (box["height"] - 28)  # noqa: E731
        self.page.mouse.move(x(start), y(low))
        self.page.mouse.down()
        self.page.mouse.move(x((start + end) / 2), y((low + high) / 2))
        self.page.mouse.move(x(end), y(high))
        self.page.mouse.up()


@pytest.fixture
def player(open_notebook, page) -> PlayerInPage:
    notebook = open_notebook(SET_UP, SHOW)
    notebook.run_all()
    return PlayerInPage(page, notebook)


@pytest.mark.listens
def test_it_plays_switches_solos_mutes_loops_and_brushes(player, page, screenshots):
    player.press("l")  # the whole sound in a loop
    page.click(".absslab-player .play")
    playing = player.wait(lambda state: state["isPlaying"] and state["position"] > 0.3, "playing")
    assert playing["context"] == "running"
    mixed = math.sqrt(sum(level**2 for level in LEVELS.values()))
    player.wait_for_tracks(mixture=mixed)

    for key, name in (("2", "speech"), ("3", "knock"), ("4", "phone")):
        player.press(key)
        player.wait_for_tracks(name)
    player.press("b")
    player.wait_for_tracks("knock")  # B: back to the tracks heard before
    player.press("b")
    player.wait_for_tracks("phone")

    page.get_by_label("Solo, with others that are soloed (S): speech").click()
    player.wait_for_tracks("speech", "phone")
    page.get_by_label("Mute (M): phone").click()
    player.wait_for_tracks("speech")

    page.get_by_label("What is heard").select_option(label="all but knock")
    player.wait_for_tracks("speech", "phone")
    page.get_by_label("Gain of speech in dB").evaluate(
        "(e) => { e.value = -6; e.dispatchEvent(new Event('input')) }"
    )
    player.wait_for_tracks("phone", speech=0.2 * 10 ** (-6 / 20))

    page.get_by_label("Level", exact=True).select_option("peak")
    page.get_by_label("What is heard").select_option(label="knock")
    gain = page.locator(".absslab-player .track output").nth(2)
    player.notebook.until(lambda: gain.inner_text() == "+19.0 dB", 20, "the gain that is applied")
    player.wait_for_tracks(knock=10 ** (-1 / 20))
    page.get_by_label("Level", exact=True).select_option("raw")

    player.drag(1.0, 1.5)
    positions = []
    for _ in range(12):
        page.wait_for_timeout(120)
        positions.append(player.probe()["position"])
    assert all(0.98 <= position <= 1.52 for position in positions), positions
    assert any(
        later < earlier for earlier, later in zip(positions[:-1], positions[1:], strict=True)
    ), "it came round"
    player.press("Escape")

    page.get_by_label("What is heard").select_option(label="mixture")
    page.get_by_label("Dragging in the picture").select_option("brush")
    player.drag(2.0, 3.0, low=0.1, high=0.27)  # 200 to 680 Hz on the mel axis: the first tone alone
    brushed = player.wait(lambda state: state["brush"], "the brushed sound")
    page.wait_for_timeout(400)
    brushed = player.probe()
    assert brushed["out"] * math.sqrt(2) == pytest.approx(0.2, rel=0.05)
    assert 2.0 <= brushed["position"] <= 3.02
    player.notebook.screenshot("player_brushed", screenshots)
    player.press("Escape")
    player.wait_for_tracks(mixture=mixed)

    player.press(" ")
    assert player.wait(lambda state: not state["isPlaying"], "paused")
    player.wait_for_tracks()


def test_a_page_draws_nothing_while_its_player_rests(player, page):
    is_at_rest = lambda: page.evaluate(COUNT_DRAWINGS) == 0  # noqa: E731
    player.notebook.until(is_at_rest, what="nothing is drawn")
    player.press("l")
    page.click(".absslab-player .play")
    player.notebook.until(lambda: page.evaluate(COUNT_DRAWINGS) > 5, what="the play-head moves")
    page.click(".absslab-player .play")
    player.notebook.until(is_at_rest, what="nothing is drawn")


def test_clicking_in_the_picture_and_keys_move_the_position(player, page):
    player.drag(3.0, 3.0, low=0.5, high=0.5)
    assert player.probe()["position"] == pytest.approx(3.0, abs=0.02)
    player.press("ArrowLeft")
    assert player.probe()["position"] == pytest.approx(2.0, abs=0.02)
    player.press("Shift+ArrowRight")
    assert player.probe()["position"] == pytest.approx(2.1, abs=0.02)
    player.press("Home")
    assert player.probe()["position"] == 0


@pytest.mark.listens
def test_the_mix_is_what_numpy_makes_of_it_sample_by_sample(player, page):
    page.get_by_label("What is heard").select_option(label="all but knock")
    page.get_by_label("Gain of phone in dB").evaluate(
        "(e) => { e.value = 4.5; e.dispatchEvent(new Event('input')) }"
    )
    page.click(".absslab-player .play")
    player.wait_for_tracks("speech", phone=0.05 * 10 ** (4.5 / 20))  # their sound has arrived
    page.click(".absslab-player .play")
    first = 12345
    last = 45678
    render = (
        "([first, last]) => document.querySelector('.absslab-player').absslab.render(first, last)"
    )
    rendered = page.evaluate(
        f"async (range) => Array.from((await ({render})(range))[0])", [first, last]
    )
    expected = tone(440, 0.2) + 10 ** (4.5 / 20) * tone(3000, 0.05)
    error = np.abs(np.array(rendered) - expected[first:last]).max()
    print(f"largest error of the mix: {error:.2e}")
    assert (
        error < 2**-16
    )  # half a step of 16 bits in the two sounds that were sent, and their gains


@pytest.mark.listens
def test_new_sound_takes_over_while_it_plays(player, page):
    page.click(".absslab-player .play")
    player.press("2")
    player.wait_for_tracks("speech")
    before = player.probe()
    player.notebook.execute("player.show(tracks(0.5))")
    after = player.wait(lambda state: state["sounding"] != before["sounding"], "new tracks")
    player.wait_for_tracks(speech=0.1)
    assert after["isPlaying"]
    assert after["position"] > before["position"]


def test_a_track_what_is_heard_and_the_picture_are_saved(player, page, tmp_path):
    page.get_by_label("What is heard").select_option(label="all but knock")
    with page.expect_download() as download:
        page.get_by_title("All that is heard, with its gains, as WAV").click()
    download.value.save_as(tmp_path / "remix.wav")
    samples, rate = soundfile.read(tmp_path / "remix.wav")
    assert (rate, len(samples)) == (RATE, 4 * RATE)
    assert np.sqrt((samples**2).mean()) == pytest.approx(
        math.sqrt((0.2**2 + 0.05**2) / 2), rel=0.001
    )
    with page.expect_download() as download:
        page.get_by_title("The picture as PNG").click()
    assert download.value.suggested_filename == "speech.png"


def test_names_are_text_and_nothing_of_the_sound_is_saved_in_the_notebook(open_notebook, page):
    name = '<img src=x onerror="window.markupHasRun=1">'
    sounds = f"{{{name!r}: parts['speech'], 'a \"b\" é 音': parts['knock']}}"
    notebook = open_notebook(
        SET_UP, f"from absslab import listen\nlisten({sounds}, rate, title={name!r})"
    )
    notebook.run_all()
    page.wait_for_selector(".absslab-player .track")
    page.wait_for_timeout(500)
    assert page.locator(".absslab-player img").count() == 0
    assert page.locator(".absslab-player .name").all_inner_texts() == [name, 'a "b" é 音']
    assert page.evaluate("window.markupHasRun") is None
    assert notebook.save() < 200_000


@pytest.mark.listens
def test_a_long_file_plays_from_anywhere_while_only_parts_of_it_are_in_the_page(
    open_notebook, page, lab
):
    rate = 16000
    minutes = 30
    with soundfile.SoundFile(lab.root / "long.wav", "w", rate, 1, "PCM_16") as file:
        for minute in range(minutes):
            t = np.arange(60 * rate) / rate
            file.write((0.02 * (minute + 1) * np.sin(2 * np.pi * 500 * t)).astype(np.float32))
    notebook = open_notebook("import absslab\nplayer = absslab.listen('long.wav')\nplayer")
    notebook.run_all()
    page.wait_for_selector(".absslab-player .track")
    page.click(".absslab-player .play")
    state = lambda: page.evaluate("document.querySelector('.absslab-player').absslab.probe()")  # noqa: E731
    for minute in (0, 17, 29):
        notebook.execute(f"player.seek({60 * minute + 5})")
        notebook.until(
            lambda minute=minute: (
                state()["position"] > 60 * minute + 5.5 and not state()["isWaiting"]
            ),
            20,
            "playing",
        )
        assert state()["out"] * math.sqrt(2) == pytest.approx(0.02 * (minute + 1), rel=0.05)


@pytest.mark.listens
def test_after_a_click_on_a_button_space_plays_and_the_notebook_can_be_saved(player, page):
    page.locator(".absslab-player .name", has_text="knock").click()
    page.keyboard.press(" ")
    player.wait(lambda state: state["isPlaying"], "playing")
    player.wait_for_tracks("knock")
    page.get_by_label("Mute (M): phone").click()
    page.keyboard.press(" ")
    player.wait(lambda state: not state["isPlaying"], "paused")
    before = player.notebook.path.stat().st_mtime_ns
    page.keyboard.press("Control+s")
    player.notebook.until(
        lambda: player.notebook.path.stat().st_mtime_ns > before, 10, "the notebook saved"
    )
    page.get_by_label("Gain of knock in dB").press("ArrowLeft")
    assert page.get_by_label("Gain of knock in dB").input_value() == "-0.5"
