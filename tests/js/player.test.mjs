// The player between kernel and page: which answers are taken, and what the kernel is told.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Player } from "../../absslab/widgets/player/js/player.mjs";
import { Clock } from "./clock.mjs";

const MIX = { solo: [0], mute: [], gains: [0, 0], level: "raw" };
let said, hear, player;

globalThis.AudioContext = class {
  constructor({ sampleRate }) {
    return new Clock(sampleRate);
  }
};

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  said = [];
  const model = { on: (_, callback) => (hear = callback), off() {}, send: (content) => said.push(content) };
  player = new Player(model);
  introduce();
});

afterEach(() => {
  player.dispose();
  mock.timers.reset();
});

function introduce({ version = 1, length = 1000, chunk_length = length, kept = 1, names = ["mixture", "speech"], coming = [], mix = MIX, trackVersions = names.map(() => version) } = {}) {
  const tracks = names.map((name, k) => ({ name, kind: "other", version: trackVersions[k], has_mask: false }));
  hear({ type: "tracks", tracks, version, rate: 1000, length, chunk_length, kept, coming, mix }, [new Uint8Array(1536)]);
}

const brushAnswer = (number, start) => hear({ type: "brush", number, start, n: 100, channels: 1, scale: 1 }, [new Uint8Array(200)]);
const of = (type) => said.filter((content) => content.type === type);
const REGION = { start: 0.1, end: 0.2, low: 100, high: 200 };

test("what is heard is told to the kernel, and what the kernel kept is heard again after a reload", () => {
  player.setMix({ gains: [0, -6], solo: new Set([1]) });
  assert.deepEqual(of("mix").at(-1).gains, [null, -6]);
  const { mix } = of("mix").at(-1);
  said.length = 0;
  introduce({ names: ["a", "b"], mix });
  assert.deepEqual(player.heardGains(), [null, -6]);
  assert.deepEqual(of("mix").at(-1).gains, [null, -6]);
});

test("sounds of the same names but another length keep what is heard of them", () => {
  player.setMix({ gains: [0, -6], solo: new Set([1]) });
  introduce({ version: 2, length: 500 });
  assert.deepEqual(player.heardGains(), [null, -6]);
});

test("levels are asked for when they are needed, and anew for new sounds", () => {
  player.setMix({ level: "loudness" });
  assert.equal(of("matched_gains").length, 1);
  hear({ type: "matched_gains", version: 1, gains: { loudness: [5, 7], peak: [0, 0] } });
  assert.deepEqual(of("mix").at(-1).gains, [5, null]);
  player.setMix({ level: "raw" });
  introduce({ version: 2 });
  assert.equal(of("matched_gains").length, 1);
  player.setMix({ level: "loudness" });
  assert.equal(of("matched_gains").length, 2);
});

test("levels of sounds that are no longer there are dropped", () => {
  player.setMix({ level: "peak" });
  introduce({ version: 2 });
  hear({ type: "matched_gains", version: 1, gains: { loudness: [5, 7], peak: [9, 9] } });
  assert.deepEqual(player.heardGains(), [0, null]);
});

test("only the answer to the latest brush is heard", () => {
  player.brush(REGION);
  player.brush({ ...REGION, start: 0.6, end: 0.7 });
  brushAnswer(1, 100);
  assert.equal(player.engine.brush, null);
  brushAnswer(2, 600);
  assert.equal(player.engine.brush.start, 600);
  player.brush(null);
  brushAnswer(2, 600);
  assert.equal(player.engine.brush, null);
});

test("a brush is cut anew when gains or levels change", () => {
  player.brush(REGION);
  player.setMix({ gains: [-6, 0] });
  assert.ok(Math.abs(of("brush").at(-1).gains[0] - 10 ** (-6 / 20)) < 1e-12);
  player.setMix({ level: "peak" });
  hear({ type: "matched_gains", version: 1, gains: { loudness: [0, 0], peak: [12, 0] } });
  assert.ok(Math.abs(of("brush").at(-1).gains[0] - 10 ** (6 / 20)) < 1e-12);
});

