// The engine on a clock that the test winds: which samples are heard when.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Engine } from "../../absslab/widgets/player/js/engine.mjs";
import { Clock } from "./clock.mjs";

const RATE = 1000;
const LEAD = 30; // frames from a command to its sound
const FADE = 5; // frames
let clock, engine, asked;

/** An engine with tracks whose frame i is worth k + i / 10000, in chunks. */
function playing({ length = 4000, chunk = 4000, kept = 1, n = 2, version = 1, put = true } = {}) {
  clock = new Clock(RATE);
  asked = [];
  engine = new Engine({ makeContext: () => clock, wanted: (chunks) => asked.push(...chunks) });
  const tracks = Array.from({ length: n }, (_, k) => ({ name: `t${k}`, kind: "other", version }));
  engine.load({ rate: RATE, length, chunk_length: chunk, kept, tracks });
  engine.setMix({ solo: new Set([0]) });
  if (put) for (let k = 0; k < n; k++) for (let i = 0; i * chunk < length; i++) give(k, i);
}

const value = (k, frame, version = 1) => k + version * (frame / 10000);

function give(track, chunk, version = 1) {
  const { length, chunk_length: size } = engine.meta;
  const n = Math.min(size, length - chunk * size);
  engine.put({ track, chunk, version }, [Float32Array.from({ length: n }, (_, i) => value(track, chunk * size + i, version))]);
}

/** Let time pass, in steps of the engine's own ticks. */
async function wind(frames) {
  const end = Math.round(clock.currentTime * RATE) + frames;
  while (Math.round(clock.currentTime * RATE) < end) {
    clock.currentTime = Math.min(end, Math.round(clock.currentTime * RATE) + 100) / RATE;
    engine.tick();
  }
}

function assertHeard(from, to, expected, message) {
  clock.heard(from, to).forEach((got, i) => assert.ok(Math.abs(got - expected(from + i)) < 1e-6, `${message ?? ""} frame ${from + i}: ${got}, expected ${expected(from + i)}`));
}

afterEach(() => engine.dispose());

test("a sound is played sample by sample, from the start and across chunks", async () => {
  playing({ chunk: 700, kept: 10 });
  await engine.play();
  await wind(3000);
  assertHeard(LEAD, 3000, (frame) => value(0, frame - LEAD));
});

test("switching is a matter of gains: the other track goes on where the first one was", async () => {
  playing();
  await engine.play();
  await wind(1000);
  engine.setMix({ solo: new Set([1]) });
  await wind(500);
  assertHeard(LEAD, 1000, (frame) => value(0, frame - LEAD));
  assertHeard(1000 + FADE, 1500, (frame) => value(1, frame - LEAD));
  for (const [i, got] of clock.heard(1000, 1000 + FADE).entries()) {
    assert.ok(Math.abs(got - (1000 + i - LEAD) / 10000 - i / FADE) < 1e-6, `ramp ${i}: ${got}`);
  }
});

test("a loop is played again and again, its seam faded", async () => {
  playing();
  engine.setLoop([100, 300]);
  await engine.play();
  await wind(1000);
  for (let turn = 0; turn < 4; turn++) {
    const begin = LEAD + 200 * turn;
    assertHeard(begin + FADE, begin + 200 - FADE, (frame) => value(0, 100 + frame - begin), `turn ${turn}:`);
    assert.ok(Math.abs(clock.heard(begin + 199, begin + 200)[0]) < 0.3 * value(0, 299));
  }
  assert.equal(engine.position, 100 + ((1000 - LEAD) % 200));
});

test("new sound takes over while it plays, without a gap, on the same clock", async () => {
  playing();
  await engine.play();
  await wind(1000);
  engine.load({ ...engine.meta, tracks: engine.tracks.map((track) => ({ ...track, version: 3 })) });
  give(0, 0, 3);
  await wind(500);
  const at = 1000 + LEAD;
  assertHeard(LEAD, at, (frame) => value(0, frame - LEAD));
  assertHeard(at + FADE, 1500, (frame) => value(0, frame - LEAD, 3));
  const fading = [...clock.heard(at, at + FADE)];
  fading.forEach((got, i) => {
    const [old, young] = [value(0, at + i - LEAD), value(0, at + i - LEAD, 3)];
    assert.ok(got >= old - 1e-6 && got <= young + 1e-6, `between the two: ${old} ${got} ${young}`);
  });
});

