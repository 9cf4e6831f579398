// Any number of tracks on one clock. All of them always run; what is heard is a matter of gains, so switching has no gap.
//
//   voice (source → envelope) → track gain → analyser ┐
//   …                                                 ├→ parts ┐
//                                        brush voices ┴→ brush ┴→ output analyser → destination

import { FADE, pieces, positionAfter, trackGains, wantedChunks } from "./logic.mjs";

const LEAD = 0.03; // s from a command to its sound
const AHEAD = 2.5; // s that are scheduled: timers of hidden pages run once a second
const TICK = 200; // ms

/** The page's audio context of a sampling rate; a context's own rate being the sound's, nothing is resampled. */
export function sharedContext(rate) {
  globalThis.absslabContexts ??= new Map();
  const contexts = globalThis.absslabContexts;
  if (!contexts.has(rate)) contexts.set(rate, new AudioContext({ sampleRate: rate, latencyHint: "interactive" }));
  return contexts.get(rate);
}

export class Engine {
  #voices = new Set();
  #next = null; // {position, at, isCut}: what is to be scheduled next, `at` frames after the anchor
  #anchor = null; // {frame, position}: of the context's clock and of the sound
  #timer = null;
  #asked = new Set();

  /** makeContext: rate → AudioContext; changed(): something to show; wanted([[track, chunk]…]): sound that is missing. */
  constructor({ makeContext = sharedContext, changed = () => {}, wanted = () => {} } = {}) {
    Object.assign(this, { makeContext, changed, wanted });
    this.tracks = [];
    this.buffers = new Map(); // "track:chunk" → {version, buffer}
    this.mix = { solo: new Set(), mute: new Set(), gains: [], level: "raw", levels: null };
    this.loop = null;
    this.brush = null;
    this.isPlaying = false;
    this.isWaiting = false;
    this.rest = 0; // frames: where it stands while it does not play
  }

  /** What is to be played: {rate, length, chunk, kept, tracks: [{name, kind, version}]}; tracks of the same names go on. */
  load(meta) {
    const goesOn = this.meta && ["rate", "length", "chunk"].every((one) => this.meta[one] === meta[one]) && sameNames(this.tracks, meta.tracks);
    this.meta = meta;
    this.tracks = meta.tracks;
    this.#asked.clear();
    if (goesOn) return true;
    this.#silence();
    this.isPlaying = this.isWaiting = false;
    this.rest = 0;
    this.loop = this.brush = null;
    this.buffers.clear();
    this.mix = { ...this.mix, solo: new Set(), mute: new Set(), gains: meta.tracks.map(() => 0), levels: null };
    this.#connect();
    return false;
  }

  /** Whether the browser waits for a person's click before it lets the page sound. */
  get isBlocked() {
    return this.isPlaying && this.context?.state === "suspended";
  }

  get length() {
    return this.meta?.length ?? 0;
  }

