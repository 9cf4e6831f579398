// @ts-check
// Any number of tracks on one clock. All of them always run; what is heard is a matter of gains, so switching has no gap.
//
//   voice (source → envelope) → track gain → analyser ┐
//   …                                                 ├→ parts ┐
//                                        brush voices ┴→ brush ┴→ output analyser → destination

import { FADE, pieces, positionAfter, trackGains, wantedChunks } from "./logic.mjs";
import { endVoice, ramp, sharedContext, startVoice } from "./voice.mjs";

const LEAD = 0.03; // s from a command to its sound
const AHEAD = 2.5; // s that are scheduled: timers of hidden pages run once a second
const TICK = 200; // ms

/**
 * A stretch of sound on the context's clock, and the voices that play it, by track.
 *
 * @typedef {{begin: number, frame: number, n: number, fadesIn: boolean, fadesOut: boolean, voices: Map<number | "brush", any>}} Piece
 */

export class Engine {
  /** @type {Piece[]} The pieces that are scheduled on the context's clock. */
  #scheduled = [];
  /** @type {{position: number, at: number, isCut: boolean} | null} What to schedule next, `at` frames after the anchor. */
  #next = null;
  /** @type {{frame: number, position: number} | null} A frame of the context's clock, and the position that it plays. */
  #anchor = null;
  /** @type {ReturnType<typeof setInterval> | null} */
  #timer = null;
  /** @type {Set<string>} Keys "track:chunk" of the sound that was asked for. */
  #asked = new Set();
  /** @type {Set<string>} Keys of the sound that the kernel could not send. */
  #failed = new Set();
  /** @type {AudioContext | OfflineAudioContext | null} */
  context = null;
  /** @type {AnalyserNode | null} All that is heard. */
  output = null;
  /** @type {GainNode | null} All tracks together. */
  parts = null;
  /** @type {GainNode | null} The brushed region. */
  brushed = null;
  /** @type {{gain: GainNode, analyser: AnalyserNode}[]} The outputs of the tracks. */
  outputs = [];

  /**
   * @param {object} callbacks
   * @param {(rate: number) => AudioContext | OfflineAudioContext} [callbacks.makeContext]
   * @param {() => void} [callbacks.changed] is called when there is something new to show.
   * @param {(chunks: number[][]) => void} [callbacks.wanted] is called with the [track, chunk] that are missing.
   */
  constructor({ makeContext = sharedContext, changed = () => {}, wanted = () => {} } = {}) {
    this.makeContext = makeContext;
    this.changed = changed;
    this.wanted = wanted;
    this.tracks = [];
    this.buffers = new Map(); // "track:chunk" → {version, buffer}
    this.mix = { solo: new Set(), mute: new Set(), gains: [], level: "raw", levels: null };
    this.loop = null;
    this.brush = null;
    this.isPlaying = false;
    this.isWaiting = false;
    this.rest = 0; // frames: where it stands while it does not play
  }

  /**
   * What is to be played: {rate, length, chunk, kept, tracks: [{name, kind, version}]}; returns what stays as it was.
   *
   * Tracks of the same names keep what is heard of them (mix); if they are as long as well, they go on where they are (clock).
   */
  load(meta) {
    const mix = sameNames(this.tracks, meta.tracks);
    const clock = mix && Boolean(this.meta) && ["rate", "length", "chunk"].every((one) => this.meta[one] === meta[one]);
    if (!clock) this.#silence();
    this.meta = meta;
    this.tracks = meta.tracks;
    this.#asked.clear();
    this.#failed.clear();
    if (!mix) this.mix = { solo: new Set(), mute: new Set(), gains: meta.tracks.map(() => 0), level: "raw", levels: null };
    if (clock) return { mix, clock };
    this.isPlaying = this.isWaiting = false;
    this.rest = 0;
    this.loop = this.brush = null;
    this.buffers.clear();
    this.#connect();
    this.setMix({});
    return { mix, clock };
  }

  /** Whether the browser waits for a person's click before it lets the page sound. */
  get isBlocked() {
    return this.isPlaying && this.context?.state === "suspended";
  }

  get length() {
    return this.meta?.length ?? 0;
  }