test("a picture of another stretch than the one that is wanted is not shown", () => {
  const about = { track: 0, what: "sound", size: "large", axis: "mel", rows: 1, columns: 1, version: 1 };
  player.want(0, "sound", "large", "mel", 0, 1);
  player.want(0, "sound", "large", "mel", 0.4, 0.5);
  hear({ type: "tile", ...about, start: 0, end: 1 }, [new Uint8Array(1)]);
  assert.equal(player.want(0, "sound", "large", "mel", 0.4, 0.5), undefined);
  hear({ type: "tile", ...about, start: 0.4, end: 0.5 }, [new Uint8Array(1)]);
  assert.equal(player.want(0, "sound", "large", "mel", 0.4, 0.5).start, 0.4);
  assert.equal(of("tile").length, 2);
});

test("a picture that was underway when tracks changed is asked for again, one that is here is not", () => {
  const about = { size: "large", axis: "mel", rows: 1, columns: 1, version: 1, start: 0, end: 1 };
  const want = (track) => player.want(track, "sound", "large", "mel", 0, 1);
  for (const track of [0, 1]) want(track);
  hear({ type: "tile", what: "sound", track: 0, ...about }, [new Uint8Array(1)]);
  introduce();
  for (const track of [0, 1]) want(track);
  assert.deepEqual(of("tile").map(({ track }) => track), [0, 1, 1]);
});

test("sound of the same version is neither asked for again nor dropped, levels of all are", () => {
  const pcm = (track, version) =>
    hear({ type: "pcm", track, chunk: 0, version, channels: 1, scale: 1 }, [new Uint8Array(2000)]);
  player.setMix({ level: "loudness" });
  hear({ type: "matched_gains", version: 1, gains: { loudness: [5, 7], peak: [0, 0] } });
  for (const track of [0, 1]) pcm(track, 1);
  said.length = 0;
  introduce({ version: 2, trackVersions: [1, 2] });
  assert.deepEqual(of("need").flatMap(({ chunks }) => chunks), [[1, 0]]);
  assert.equal(of("matched_gains").length, 1);
});

test("an error shows, and what could not be had is asked for again when one plays", async () => {
  const before = of("need").flatMap((content) => content.chunks).length;
  hear({ type: "error", text: "a.wav is gone", track: 0, chunk: 0 });
  assert.equal(player.text, "a.wav is gone");
  player.engine.seek(10);
  assert.equal(of("need").flatMap((content) => content.chunks).length, before + 1);
});

test("what is heard is asked for at once, the rest a few at a time", () => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const mix = { ...MIX, gains: names.map(() => 0) };
  const asked = () => of("need").flatMap(({ chunks }) => chunks.map(([track]) => track));
  const pcm = (track, version) =>
    hear({ type: "pcm", track, chunk: 0, version, channels: 1, scale: 1 }, [new Uint8Array(2000)]);
  said.length = 0;
  introduce({ version: 2, names, mix });
  assert.deepEqual(asked(), [0, 1, 2, 3]);
  pcm(1, 1);
  assert.deepEqual(asked(), [0, 1, 2, 3], "sound of before is not counted");
  pcm(0, 2);
  assert.deepEqual(asked(), [0, 1, 2, 3, 4]);
  player.setMix({ solo: new Set([7]) });
  assert.deepEqual(asked(), [0, 1, 2, 3, 4, 7]);
  for (const track of [1, 2, 3, 4, 7]) pcm(track, 2);
  assert.deepEqual(asked(), [0, 1, 2, 3, 4, 7, 5, 6], "each is asked for once");
  said.length = 0;
  introduce({ version: 3, names: [...names, "i"], mix: { ...mix, gains: [...mix.gains, 0] } });
  assert.deepEqual(asked(), [0, 1, 2, 3], "others begin anew");
});