  /** Sound has come: channels of Float32Array. What of it plays goes over to it. */
  put({ track, chunk, version }, channels) {
    if (this.tracks[track]?.version !== version) return; // superseded on its way
    this.buffers.set(`${track}:${chunk}`, { version, buffer: this.#buffer(channels) });
    this.#asked.delete(`${track}:${chunk}`);
    const at = this.#now() + this.#frames(LEAD);
    for (const voice of [...this.#voices]) {
      if (voice.track !== track || voice.chunk !== chunk || voice.version === version || voice.end <= at) continue;
      const begins = Math.max(at, voice.begin);
      const left = voice.end - begins;
      this.#end(voice, begins);
      this.#start(voice, begins, voice.frame + begins - voice.begin, left, begins > voice.begin || voice.fadesIn, voice.fadesOut);
    }
    if (!this.isWaiting) this.tick();
    else if (this.#ready(Math.floor(this.rest / this.meta.chunk))) this.#resume();
  }

  /** Only what a brush took is heard: {start, n, channels}, or null for everything again. */
  setBrush(brush) {
    const position = brush ? brush.start : this.position;
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

  /** A region in frames that is played again and again, or null. */
  setLoop(loop) {
    const shortest = this.#frames(4 * FADE);
    const position = this.position;
    this.loop = loop && [Math.max(0, Math.round(loop[0])), Math.min(this.length, Math.max(Math.round(loop[1]), Math.round(loop[0]) + shortest))];
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
      n_voices: this.#voices.size,
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
    trackGains(this.tracks.length, this.mix).forEach((gain, k) => (twin.outputs[k].gain.gain.value = gain));
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
    return [...this.#voices].find((voice) => voice.track === track && voice.begin <= now && now < voice.end)?.version ?? null;
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
    for (const node of [this.output, this.parts, this.brushed]) node?.disconnect();
    for (const { gain, analyser } of this.outputs ?? []) [gain, analyser].forEach((node) => node.disconnect());
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
    if (this.isPlaying) {
      this.#silence();
      this.#resume();
    }
    this.ask();
    this.changed();
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
    const at = this.#now() + this.#frames(LEAD);
    for (const voice of [...this.#voices]) this.#end(voice, at);
  }

  /** Schedule what comes, and see whether the sound is missing or over; called by a timer. */
  tick() {
    if (!this.isPlaying || !this.#anchor) return;
    const elapsed = this.#now() - this.#anchor.frame;
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

  /** Schedule up to so many frames after the anchor; false where sound is missing. */
  #schedule(until) {
    const { chunk } = this.meta;
    for (const piece of pieces(this.#next.position, until - this.#next.at, this)) {
      const index = Math.floor(piece.frame / chunk);
      if (!this.#ready(index)) return false;
      const isCut = piece.at ? piece.isCut : this.#next.isCut;
      const end = piece.frame + piece.n;
      const wraps = Boolean(this.loop) && end === this.loop[1];
      const begin = this.#anchor.frame + this.#next.at;
      this.tracks.forEach((_, k) => this.#start({ track: k, chunk: index, output: this.outputs[k].gain }, begin, piece.frame, piece.n, isCut && piece.frame > 0, wraps));
      this.#startBrush(piece, begin);
      this.#next = { position: wraps ? this.loop[0] : end, at: this.#next.at + piece.n, isCut: wraps };
    }
    return true;
  }

  get chunk() {
    return this.meta.chunk;
  }

  /** Whether a chunk of every track is there. */
  #ready(chunk) {
    return this.tracks.every((_, k) => this.buffers.has(`${k}:${chunk}`));
  }

  #startBrush(piece, begin) {
    if (!this.brush) return;
    const first = Math.max(piece.frame, this.brush.start);
    const n = Math.min(piece.frame + piece.n, this.brush.start + this.brush.n) - first;
    if (n > 0) this.#start({ track: "brush", buffer: this.brush.buffer, offset: this.brush.start, output: this.brushed }, begin + first - piece.frame, first, n, false, false);
  }

  /** Start a voice: frame `frame` of the sound at frame `begin` of the clock, for n frames. */
  #start({ track, chunk, output, buffer, offset }, begin, frame, n, fadesIn, fadesOut) {
    const kept = buffer ? { buffer, version: null } : this.buffers.get(`${track}:${chunk}`);
    const first = frame - (offset ?? chunk * this.meta.chunk);
    const { context } = this;
    const { rate } = this.meta;
    const [source, envelope] = [context.createBufferSource(), context.createGain()];
    source.buffer = kept.buffer;
    source.connect(envelope).connect(output);
    const voice = { track, chunk, output, buffer, offset, version: kept.version, source, envelope, begin, end: begin + n, frame, fadesIn, fadesOut };
    if (fadesIn) envelope.gain.setValueAtTime(0, begin / rate).linearRampToValueAtTime(1, begin / rate + FADE);
    if (fadesOut) envelope.gain.setValueAtTime(1, Math.max(begin / rate + FADE, (begin + n) / rate - FADE)).linearRampToValueAtTime(0, (begin + n) / rate);
    source.start(begin / rate, first / rate, n / rate);
    source.onended = () => this.#forget(voice);
    this.#voices.add(voice);
  }

  #end(voice, at) {
    const { rate } = this.meta;
    if (voice.end <= at) return;
    if (voice.begin >= at) {
      voice.source.stop();
      this.#forget(voice);
      return;
    }
    voice.end = at;
    voice.envelope.gain.cancelScheduledValues(at / rate);
    voice.envelope.gain.setValueAtTime(1, at / rate).linearRampToValueAtTime(0, at / rate + FADE);
    voice.source.stop(at / rate + FADE);
  }

  #forget(voice) {
    this.#voices.delete(voice);
    voice.source.disconnect();
    voice.envelope.disconnect();
  }
}

function ramp(parameter, value, context) {
  const now = context.currentTime;
  parameter.cancelScheduledValues(now);
  parameter.setValueAtTime(parameter.value, now);
  parameter.linearRampToValueAtTime(value, now + FADE);
}

function sameNames(some, others) {
  return some.length === others.length && some.every((track, k) => track.name === others[k].name && track.kind === others[k].kind);
}