  /** Sound has come: channels of Float32Array. What of it plays goes over to it; what was missed begins. */
  put({ track, chunk, version }, channels) {
    if (this.tracks[track]?.version !== version) return; // superseded on its way
    this.buffers.set(`${track}:${chunk}`, { version, buffer: this.#buffer(channels) });
    this.#asked.delete(`${track}:${chunk}`);
    const at = this.#now() + this.#frames(LEAD);
    for (const piece of this.#scheduled) {
      const end = piece.begin + piece.n;
      const old = piece.voices.get(track);
      if (Math.floor(piece.frame / this.meta.chunk) !== chunk || end <= at || old?.version === version) continue;
      const begin = Math.max(at, piece.begin);
      if (old) endVoice(old, begin, this.meta.rate);
      const late = { ...piece, begin, frame: piece.frame + begin - piece.begin, n: end - begin, fadesIn: begin > piece.begin || piece.fadesIn };
      piece.voices.set(track, startVoice(this.context, this.meta.rate, late, this.#source(track, chunk)));
    }
    if (!this.isWaiting) this.tick();
    else if (this.#ready(Math.floor(this.rest / this.meta.chunk))) this.#resume();
  }

  /** A chunk could not be had: stop where it is missing, and ask again when a person wants to go on. */
  fail(track, chunk) {
    this.#failed.add(`${track}:${chunk}`);
    if (this.isWaiting) this.pause();
  }

  /** Only what a brush took is heard: {start, n, channels}, or null for everything again. */
  setBrush(brush) {
    const isSame = brush && this.brush?.start === brush.start && this.brush.n === brush.n;
    const position = brush && !isSame ? brush.start : this.position;
    this.brush = brush && { start: brush.start, n: brush.n, buffer: this.#buffer(brush.channels) };
    this.loop = brush && [brush.start, brush.start + brush.n];
    ramp(this.parts.gain, brush ? 0 : 1, this.context);
    this.#moveTo(position);
  }

  async play() {
    if (!this.meta || this.isPlaying) return;
    if (globalThis.absslabPlaying !== this) globalThis.absslabPlaying?.pause();
    globalThis.absslabPlaying = this;
    if (this.rest >= this.length) this.rest = this.loop?.[0] ?? 0;
    if (this.loop && (this.rest >= this.loop[1] || this.rest < this.loop[0])) this.rest = this.loop[0];
    this.isPlaying = true;
    this.#tryAgain();
    await this.context.resume?.();
    if (this.isPlaying) this.#resume();
  }

  pause() {
    if (!this.isPlaying) return;
    this.rest = this.position;
    this.#silence();
    this.isPlaying = this.isWaiting = false;
    this.changed();
  }

  seek(frame) {
    this.#moveTo(Math.max(0, Math.min(this.length, Math.round(frame))));
  }

  /** A region in frames that is played again and again, or null; of a sound too short for one it is null. */
  setLoop(loop) {
    const shortest = this.#frames(4 * FADE);
    const position = this.position;
    if (loop && this.length >= shortest) {
      const start = Math.max(0, Math.min(Math.round(loop[0]), this.length - shortest));
      this.loop = [start, Math.min(this.length, Math.max(Math.round(loop[1]), start + shortest))];
    } else this.loop = null;
    const isOutside = this.loop && (position < this.loop[0] || position >= this.loop[1]);
    this.#moveTo(isOutside ? this.loop[0] : position);
  }

  setMix(mix) {
    this.mix = { ...this.mix, ...mix };
    trackGains(this.tracks.length, this.mix).forEach((gain, k) => ramp(this.outputs[k].gain.gain, gain, this.context));
    this.changed();
  }

  /** The frame that is heard now. */
  get position() {
    if (!this.#anchor) return this.rest;
    return positionAfter(this.#anchor.position, Math.max(0, this.#now() - this.#anchor.frame), this);
  }

  /** What sounds, measured: root mean squares of the tracks behind their gains, and of all together. */
  probe() {
    const rms = (analyser) => {
      const samples = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(samples);
      return [Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length), samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0)];
    };
    const isBrushed = Boolean(this.brush);
    const [out, peak] = this.output ? rms(this.output) : [0, 0];
    return {
      context: this.context?.state ?? "none",
      isPlaying: this.isPlaying,
      isWaiting: this.isWaiting,
      position: this.position / (this.meta?.rate ?? 1),
      tracks: this.tracks.map((track, k) => ({ name: track.name, rms: isBrushed ? 0 : rms(this.outputs[k].analyser)[0] })),
      brush: isBrushed,
      out,
      peak,
      n_voices: this.#voices().length,
      sounding: this.tracks.map((_, k) => this.#sounding(k)),
    };
  }

  /** What is heard from one frame to another, rendered faster than it plays: channels of Float32Array. */
  async render(from, to) {
    const nChannels = Math.max(...[...this.buffers.values()].map(({ buffer }) => buffer.numberOfChannels));
    const offline = new OfflineAudioContext(nChannels, to - from, this.meta.rate);
    const twin = new Engine({ makeContext: () => offline });
    twin.load(this.meta);
    twin.buffers = this.buffers;
    twin.mix = this.mix;
    trackGains(this.tracks.length, this.mix).forEach((gain, k) => {
      twin.outputs[k].gain.gain.cancelScheduledValues(0);
      twin.outputs[k].gain.gain.setValueAtTime(gain, 0);
    });
    twin.#anchor = { frame: 0, position: from };
    twin.#next = { position: from, at: 0, isCut: false };
    twin.#schedule(to - from);
    const rendered = await offline.startRendering();
    return Array.from({ length: nChannels }, (_, c) => rendered.getChannelData(c));
  }

  dispose() {
    this.pause();
    this.#disconnect();
    this.buffers.clear();
    this.tracks = [];
    this.meta = this.brush = null;
    if (globalThis.absslabPlaying === this) globalThis.absslabPlaying = null;
  }

  /** These [track, chunk] come without being asked for. */
  expect(chunks) {
    for (const [track, chunk] of chunks) this.#asked.add(`${track}:${chunk}`);
  }

  /** Ask for what is missing around the position, and forget what is far from it. */
  ask() {
    if (!this.meta) return;
    const chunks = wantedChunks(this.position, { ...this.meta, loop: this.loop });
    const missing = [];
    for (const chunk of chunks) {
      const order = this.tracks.map((_, k) => k).sort((a, b) => this.#isHeard(b) - this.#isHeard(a));
      for (const track of order) {
        const key = `${track}:${chunk}`;
        if (this.buffers.get(key)?.version === this.tracks[track].version || this.#asked.has(key)) continue;
        this.#asked.add(key);
        missing.push([track, chunk]);
      }
    }
    for (const key of this.buffers.keys()) if (!chunks.includes(Number(key.split(":")[1]))) this.buffers.delete(key);
    if (missing.length) this.wanted(missing);
  }

  /** The version of a track that sounds now. */
  #sounding(track) {
    const now = this.#now();
    return this.#scheduled.find((piece) => piece.begin <= now && now < piece.begin + piece.n)?.voices.get(track)?.version ?? null;
  }

  #voices() {
    return this.#scheduled.flatMap((piece) => [...piece.voices.values()]);
  }

  #isHeard(track) {
    return Number(!this.mix.mute.has(track) && (this.mix.solo.size === 0 || this.mix.solo.has(track)));
  }

  #now() {
    return Math.round((this.context?.currentTime ?? 0) * (this.meta?.rate ?? 1));
  }

  #frames(seconds) {
    return Math.round(seconds * this.meta.rate);
  }

  #connect() {
    this.#disconnect();
    this.context = this.makeContext(this.meta.rate);
    const { context } = this;
    this.output = context.createAnalyser();
    this.output.connect(context.destination);
    [this.parts, this.brushed] = [context.createGain(), context.createGain()];
    this.parts.connect(this.output);
    this.brushed.connect(this.output);
    this.outputs = this.tracks.map(() => {
      const [gain, analyser] = [context.createGain(), context.createAnalyser()];
      gain.connect(analyser).connect(this.parts);
      return { gain, analyser };
    });
  }

  #disconnect() {
    const parts = (this.outputs ?? []).flatMap(({ gain, analyser }) => [gain, analyser]);
    const nodes = [this.output, this.parts, this.brushed, ...parts].filter(Boolean);
    setTimeout(() => nodes.forEach((node) => node.disconnect()), 1000 * (LEAD + 2 * FADE)); // when it has faded
    this.outputs = [];
  }

  #buffer(channels) {
    const buffer = this.context.createBuffer(channels.length, channels[0].length, this.meta.rate);
    channels.forEach((samples, c) => buffer.copyToChannel(samples, c));
    return buffer;
  }

  /** Go on from a frame, playing or not. */
  #moveTo(frame) {
    this.rest = frame;
    this.#tryAgain();
    if (this.isPlaying) {
      this.#silence();
      this.#resume();
    }
    this.ask();
    this.changed();
  }

