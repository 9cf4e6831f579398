// What the player decides: without sound, without a page.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as logic from "../../absslab/widgets/player/js/logic.mjs";

const TRACKS = [
  { name: "mixture", kind: "mixture" },
  { name: "speech", kind: "source" },
  { name: "knock", kind: "source" },
  { name: "residual", kind: "residual" },
  { name: "speech", kind: "reference" },
];
const mix = (more = {}) => ({ solo: new Set(), mute: new Set(), gains: [0, 0, 0], level: "raw", matchedGains: null, ...more });

test("a soloed track silences the others, and mute wins over solo", () => {
  assert.deepEqual(logic.trackGains(3, mix()), [1, 1, 1]);
  assert.deepEqual(logic.trackGains(3, mix({ solo: new Set([1]) })), [0, 1, 0]);
  assert.deepEqual(logic.trackGains(3, mix({ solo: new Set([1, 2]), mute: new Set([1]) })), [0, 0, 1]);
});

test("a track's own gain and that of its level add up in dB, and raw levels add nothing", () => {
  const matchedGains = { loudness: [0, 14, 0], peak: [1, 2, 3] };
  const some = mix({ gains: [0, 6, 0], matchedGains });
  assert.ok(Math.abs(logic.trackGains(3, some)[1] - 10 ** 0.3) < 1e-12);
  assert.ok(Math.abs(logic.trackGains(3, { ...some, level: "loudness" })[1] - 10) < 1e-12);
  assert.equal(logic.appliedGain(2, { ...some, level: "peak" }), 3);
});

test("levels that are not measured yet change nothing", () => {
  assert.deepEqual(logic.trackGains(3, mix({ level: "loudness" })), [1, 1, 1]);
});

test("presets are the mixture, each source, everything but it, the residual and the references", () => {
  const entries = logic.presets(TRACKS);
  const of = (group) => entries.filter((entry) => entry.group === group).map((entry) => entry.solo);
  assert.deepEqual(of("Mixture"), [[0]]);
  assert.deepEqual(of("Sources"), [[1], [2]]);
  assert.deepEqual(of("Everything but"), [[2, 3], [1, 3]]);
  assert.deepEqual(of("Left over"), [[3]]);
  assert.deepEqual(of("References"), [[4]]);
  assert.equal(logic.findPreset(entries, new Set([3, 2])), entries.findIndex((one) => one.label === "all but speech"));
  assert.equal(logic.findPreset(entries, new Set([0, 4])), -1);
});

test("pieces follow on each other without gap or overlap, cut at chunks and at the loop", () => {
  const about = { length: 20, chunkLength: 8, loop: [4, 10] };
  const found = logic.pieces(5, 30, about);
  assert.equal(found.reduce((sum, one) => sum + one.n, 0), 30);
  found.forEach((one, i) => {
    assert.equal(one.at, found.slice(0, i).reduce((sum, before) => sum + before.n, 0));
    assert.ok(Math.floor(one.frame / 8) === Math.floor((one.frame + one.n - 1) / 8), "within one chunk");
    if (i) assert.equal(one.isCut, one.frame !== found[i - 1].frame + found[i - 1].n);
  });
  for (let i = 0; i < 30; i++) {
    const piece = found.find((one) => one.at <= i && i < one.at + one.n);
    assert.equal(piece.frame + i - piece.at, logic.positionAfter(5, i, about), `frame ${i}`);
  }
});

test("without a loop pieces end with the sound, and so does the position", () => {
  const about = { length: 20, chunkLength: 8, loop: null };
  assert.equal(logic.pieces(15, 100, about).reduce((sum, one) => sum + one.n, 0), 5);
  assert.equal(logic.positionAfter(15, 100, about), 20);
  assert.deepEqual(logic.pieces(20, 100, about), []);
});

test("behind its loop a sound plays to its end", () => {
  const about = { length: 20, chunkLength: 20, loop: [2, 5] };
  assert.deepEqual(logic.pieces(6, 100, about), [{ frame: 6, n: 14, at: 0, isCut: true }]);
  assert.equal(logic.positionAfter(6, 3, about), 9);
});

