// @ts-check
// The widget: one engine per model, however often it is shown; what the kernel says, and what it is asked for.

import { appliedGain, toFloat } from "./logic.mjs";
import { Engine } from "./engine.mjs";
import { download } from "./picture.mjs";
import { View } from "./view.mjs";

export class Player {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.pictures = new Map(); // "track:what:size:axis" → {…, pixels}
    this.colours = null;
    this.text = "";
    this.region = null; // that is brushed: {start, end, low, high}
    this.nBrushes = 0; // answers to older wishes are dropped
    this.levelled = null; // the version of the tracks whose levels are known
    this.engine = new Engine({
      changed: () => this.changed(),
      wanted: (chunks) => this.say({ type: "need", chunks }),
    });
    this.receive = (content, buffers) => {
      try {
        this.#receive(content, buffers);
      } catch (error) {
        this.text = `the player failed: ${/** @type {Error} */ (error).message}`;
        console.error(error);
      }
      this.changed();
    };
    model.on("msg:custom", this.receive);
    this.say({ type: "ready" });
  }

  say(content) {
    try {
      this.model.send(content);
    } catch {
      this.text = "the kernel is gone: what is here can be heard on; run the cell again for the rest";
    }
  }

  changed() {
    for (const view of this.views) view.update();
  }

  /** Change what is heard, and let the kernel know. */
  setMix(mix) {
    this.engine.setMix(mix);
    this.#askForLevels();
    this.tell();
    if (this.region) this.brush(this.region);
  }

  tell() {
    const { solo, mute, gains, level } = this.engine.mix;
    this.say({ type: "mix", gains: this.heardGains(), mix: { solo: [...solo], mute: [...mute], gains, level } });
  }

  #askForLevels() {
    const version = this.engine.tracks[0]?.version;
    if (this.engine.mix.level !== "raw" && this.levelled !== version) this.say({ type: "levels" });
  }

  /** dB of each track, null where it is not heard. */
  heardGains() {
    const { mix, tracks } = this.engine;
    const isHeard = (k) => !mix.mute.has(k) && (mix.solo.size === 0 || mix.solo.has(k));
    return tracks.map((_, k) => (isHeard(k) ? appliedGain(k, mix) : null));
  }

  linearGains() {
    return this.heardGains().map((gain) => (gain === null ? 0 : 10 ** (gain / 20)));
  }

  /** Hear only a region {start, end, low, high} of what is heard; null: everything again. */
  brush(region) {
    this.text = "";
    this.region = region;
    this.nBrushes += 1;
    if (region) this.say({ type: "brush", number: this.nBrushes, ...region, gains: this.linearGains() });
    else if (this.engine.brush) this.engine.setBrush(null);
    this.changed();
  }

  save(gains, name) {
    this.text = "";
    this.say({ type: "save", gains, name });
  }

  /** Ask for a picture, unless it is there or on its way. */
  want(track, what, size, axis, start, end) {
    const { version } = this.engine.tracks[track];
    const key = `${track}:${what}:${size}:${axis}`;
    const kept = this.pictures.get(key);
    if (!kept || !isSame(kept, { version, start, end })) {
      this.pictures.set(key, { ...kept, version, start, end, shown: kept?.shown });
      this.say({ type: "tile", track, what, size, axis, start, end });
    }
    return this.pictures.get(key).shown;
  }

  dispose() {
    this.model.off("msg:custom", this.receive);
    this.engine.dispose();
    this.pictures.clear();
    for (const view of [...this.views]) view.dispose();
  }

  #receive(content, buffers) {
    const { engine } = this;
    const bytes = buffers?.[0] && new Uint8Array(buffers[0].buffer ?? buffers[0], buffers[0].byteOffset ?? 0, buffers[0].byteLength);
    if (content.type === "tracks") this.#introduce(content, bytes);
    else if (content.type === "pcm") engine.put(content, toFloat(bytes, content.channels, content.scale));
    else if (content.type === "tile") this.#picture(content, bytes);
    else if (content.type === "levels" && content.version === engine.tracks[0]?.version) {
      this.levelled = content.version;
      this.setMix({ levels: content.levels });
    } else if (content.type === "brush" && this.region && content.number === this.nBrushes) {
      engine.setBrush({ start: content.start, n: content.n, channels: toFloat(bytes, content.channels, content.scale) });
    } else if (content.type === "file") download(new Blob([bytes], { type: content.mime }), content.name);
    else if (content.type === "do") this.#do(content);
    else if (content.type === "error") {
      this.text = content.text;
      if (content.chunk !== undefined) engine.fail(content.track, content.chunk);
    }
  }

  #introduce(content, colours) {
    this.text = "";
    this.colours = colours;
    const kept = this.engine.load(content);
    if (!kept.clock) {
      this.pictures.clear();
      this.region = null;
      for (const view of this.views) view.build();
    }
    if (!kept.mix) {
      const { solo, mute, gains, level } = content.mix;
      this.levelled = null;
      this.setMix({ solo: new Set(solo), mute: new Set(mute), gains, level });
    } else this.#askForLevels();
    this.engine.expect(content.coming.map((track) => [track, 0]));
    this.engine.ask();
    if (this.region) this.brush(this.region);
    for (const view of this.views) view.update();
  }

  #picture(content, pixels) {
    const kept = this.pictures.get(`${content.track}:${content.what}:${content.size}:${content.axis}`);
    if (kept && isSame(kept, content)) kept.shown = { ...content, pixels };
  }

  #do({ command, tracks, seconds }) {
    if (command === "hear") this.setMix({ solo: new Set(tracks), mute: new Set() });
    else if (command === "play") this.engine.play();
    else if (command === "pause") this.engine.pause();
    else if (command === "seek") this.engine.seek(seconds * this.engine.meta.rate);
  }
}

function isSame(some, other) {
  return some.version === other.version && Math.abs(some.start - other.start) < 1e-6 && Math.abs(some.end - other.end) < 1e-6;
}

/** Called once per model, however often it is shown. */
export default () => {
  let player;
  return {
    initialize({ model }) {
      player = new Player(model);
      return () => player.dispose();
    },
    render({ model, el }) {
      const view = new View(el, player, model.get("title"));
      const retitle = () => view.retitle(model.get("title"));
      model.on("change:title", retitle);
      return () => {
        model.off("change:title", retitle);
        view.dispose();
      };
    },
  };
};
