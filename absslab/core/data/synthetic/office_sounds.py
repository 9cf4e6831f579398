"""The built-in recordings: takes of the 16 office sounds of DCASE 2013, synthesised from a seed.

Each take first draws a `blend`: how similar it is to another class, with which its own class is
easily confused. It is 0 in four of five takes. The docstring of each generator names its similar
class. A take with a blend is still made by the generator of its own class.
"""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from absslab.core.common.errors import InputError
from absslab.core.data.synthetic.physics import (
    BANDWIDTHS,
    BELL,
    FREE_BAR,
    NEUTRAL,
    OPEN,
    SAMPLING_RATE,
    add_room_and_colour,
    click,
    draw_formants,
    envelope,
    glottis,
    interpolate,
    log_uniform,
    mix_at,
    n_samples,
    noise,
    noise_burst,
    normalise_peak,
    plate,
    strike,
    tone,
    vocal_tract,
    wander,
)

CONFUSABLE_SHARE = 0.2  # of the takes have a blend above 0
GRAVITY = 9.81  # m/s^2


def _alert(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise beeps or chimes of a computer: one to four notes of a scale.

    Similar class: phone (pairs of tones).
    """
    n_notes = int(rng.integers(1, 5)) + round(3 * blend)
    root = log_uniform(rng, 500, 1800)
    note = rng.uniform(0.08, 0.25)
    gap = rng.uniform(0.01, 0.12)
    drive = rng.uniform(0.3, 2.0)
    steps = rng.choice([0, 2, 4, 5, 7, 9, 12], n_notes)  # semitones
    pitches = root * 2 ** (steps / 12)
    if rng.random() < 0.5 * (1 - blend):
        partials = np.array([1.0, 2.0, 3.01, 4.1]) if rng.random() < 0.5 else 2 * BELL
        notes = [
            strike(rng, f * partials, tan_phi=rng.uniform(0.0015, 0.006), contact=0.0003)
            for f in pitches
        ]
    else:
        notes = [
            tone([f, f * rng.uniform(1.1, 1.3)] if blend else [f], note, drive) for f in pitches
        ]
    return mix_at([(i * (note + gap), sound) for i, sound in enumerate(notes)])


def _clearthroat(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise rough voiced noise with a flutter of the soft palate at 25 to 60 Hz.

    Similar class: cough (bursts).
    """
    f0 = rng.uniform(75, 170)
    length = rng.uniform(0.8, 1.05)
    flutter = rng.uniform(25, 60)
    parts = []
    onset = 0.0
    for _ in range(rng.integers(1, 4)):
        duration = interpolate(blend, rng.uniform(0.25, 0.6), 0.22)
        n = n_samples(duration)
        pitch = f0 * np.linspace(1.1, 0.85, n) * (1 + wander(rng, duration, 12, 0.05)[:n])
        source = glottis(
            rng, pitch, breath=interpolate(blend, rng.uniform(0.25, 0.5), 0.8), roughness=0.15
        )
        phase = (
            2
            * np.pi
            * np.cumsum(flutter * (1 + wander(rng, duration, 20, 0.2)[:n]))
            / SAMPLING_RATE
        )
        source *= 1 + interpolate(blend, rng.uniform(0.5, 0.9), 0.2) * np.sin(phase)
        attack = interpolate(blend, rng.uniform(0.04, 0.1), 0.01)
        source *= envelope([0, attack, duration * 0.7, duration], [0, 1, rng.uniform(0.5, 1), 0])[
            :n
        ]
        voice = normalise_peak(
            vocal_tract(source, draw_formants(rng, [NEUTRAL, NEUTRAL], length), 1.5 * BANDWIDTHS)
        )
        scrape = noise(rng, duration, 900, 3000)[:n] * np.abs(source) / np.max(np.abs(source))
        parts.append((onset, rng.uniform(0.6, 1) * (voice + 0.25 * scrape)))
        onset += duration + rng.uniform(0.02, 0.2)
    return mix_at(parts)


def _cough(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise one to three coughs: the glottis opens, air rushes, the end is voiced.

    Similar class: clearthroat.
    """
    f0 = rng.uniform(110, 320)
    length = rng.uniform(0.8, 1.05)
    parts = []
    onset = 0.0
    for i in range(rng.integers(1, 4)):
        air = rng.uniform(0.1, 0.22)
        voiced = interpolate(blend, rng.uniform(0.05, 0.16), 0.3)
        duration = air + voiced
        n = n_samples(duration)
        rush = (
            rng.standard_normal(n)
            * envelope([0, 0.004, 0.04, air, duration], [0, 1, 0.35, 0.2, 0])[:n]
        )
        rush *= 1 + interpolate(blend, 0, 0.7) * np.sin(
            2 * np.pi * rng.uniform(25, 60) * np.arange(n) / SAMPLING_RATE
        )
        pitch = f0 * np.interp(np.arange(n), [0, n], [1.2, interpolate(blend, 0.6, 0.8)])
        voice = glottis(rng, pitch, breath=0.4, roughness=interpolate(blend, 0.05, 0.15))
        voice *= envelope(
            [0, air * interpolate(blend, 0.8, 0.3), air + 0.4 * voiced, duration], [0, 0, 1, 0]
        )[:n]
        throat = draw_formants(rng, [OPEN, NEUTRAL], length)
        cough = normalise_peak(
            vocal_tract(rush, throat, 2.5 * BANDWIDTHS)
            + 0.3 * vocal_tract(voice, throat, BANDWIDTHS)
        )
        hiss = noise_burst(rng, 1500, 9000, t60=rng.uniform(0.06, 0.15), attack=0.003)
        parts += [(onset, cough * 0.85**i), (onset, (1 - blend) * 0.15 * hiss)]
        onset += duration + rng.uniform(0.05, 0.3)
    return mix_at(parts)


def _doorslam(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise the latch, the blow of the leaf on the frame, low modes of the wall, a rattle.

    Similar class: knock.
    """
    leaf = strike(
        rng,
        plate(rng, interpolate(blend, rng.uniform(40, 80), 130), 14),
        tan_phi=0.05,
        contact=0.003,
    )
    air = noise_burst(
        rng,
        40,
        interpolate(blend, rng.uniform(400, 1200), 700),
        t60=interpolate(blend, rng.uniform(0.2, 0.5), 0.12),
    )
    latch = rng.uniform(1200, 3500) * np.array([1, 1.7, 2.3, 3.9])
    slam = rng.uniform(0.02, 0.12)
    times = np.concatenate(
        [[0.0, slam * 0.6], slam + np.cumsum(rng.uniform(0.015, 0.08, rng.integers(2, 6)))]
    )
    loudness = (
        (1 - 0.8 * blend)
        * rng.uniform(0.08, 0.35, len(times))
        * np.exp(-np.maximum(times - slam, 0) / 0.1)
    )
    clicks = [strike(rng, latch, tan_phi=0.008, contact=0.0002) * gain for gain in loudness]
    bounce = (slam + rng.uniform(0.06, 0.2), rng.uniform(0.1, 0.5) * leaf)
    return mix_at(
        [(slam, leaf), (slam, 0.5 * normalise_peak(air)), bounce, *zip(times, clicks, strict=True)]
    )


def _drawer(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise rollers that rumble along a rail, and then the knock of the front.

    Similar class: doorslam.
    """
    slide = interpolate(blend, rng.uniform(0.4, 1.4), 0.3)
    n = n_samples(slide)
    rollers = (
        2
        * np.pi
        * np.cumsum(rng.uniform(14, 40) * (1 + wander(rng, slide, 6, 0.2)[:n]))
        / SAMPLING_RATE
    )
    rubbing = noise(rng, slide, rng.uniform(80, 250), log_uniform(rng, 1200, 4000))[:n]
    rubbing *= (1 + 0.6 * np.sin(rollers)) * np.exp(wander(rng, slide, 15, 0.3)[:n])
    rubbing *= envelope([0, 0.15 * slide, 0.8 * slide, slide], [0, 0.6, 1, 0.4])[:n]
    case = plate(rng, interpolate(blend, rng.uniform(110, 260), 70), 12)
    knocks = [(0.0, 0.3), (slide, 1.0), (slide + rng.uniform(0.04, 0.12), 0.35)]
    parts = [(t, gain * strike(rng, case, tan_phi=0.05, contact=0.001)) for t, gain in knocks]
    things = rng.uniform(800, 3000) * FREE_BAR[:4]
    for t in slide + rng.uniform(0, 0.15, rng.integers(1, 5)):  # things that lie in it
        parts.append(
            (float(t), rng.uniform(0.05, 0.25) * strike(rng, things, tan_phi=0.01, contact=0.0002))
        )
    return mix_at([(0.0, rng.uniform(0.08, 0.2) * rubbing), *parts])


def _keyboard(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise keys that are typed at uneven times, each with a thud down and a click up.

    Similar class: mouse (few clicks).
    """
    n_strokes = int(interpolate(blend, float(rng.integers(5, 18)), 3))
    pace = rng.uniform(0.09, 0.26)
    body = rng.uniform(250, 600)
    snap = rng.uniform(1800, 3500)
    body = interpolate(blend, body, 1000)
    snap = interpolate(blend, snap, 4000)
    parts = []
    onset = 0.0
    for _ in range(n_strokes):
        key = rng.normal(1, 0.12)
        hold = rng.uniform(0.05, 0.11)
        force = rng.uniform(0.4, 1)
        down = click(rng, body=body * key, snap=snap * key, tan_phi=0.06)
        up = click(rng, body=1.4 * body * key, snap=1.3 * snap, tan_phi=0.05)
        parts += [(onset, force * down), (onset + hold, 0.4 * force * up)]
        onset += pace * rng.lognormal(0, 0.4)
    return mix_at(parts)


def _keys(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise a jingling bunch of keys: many light blows between a few steel bars.

    Similar class: pendrop.
    """
    duration = interpolate(blend, rng.uniform(0.5, 1.8), 0.6)
    n_blows = int(interpolate(blend, rng.uniform(18, 34), 9) * duration) + 3
    lowest = log_uniform(rng, 2200, 4500)
    tan_phi = interpolate(blend, rng.uniform(0.0008, 0.004), 0.008)
    bunch = [
        lowest * rng.uniform(0.9, 1.6) * FREE_BAR * rng.normal(1, 0.06, 5)
        for _ in range(rng.integers(3, 6))
    ]
    shakes = rng.uniform(0, duration, rng.integers(2, 5))
    times = np.clip(rng.choice(shakes, n_blows) + rng.normal(0, 0.12, n_blows), 0, duration)
    sounds = [
        strike(rng, key, tan_phi=tan_phi, contact=rng.uniform(0.00002, 0.00012))
        for key in bunch
        for _ in range(2)
    ]
    forces = rng.exponential(0.3, n_blows)
    return mix_at(
        [
            (float(t), f * sounds[rng.integers(len(sounds))])
            for t, f in zip(times, forces, strict=True)
        ]
    )


def _knock(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise knuckles on a door, two to six times.

    Similar class: doorslam (its blow).
    """
    n_knocks = round(interpolate(blend, float(rng.integers(2, 7)), 1))
    door = plate(rng, interpolate(blend, rng.uniform(110, 260), 60), 14)
    contact = rng.uniform(0.0008, 0.0025)
    pace = rng.uniform(0.13, 0.32)
    parts = []
    for i in range(n_knocks):
        onset = pace * i * rng.normal(1, 0.03)
        force = rng.uniform(0.6, 1)
        parts.append((onset, force * strike(rng, door, tan_phi=0.06, contact=contact)))
        parts.append((onset, 0.12 * force * noise_burst(rng, 400, 3000, t60=0.03)))
        parts.append(
            (onset, 0.6 * blend * force * normalise_peak(noise_burst(rng, 40, 600, t60=0.25)))
        )
    return mix_at(parts)


def _laughter(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise four to six breathy bursts a second, ever lower and weaker.

    Similar class: speech.
    """
    f0 = log_uniform(rng, 150, 420)
    length = rng.uniform(0.78, 1.05)
    rate = rng.uniform(3.8, 6)
    n_bursts = rng.integers(4, 12)
    vowel = rng.choice([NEUTRAL, OPEN, 2, 3])
    parts = []
    onset = 0.0
    for i in range(n_bursts):
        duration = rng.uniform(0.75, 0.95) / rate
        n = n_samples(duration)
        progress = i / n_bursts
        pitch = (
            f0
            * (1 - 0.4 * progress)
            * np.linspace(1.15, interpolate(blend, 0.8, 1.0), n)
            * rng.normal(1, 0.05)
        )
        voice = glottis(rng, pitch, breath=interpolate(blend, rng.uniform(0.3, 0.5), 0.1))
        voiced_from = duration * interpolate(blend, rng.uniform(0.25, 0.45), 0.1)
        source = (
            voice
            * envelope(
                [0, voiced_from, voiced_from + 0.03, 0.8 * duration, duration], [0, 0, 1, 0.5, 0]
            )[:n]
        )
        breath = rng.normal(0, 0.25 * (1 - blend), n)
        source += breath * envelope([0, 0.03, voiced_from + 0.05, duration], [0, 1, 0.3, 0])[:n]
        shapes = [vowel, int(rng.integers(8))] if blend else [vowel]
        burst = vocal_tract(source, draw_formants(rng, shapes, length), 1.3 * BANDWIDTHS)
        parts.append((onset, burst * (1 - 0.7 * progress) * rng.uniform(0.7, 1)))
        onset += rng.normal(1, 0.06) / rate
    return mix_at(parts)


def _mouse(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise one to three clicks, press and release.

    Similar class: switch (lower, with more body).
    """
    body = interpolate(blend, rng.uniform(900, 1700), 450)
    snap = interpolate(blend, rng.uniform(3200, 6000), 2400)
    n_clicks = rng.integers(1, 2 if blend else 4)
    tan_phi = rng.uniform(0.03, 0.06)
    hold = rng.uniform(0.06, 0.15)
    press = click(rng, body=body, snap=snap, tan_phi=tan_phi)
    release = click(rng, body=1.15 * body, snap=1.2 * snap, tan_phi=tan_phi)
    parts = []
    onset = 0.0
    for _ in range(n_clicks):
        parts += [
            (onset, rng.uniform(0.8, 1) * press),
            (onset + hold, rng.uniform(0.35, 0.8) * release),
        ]
        onset += hold + rng.uniform(0.08, 0.35)
    return mix_at(parts)


def _pageturn(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise a sheet that is gripped, lifted and laid down: brightening swishes and crackles.

    Similar class: drawer.
    """
    parts = []
    onset = 0.0
    for _ in range(rng.integers(1, 4)):
        duration = rng.uniform(0.2, 0.6)
        peak = rng.uniform(0.3, 0.7)
        low = interpolate(blend, log_uniform(rng, 500, 1500), 150)
        n = n_samples(duration)
        dark = noise(rng, duration, low, 4 * low)
        bright = noise(rng, duration, 3 * low, interpolate(blend, 14000, 3500))
        swish = dark * np.linspace(0.8, 0.2, n) + bright * np.linspace(0.2, 0.8, n)
        swish *= envelope([0, duration * peak, duration], [0, 1, 0])[:n] ** 1.5
        swish *= np.exp(wander(rng, duration, 40, 0.35)[:n])
        parts.append((onset, 0.3 * rng.uniform(0.5, 1) * swish))
        crackles = onset + rng.uniform(0, duration, rng.poisson(60 * duration))
        for t in crackles:  # the paper buckles
            crackle = noise_burst(rng, 1500, 12000, t60=rng.uniform(0.003, 0.012), attack=0.0003)
            parts.append((float(t), rng.exponential(0.1) * crackle))
        onset += duration * rng.uniform(0.6, 1.4)
    return mix_at(parts)


def _pendrop(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise a pen that bounces; the restitution shortens each flight and weakens each impact.

    Similar class: keys.
    """
    height = rng.uniform(0.04, 0.2)  # m, of the first bounce
    restitution = rng.uniform(0.5, 0.72)  # share of the speed that is kept
    flight = 2 * np.sqrt(2 * height / GRAVITY)  # s
    flights = flight * restitution ** np.arange(12)
    n_bounces = 1 + int(np.sum(flights > 0.012))  # then it rolls
    times = np.concatenate([[0.0], np.cumsum(flights)])[:n_bounces]
    barrel = (
        interpolate(blend, log_uniform(rng, 1100, 3000), 3200) * FREE_BAR * rng.normal(1, 0.03, 5)
    )
    tan_phi = interpolate(blend, rng.uniform(0.008, 0.025), 0.002)
    table = plate(rng, rng.uniform(180, 420), 8)
    parts = []
    for i, t in enumerate(times):
        blow = strike(rng, barrel, tan_phi=tan_phi, contact=0.00008)
        thud = strike(rng, table, tan_phi=0.08, contact=0.0006)
        thud *= (1 - blend) * rng.uniform(0.3, 0.7)
        parts += [(float(t), restitution**i * blow), (float(t), restitution**i * thud)]
        if blend:  # the clip rings along
            clip = strike(
                rng, rng.uniform(3000, 6000) * FREE_BAR[:3], tan_phi=tan_phi, contact=0.00005
            )
            parts.append((float(t + rng.uniform(0.01, 0.1)), 0.6 * restitution**i * clip))
    return mix_at(parts)


def _phone(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise a desk phone: two tones that sound together or alternate at 10 to 25 Hz.

    Similar class: alert.
    """
    low = interpolate(blend, log_uniform(rng, 420, 1100), 1000)
    high = low * rng.uniform(1.15, 1.4)
    drive = rng.uniform(0.5, 4)
    ring = interpolate(blend, rng.uniform(0.4, 1.1), 0.2)
    pause = interpolate(blend, rng.uniform(0.15, 0.5), 0.08)
    together = rng.random() < 0.4
    rate = rng.uniform(10, 25)
    t = np.arange(n_samples(ring)) / SAMPLING_RATE
    turn = 0.5 + 0.5 * np.tanh(4 * np.sin(2 * np.pi * rate * t))  # 0: the low tone, 1: the high one
    alternating = (1 - turn) * tone([low], ring, drive) + turn * tone([high], ring, drive)
    bell = tone([low, high], ring, drive) * (
        1 + interpolate(blend, 0.5, 0) * np.sin(2 * np.pi * rate * t)
    )
    call = bell if together else alternating
    return mix_at([(i * (ring + pause), call) for i in range(rng.integers(1, 4))])


def _printer(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise the hum of a motor, the whine of a stepper at each carriage move, puffs of paper.

    Similar class: drawer.
    """
    duration = interpolate(blend, rng.uniform(1.4, 3.0), 1.0)
    period = rng.uniform(0.18, 0.6)
    t = np.arange(n_samples(duration)) / SAMPLING_RATE
    motor = rng.uniform(70, 180)
    stepper = log_uniform(rng, 350, 1300)
    # The carriage goes right and left.
    sweep = np.tanh(6 * np.sin(2 * np.pi * t / period + rng.uniform(0, 6)))
    harmonics = [np.sin(2 * np.pi * k * motor * t + rng.uniform(0, 6)) / k for k in range(1, 9)]
    whine = np.sin(2 * np.pi * np.cumsum(stepper * (1 + 0.08 * sweep)) / SAMPLING_RATE)
    carriage = noise(
        rng,
        duration,
        interpolate(blend, rng.uniform(500, 1500), 150),
        interpolate(blend, rng.uniform(3000, 8000), 2500),
    )
    out = 0.10 * np.sum(harmonics, axis=0) + (1 - blend) * rng.uniform(0.05, 0.25) * np.tanh(
        3 * whine
    ) * np.abs(sweep)
    out += rng.uniform(0.08, 0.2) * carriage * (0.4 + 0.6 * np.abs(sweep)) ** 2
    out *= envelope([0, 0.08, duration - 0.1, duration], [0, 1, 1, 0])[: len(t)]
    gear = plate(rng, rng.uniform(300, 700), 8)
    clacks = np.arange(rng.uniform(0, period), duration - 0.1, period / 2)
    return mix_at(
        [
            (0.0, out),
            *[(float(c), 0.5 * strike(rng, gear, tan_phi=0.04, contact=0.0003)) for c in clacks],
        ]
    )


def _speech(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise three to six syllables a second through moving formants, fricatives and pauses.

    Similar class: laughter.
    """
    male = rng.random() < 0.5
    f0, length = (rng.uniform(85, 150), 1.0) if male else (rng.uniform(165, 250), 0.85)
    n_syllables = int(rng.integers(3, 13))
    rate = rng.uniform(3.2, 6)
    parts = []
    onset = 0.0
    for i in range(n_syllables):
        if rng.random() < 0.4:
            hiss = rng.uniform(0.05, 0.12)
            low = log_uniform(rng, 1800, 4500)
            fricative = noise(rng, hiss, low, 2 * low) * envelope([0, hiss / 2, hiss], [0, 1, 0])
            parts.append((onset, (1 - blend) * rng.uniform(0.03, 0.1) * fricative))
            onset += 0.8 * hiss
        duration = rng.uniform(0.6, 1.1) / rate
        n = n_samples(duration)
        pitch = (
            interpolate(blend, 1, 1.4)
            * f0
            * (1.1 - 0.25 * i / n_syllables)
            * (1 + wander(rng, duration, 8, 0.06)[:n])
        )
        source = glottis(rng, pitch, breath=interpolate(blend, rng.uniform(0.02, 0.12), 0.4))
        source *= envelope([0, 0.03, 0.6 * duration, duration], [0, 1, 0.8, 0])[:n]
        vowels = rng.integers(8, size=3) if blend == 0 else [NEUTRAL, OPEN]
        voice = normalise_peak(vocal_tract(source, draw_formants(rng, vowels, length), BANDWIDTHS))
        parts.append((onset, rng.uniform(0.5, 1) * voice))
        onset += duration + (rng.uniform(0.1, 0.3) if rng.random() < 0.15 else 0.02)
    return mix_at(parts)


def _switch(rng: Generator, blend: float) -> np.ndarray:
    """Synthesise a rocker on a wall plate that snaps over and hits its stop a few ms later.

    Similar class: mouse (its click).
    """
    body = interpolate(blend, rng.uniform(260, 550), 1000)
    snap = interpolate(blend, rng.uniform(1300, 2600), 3600)
    tan_phi = rng.uniform(0.02, 0.05)
    n_snaps = rng.integers(1, 3)  # on, or on and off
    wall = strike(rng, plate(rng, rng.uniform(120, 300), 8), tan_phi=0.05, contact=0.001)
    parts = []
    onset = 0.0
    for _ in range(n_snaps):
        stop = onset + interpolate(blend, rng.uniform(0.006, 0.025), 0.09)
        parts.append(
            (
                onset,
                rng.uniform(0.3, 0.7)
                * click(rng, body=1.3 * body, snap=1.2 * snap, tan_phi=tan_phi),
            )
        )
        parts.append((stop, click(rng, body=body, snap=snap, tan_phi=tan_phi)))
        parts.append((stop, (1 - blend) * rng.uniform(0.4, 1.0) * wall))
        onset += rng.uniform(0.25, 0.7)
    return mix_at(parts)


GENERATORS: dict[str, Callable[[Generator, float], np.ndarray]] = {
    "alert": _alert,
    "clearthroat": _clearthroat,
    "cough": _cough,
    "doorslam": _doorslam,
    "drawer": _drawer,
    "keyboard": _keyboard,
    "keys": _keys,
    "knock": _knock,
    "laughter": _laughter,
    "mouse": _mouse,
    "pageturn": _pageturn,
    "pendrop": _pendrop,
    "phone": _phone,
    "printer": _printer,
    "speech": _speech,
    "switch": _switch,
}
CLASSES: tuple[str, ...] = tuple(sorted(GENERATORS))


def synthesise(class_name: str, take: int, seed: int = 0) -> np.ndarray:
    """Synthesise a take of an office sound, the same for the same arguments.

    Args:
        class_name: one of `CLASSES`.
        take: number of the take; each has another voice, object, pace, colour, room and level.
        seed: seed of the whole set of recordings.

    Shape: -> (N,), float32 in [-1, 1] at 44100 Hz, 0.2 to 3 s long

    Raises:
        InputError: for an unknown class; the message names the known ones.
    """
    if class_name not in GENERATORS:
        raise InputError(
            f"unknown class {class_name!r}; the built-in recordings are of: {', '.join(CLASSES)}"
        )
    rng = np.random.default_rng([seed, CLASSES.index(class_name), take])
    blend = rng.uniform(0.35, 0.75) if rng.random() < CONFUSABLE_SHARE else 0.0
    return add_room_and_colour(rng, GENERATORS[class_name](rng, blend))