  #tryAgain() {
    this.#failed.forEach((key) => this.#asked.delete(key));
    this.#failed.clear();
  }

  #resume() {
    this.isWaiting = false;
    this.#anchor = { frame: this.#now() + this.#frames(LEAD), position: this.rest };
    this.#next = { position: this.rest, at: 0, isCut: true };
    this.tick();
    this.#timer ??= setInterval(() => this.tick(), TICK);
    this.changed();
  }

  /** Let all that sounds fade out. */
  #silence() {
    clearInterval(this.#timer);
    this.#timer = this.#anchor = this.#next = null;
    if (!this.meta) return;
    const at = this.#now() + this.#frames(LEAD);
    for (const voice of this.#voices()) endVoice(voice, at, this.meta.rate);
    this.#scheduled = [];
  }

  /** Schedule what comes, and see whether the sound is missing or over; called by a timer. */
  tick() {
    if (!this.isPlaying || !this.#anchor) return;
    const now = this.#now();
    const elapsed = now - this.#anchor.frame;
    this.#scheduled = this.#scheduled.filter((piece) => piece.begin + piece.n > now);
    const isWhole = this.#schedule(elapsed + this.#frames(AHEAD));
    this.ask();
    if (!isWhole && elapsed >= this.#next.at) {
      this.rest = this.#next.position;
      this.#silence();
      this.isWaiting = true;
      this.changed();
    } else if (isWhole && this.#next.position >= this.length && elapsed >= this.#next.at) {
      this.#silence();
      this.isPlaying = false;
      this.rest = this.length;
      this.changed();
    }
  }

  /** Schedule up to so many frames after the anchor; false where sound that is heard is missing. */
  #schedule(until) {
    for (const { frame, n, at, isCut } of pieces(this.#next.position, until - this.#next.at, this)) {
      const chunk = Math.floor(frame / this.meta.chunk);
      if (!this.#ready(chunk)) return false;
      const wraps = Boolean(this.loop) && frame + n === this.loop[1];
      const fadesIn = (at ? isCut : this.#next.isCut) && frame > 0;
      const piece = { begin: this.#anchor.frame + this.#next.at, frame, n, fadesIn, fadesOut: wraps, voices: new Map() };
      this.tracks.forEach((_, k) => {
        if (this.buffers.has(`${k}:${chunk}`)) piece.voices.set(k, startVoice(this.context, this.meta.rate, piece, this.#source(k, chunk)));
      });
      this.#startBrush(piece);
      this.#scheduled.push(piece);
      this.#next = { position: wraps ? this.loop[0] : frame + n, at: this.#next.at + n, isCut: wraps };
    }
    return true;
  }

  get chunk() {
    return this.meta.chunk;
  }

  /** Whether a chunk is there of every track that is heard. */
  #ready(chunk) {
    return this.tracks.every((_, k) => !this.#isHeard(k) || this.buffers.has(`${k}:${chunk}`));
  }

  #source(track, chunk) {
    return { ...this.buffers.get(`${track}:${chunk}`), offset: chunk * this.meta.chunk, output: this.outputs[track].gain };
  }

  #startBrush({ begin, frame, n, voices }) {
    if (!this.brush) return;
    const first = Math.max(frame, this.brush.start);
    const length = Math.min(frame + n, this.brush.start + this.brush.n) - first;
    const source = { buffer: this.brush.buffer, offset: this.brush.start, output: this.brushed };
    if (length > 0) voices.set("brush", startVoice(this.context, this.meta.rate, { begin: begin + first - frame, frame: first, n: length }, source));
  }
}

function sameNames(some, others) {
  return some.length === others.length && some.every((track, k) => track.name === others[k].name && track.kind === others[k].kind);
}