test("sound that was superseded on its way is dropped", async () => {
  playing({ version: 2, put: false });
  give(0, 0, 1);
  assert.equal(engine.buffers.size, 0);
});

test("where a chunk is missing the engine waits, asks for it once, and goes on where it stopped", async () => {
  playing({ chunk: 1000, kept: 3, put: false });
  engine.ask();
  assert.deepEqual(asked, [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]]);
  give(0, 0);
  give(1, 0);
  await engine.play();
  await wind(1500);
  assert.equal(engine.isWaiting, true);
  assert.equal(engine.position, 1000);
  assert.equal(asked.filter(([track, chunk]) => track === 0 && chunk === 1).length, 1);
  give(0, 1);
  assert.equal(engine.isWaiting, false, "what is heard is there");
  const begin = Math.round(clock.currentTime * RATE) + LEAD;
  await wind(500);
  assertHeard(begin + FADE, begin + 400, (frame) => value(0, 1000 + frame - begin));
  engine.setMix({ solo: new Set([1]) });
  await wind(100);
  give(1, 1);
  const joined = Math.round(clock.currentTime * RATE) + LEAD;
  assertHeard(begin + 500, joined, () => 0);
  await wind(200);
  assertHeard(joined + FADE, joined + 150, (frame) => value(1, 1000 + frame - begin));
});

test("no more chunks are kept than may be", async () => {
  playing({ chunk: 500, kept: 2, length: 4000 });
  engine.seek(2100);
  assert.deepEqual([...new Set([...engine.buffers.keys()].map((key) => Number(key.split(":")[1])))], [4, 5]);
});

test("it ends at the end, and begins again at the start", async () => {
  playing({ length: 500, chunk: 500 });
  await engine.play();
  await wind(700);
  assert.equal(engine.isPlaying, false);
  assert.equal(engine.position, 500);
  await engine.play();
  assert.equal(engine.position, 0);
});

test("a pause keeps the place, a seek changes it", async () => {
  playing();
  await engine.play();
  await wind(1030);
  engine.pause();
  assert.equal(engine.position, 1000);
  engine.seek(2000);
  await engine.play();
  const begin = Math.round(clock.currentTime * RATE) + LEAD;
  await wind(300);
  assertHeard(begin + FADE, begin + 200, (frame) => value(0, 2000 + frame - begin));
});

test("a brushed region alone is heard, again and again, until everything is wanted again", async () => {
  playing();
  const samples = Float32Array.from({ length: 200 }, (_, i) => 5 + i / 1000);
  engine.setBrush({ start: 1000, n: 200, channels: [samples] });
  await engine.play();
  const begin = Math.round(clock.currentTime * RATE) + LEAD;
  await wind(700);
  assertHeard(begin + FADE, begin + 400, (frame) => samples[(frame - begin) % 200], "brush:");
  engine.setBrush(null);
  const back = Math.round(clock.currentTime * RATE) + LEAD;
  const position = engine.position;
  await wind(100);
  assertHeard(back + 2 * FADE, back + 50, (frame) => value(0, position + frame - back), "back:");
});

test("tracks of the same names keep what is heard, others begin anew", () => {
  playing();
  engine.setMix({ gains: [3, 0] });
  const { meta } = engine;
  const younger = meta.tracks.map((track) => ({ ...track, version: 9 }));
  assert.deepEqual(engine.load({ ...meta, tracks: younger }), { keepsMix: true, keepsClock: true });
  assert.deepEqual(engine.load({ ...meta, length: 10, tracks: younger }), { keepsMix: true, keepsClock: false });
  assert.deepEqual(engine.mix.gains, [3, 0]);
  assert.equal(engine.graph.tracks[0].gain.gain.at(1), 10 ** (3 / 20), "what is heard is what is shown");
  assert.deepEqual(engine.load({ ...meta, tracks: [{ name: "else", kind: "other", version: 10 }] }), { keepsMix: false, keepsClock: false });
  assert.deepEqual([...engine.mix.solo], []);
});