test("samples come out of any place of a buffer, channel by channel", () => {
  const bytes = new Uint8Array(3 + 8);
  const view = new DataView(bytes.buffer, 3);
  [16384, -32768, 1, 32767].forEach((value, i) => view.setInt16(2 * i, value, true));
  const [left, right] = logic.toFloat(bytes.subarray(3), 2, 0.5);
  assert.deepEqual([...left], [0.25, -0.5]);
  assert.deepEqual([...right], [Math.fround(0.5 / 32768), Math.fround((32767 / 32768) * 0.5)]);
});

test("the chunks ahead are wanted first, and no more than may be kept", () => {
  const about = { length: 100, chunkLength: 10, kept: 4, loop: null };
  assert.deepEqual(logic.wantedChunks(35, about), [3, 4, 5, 6]);
  assert.deepEqual(logic.wantedChunks(95, about), [9, 8]);
  assert.deepEqual(logic.wantedChunks(35, { ...about, loop: [12, 38] }), [3, 1, 4, 5]);
  assert.deepEqual(logic.wantedChunks(0, { ...about, chunkLength: 100, kept: 1 }), [0]);
});

test("zooming keeps the instant under the pointer, and stays within the sound", () => {
  const [from, to] = logic.zoomRange([0, 10], 0.5, 4, 10);
  assert.deepEqual([from, to], [2, 7]);
  assert.equal((4 - from) / (to - from), 0.4);
  assert.deepEqual(logic.zoomRange([2, 7], Infinity, 4, 10), [0, 10]);
  assert.deepEqual(logic.zoomRange([0, 10], 1e-9, 9.99, 10)[1] <= 10, true);
  assert.deepEqual(logic.moveRange([2, 7], 100, 10), [5, 10]);
  assert.deepEqual(logic.zoomRange([0, 0.01], 0.5, 0, 0.01), [0, 0.01]);
});

test("ticks are round, and about as many as are wanted", () => {
  assert.deepEqual(logic.ticks(0, 10, 8), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(logic.ticks(0, 1800, 8), [0, 300, 600, 900, 1200, 1500, 1800]);
  for (const [from, to] of [[0, 0.3], [3.2, 3.9], [0, 7200], [100, 131]]) {
    const found = logic.ticks(from, to, 8);
    assert.ok(found.length >= 3 && found.length <= 13, `${found}`);
    assert.ok(found[0] >= from - 1e-9 && found.at(-1) <= to + 1e-9);
  }
});

test("times and gains read as people write them", () => {
  assert.equal(logic.formatTime(3.254), "0:03.25");
  assert.equal(logic.formatTime(59.999), "1:00.00");
  assert.equal(logic.formatTime(3661.5), "1:01:01.50");
  assert.equal(logic.formatTime(75, 0), "1:15");
  assert.equal(logic.formatGain(-3), "−3.0 dB");
  assert.equal(logic.formatHertz(1500), "1.5 kHz");
});

test("frequencies and heights are each other's inverse on both axes", () => {
  for (const axis of ["mel", "linear"]) {
    for (const hertz of [0, 60, 440, 7999]) {
      assert.ok(Math.abs(logic.frequencyAt(logic.heightOf(hertz, axis, 8000), axis, 8000) - hertz) < 1e-6);
    }
  }
});

test("keys are commands, but not where a person types or uses a slider or a focused button", () => {
  const key = (name, more = {}) => ({ key: name, ...more });
  assert.deepEqual(logic.readKey(key(" ")), ["toggle"]);
  assert.deepEqual(logic.readKey(key("3")), ["hear", 2]);
  assert.deepEqual(logic.readKey(key("M")), ["mute"]);
  assert.deepEqual(logic.readKey(key("ArrowLeft", { shiftKey: true })), ["skip", -0.1]);
  assert.equal(logic.readKey(key("m", { ctrlKey: true })), null);
  assert.equal(logic.readKey(key("m"), { isText: true }), null);
  assert.deepEqual(logic.readKey(key("Escape"), { isText: true }), ["clear"]);
  assert.equal(logic.readKey(key("ArrowLeft"), { isSlider: true }), null);
  assert.equal(logic.readKey(key(" "), { isKeyboardButton: true }), null);
  assert.equal(logic.readKey(key("x")), null);
});