test("what got lost on its way is asked for again after a time, each time after twice as long", () => {
  const asked = () => of("need").flatMap(({ chunks }) => chunks.map(([track]) => track));
  said.length = 0;
  introduce({ version: 2, coming: [0] });
  assert.deepEqual(asked(), [1]);
  mock.timers.tick(29_000);
  hear({ type: "pcm", track: 1, chunk: 0, version: 2, channels: 1, scale: 1 }, [new Uint8Array(2000)]);
  mock.timers.tick(29_000);
  assert.deepEqual(asked(), [1], "something came meanwhile");
  mock.timers.tick(1_000);
  assert.deepEqual(asked(), [1, 0]);
  mock.timers.tick(59_000);
  assert.deepEqual(asked(), [1, 0]);
  mock.timers.tick(1_000);
  assert.deepEqual(asked(), [1, 0, 0]);
  hear({ type: "pcm", track: 0, chunk: 0, version: 2, channels: 1, scale: 1 }, [new Uint8Array(2000)]);
  mock.timers.tick(1_000_000);
  assert.deepEqual(asked(), [1, 0, 0]);
});

test("chunks around a position that was left are not asked for any more, unless one comes back", () => {
  const asked = () => of("need").flatMap(({ chunks }) => chunks);
  const names = ["a", "b", "c", "d"];
  const mix = { ...MIX, gains: names.map(() => 0) };
  const pcm = (track, chunk) =>
    hear({ type: "pcm", track, chunk, version: 2, channels: 1, scale: 1 }, [new Uint8Array(200)]);
  said.length = 0;
  introduce({ version: 2, chunk_length: 100, kept: 2, names, mix });
  assert.deepEqual(asked(), [[0, 0], [0, 1], [1, 0], [2, 0]]);
  said.length = 0;
  player.engine.seek(500);
  assert.deepEqual(asked(), [[0, 5], [0, 6]]);
  for (const [track, chunk] of [[0, 0], [0, 1], [1, 0], [2, 0], [0, 5], [0, 6]]) pcm(track, chunk);
  for (const track of [1, 2, 3]) for (const chunk of [5, 6]) pcm(track, chunk);
  assert.deepEqual(asked().filter(([, chunk]) => chunk < 5), []);
  assert.equal(asked().length, 8);
  player.engine.seek(0);
  for (const track of [0, 1, 2, 3]) for (const chunk of [0, 1]) pcm(track, chunk);
  const came = ["0:0", "0:1", "1:0", "2:0"]; // before the position was left
  const back = asked().slice(8).map((key) => key.join(":"));
  assert.deepEqual([...came, ...back].sort(), ["0:0", "0:1", "1:0", "1:1", "2:0", "2:1", "3:0", "3:1"]);
});

test("a kernel that is gone is said, and the sound goes on", () => {
  player.model.send = () => {
    throw new Error("Cannot send");
  };
  player.setMix({ solo: new Set([1]) });
  assert.match(player.text, /the kernel is gone/);
  assert.deepEqual(player.heardGains(), [null, 0]);
});

test("a front end that drops the bytes of messages is told in words, and nothing plays", () => {
  introduce({ coming: [0] });
  player.engine.play();
  hear({ type: "pcm", version: 1, track: 0, chunk: 0, start: 0, channels: 1, scale: 1 }, []);
  assert.match(player.text, /sound can't reach this page/);
  assert.equal(player.engine.isPlaying, false);
  hear({ type: "pcm", version: 1, track: 1, chunk: 0, start: 0, channels: 1, scale: 1 });
  assert.match(player.text, /sound can't reach this page/);
});

test("tracks that come without their bytes are named, and it is said that no sound comes", () => {
  const tracks = [{ name: "only", kind: "other", version: 9, has_mask: false }];
  hear({ type: "tracks", tracks, version: 9, rate: 1000, length: 10, chunk_length: 10, kept: 1, coming: [], mix: { ...MIX, gains: [0] } }, []);
  assert.deepEqual(player.engine.tracks.map(({ name }) => name), ["only"]);
  assert.match(player.text, /sound can't reach this page/);
});