test("a loop stays within the sound, however near its end it begins, and a sound too short has none", () => {
  playing();
  engine.setLoop([3999, 4000]);
  assert.deepEqual(engine.loop, [3980, 4000]);
  playing({ length: 10, chunk: 10 });
  engine.setLoop([0, 10]);
  assert.equal(engine.loop, null);
});

test("what can not be had is asked for again when a person wants to go on, not before", async () => {
  playing({ chunk: 1000, kept: 1, put: false });
  engine.ask();
  await engine.play();
  await wind(300);
  engine.fail(0, 0);
  assert.equal(engine.isPlaying, false);
  await wind(1000);
  assert.equal(asked.filter(([track]) => track === 0).length, 1);
  await engine.play();
  assert.equal(asked.filter(([track]) => track === 0).length, 2);
});

test("a brush that comes anew, of the same region, does not move the position", async () => {
  playing();
  const brush = () => ({ start: 1000, n: 500, channels: [new Float32Array(500)] });
  engine.setBrush(brush());
  await engine.play();
  await wind(330);
  const { position } = engine;
  engine.setBrush(brush());
  assert.equal(engine.position, position);
});

test("when one player plays, the other pauses", async () => {
  playing();
  const first = engine;
  await first.play();
  playing();
  await engine.play();
  assert.equal(first.isPlaying, false);
  assert.equal(engine.isPlaying, true);
  first.dispose();
});

test("a clock that does not start is told in words, and play stops", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  playing();
  clock.state = "suspended";
  clock.resume = () => new Promise(() => {});
  const starting = engine.play();
  assert.ok(engine.isBlocked);
  t.mock.timers.tick(3000);
  await starting;
  assert.equal(engine.isPlaying, false);
  assert.match(engine.problem, /the browser does not start its sound: press play again/);
  clock.resume = () => {
    clock.state = "running";
  };
  await engine.play();
  assert.equal(engine.problem, "");
  await wind(500);
  assertHeard(LEAD, 500, (frame) => value(0, frame - LEAD));
});

test("a clock that can't be started again is told in words", async () => {
  playing();
  clock.state = "closed";
  clock.resume = async () => {
    throw new Error("it is closed");
  };
  await engine.play();
  assert.equal(engine.isPlaying, false);
  assert.match(engine.problem, /does not start its sound \(it is closed\): reload/);
});

test("a clock that stands still while it plays is told in words", async (t) => {
  playing();
  t.mock.timers.enable({ apis: ["Date"] });
  await engine.play();
  await wind(300);
  t.mock.timers.tick(60_000); // a machine that slept
  engine.tick();
  assert.ok(engine.isPlaying);
  await wind(100);
  for (const milliseconds of [1000, 1000, 1500]) {
    assert.ok(engine.isPlaying);
    t.mock.timers.tick(milliseconds);
    engine.tick();
  }
  assert.equal(engine.isPlaying, false);
  assert.match(engine.problem, /does not start its sound/);
});

test("a rate that the browser refuses is told in words, and play stops", async () => {
  globalThis.OfflineAudioContext = class extends Clock {};
  const refuse = () => {
    throw new Error("the rate is out of range");
  };
  engine = new Engine({ makeContext: refuse });
  engine.load({ rate: 10, length: 100, chunk_length: 100, kept: 1, tracks: [{ name: "a", kind: "other", version: 1 }] });
  engine.put({ track: 0, chunk: 0, version: 1 }, [new Float32Array(100)]);
  await engine.play();
  assert.equal(engine.isPlaying, false);
  assert.equal(engine.problem, "this browser can't play sound of 10 Hz (the rate is out of range)");
});

test("sound that the browser can't take is told in words", async () => {
  playing({ put: false });
  await engine.play();
  assert.ok(engine.isWaiting || engine.isPlaying);
  clock.createBuffer = () => {
    throw new Error("no");
  };
  give(0, 0);
  assert.equal(engine.isPlaying, false);
  assert.match(engine.problem, /can't play sound of 1000 Hz \(no\)/);
});
