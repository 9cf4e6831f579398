// The widget: one engine per model, however often it is shown; what the kernel says, and what it is asked for.

import { appliedGain, toFloat } from "./logic.mjs";
import { Engine } from "./engine.mjs";
import { download } from "./picture.mjs";
import { View } from "./view.mjs";

class Player {
  constructor(model) {
    this.model = model;
    this.views = new Set();
    this.pictures = new Map(); // "track:what:size:axis" → {…, pixels}
    this.colours = null;
    this.text = "";
    this.engine = new Engine({
      changed: () => this.changed(),
      wanted: (chunks) => this.say({ type: "need", chunks }),
    });
    this.receive = (content, buffers) => {
      try {
        this.#receive(content, buffers);
      } catch (error) {
        this.text = `the player failed: ${error.message}`;
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
    if (this.engine.mix.level !== "raw" && !this.engine.mix.levels) this.say({ type: "levels" });
    this.tell();
    if (this.engine.brush) this.brush(this.region);
  }

  tell() {
    const { mix } = this.engine;
    this.say({ type: "heard", gains: this.heardGains(), solo: [...mix.solo] });
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
    if (region) this.say({ type: "brush", ...region, gains: this.linearGains() });
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
    const fits = kept && kept.version === version && Math.abs(kept.start - start) < 1e-6 && Math.abs(kept.end - end) < 1e-6;
    if (!fits) {
      this.pictures.set(key, { ...kept, version, start, end, shown: kept?.shown });
      this.say({ type: "picture", track, what, size, axis, start, end });
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
    else if (content.type === "picture") this.#picture(content, bytes);
    else if (content.type === "levels" && content.version === engine.tracks[0]?.version) {
      engine.setMix({ levels: content.levels });
      this.tell();
    } else if (content.type === "brush" && this.region) {
      engine.setBrush({ start: content.start, n: content.n, channels: toFloat(bytes, content.channels, content.scale) });
    } else if (content.type === "file") download(new Blob([bytes], { type: content.mime }), content.name);
    else if (content.type === "do") this.#do(content);
    else if (content.type === "error") this.text = content.text;
  }

  #introduce(content, colours) {
    this.text = "";
    this.colours = colours;
    const goesOn = this.engine.load(content);
    if (!goesOn) {
      this.pictures.clear();
      this.region = null;
      this.engine.setMix({ solo: new Set(content.solo) });
      for (const view of this.views) view.build();
    } else if (this.engine.mix.level !== "raw") this.say({ type: "levels" });
    const { length, chunk } = content;
    const isComing = new Set(content.coming);
    this.engine.expect([...isComing].map((track) => [track, 0]).filter(() => chunk >= length));
    this.engine.ask();
    if (this.region) this.brush(this.region);
  }

  #picture(content, pixels) {
    const key = `${content.track}:${content.what}:${content.size}:${content.axis}`;
    const kept = this.pictures.get(key);
    if (kept) kept.shown = { ...content, pixels };
  }

  #do({ command, tracks, seconds }) {
    if (command === "hear") this.setMix({ solo: new Set(tracks), mute: new Set() });
    else if (command === "play") this.engine.play();
    else if (command === "pause") this.engine.pause();
    else if (command === "seek") this.engine.seek(seconds * this.engine.meta.rate);
  }
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
