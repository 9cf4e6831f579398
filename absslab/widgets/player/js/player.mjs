// @ts-check
// The widget: one engine per model, however often it is shown, and the messages to and from the
// kernel.

import { Engine } from "./engine.mjs";
import { appliedGain, isHeard, toFloat, toLinear } from "./logic.mjs";
import { download } from "../../ui/js/page.mjs";
import { View } from "./view.mjs";

/** @import { Model } from "../../ui/js/widget.d.ts" */
/** @import { ChunkKey, Mix, Region, Tile, TileRequest } from "./types.d.ts" */

// How many chunks may be underway while none of them is heard. Over a slow line more would hold up
// the answers to what a person does next, and go on to come after other sounds were chosen.
const BINARY = new Set(["tracks", "pcm", "tile", "brush", "file"]); // messages with bytes
const COLOURS_SIZE = 1536; // bytes of the colours of pictures: 512 of red, green and blue
const MOST_UNDERWAY = 4;
// After this time in s without any sound what is underway is given up and asked for again: the
// connection was lost meanwhile. It doubles each time, since the line may only be slow.
const PATIENCE = 30;

export class Player {
  /** @type {Set<View>} */
  views = new Set();
  /** @type {Map<string, TileRequest>} */
  #tiles = new Map(); // by "track:what:size:axis"
  /** @type {ChunkKey[]} */
  #waiting = []; // chunks that the engine wants and the kernel was not asked for yet
  /** @type {Map<string, ChunkKey>} */
  #underway = new Map(); // by "track:chunk", those that the kernel is to send
  #patience = PATIENCE;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patienceTimer = undefined;
  colours = new Uint8Array();
  text = ""; // an error, shown until something else happens
  /** @type {Region | null} */
  region = null; // that is brushed
  #nBrushes = 0; // the number of the latest brush: answers to older ones are dropped
  /** @type {number | null} */
  #matchedVersion = null; // of the tracks whose matched gains are known

  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.engine = new Engine({
      changed: () => this.changed(),
      wanted: (chunks) => {
        this.#waiting.unshift(...chunks);
        this.#askForChunks();
      },
    });
    /** @param {any} content @param {any[]} buffers */
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
    this.#send({ type: "ready" });
  }

  /** Sampling rate in Hz. */
  get rate() {
    return this.engine.meta?.rate ?? 1;
  }

  /** @param {object} content */
  #send(content) {
    try {
      this.model.send(content);
    } catch {
      this.text =
        "the kernel is gone: what is here can be heard on; run the cell again for the rest";
    }
  }

  /**
   * Ask for what is heard at once, and for the rest a few chunks at a time. What waits, but is far
   * from the position by now, is dropped.
   */
  #askForChunks() {
    const wantedNumbers = this.#waiting.length ? this.engine.wantedChunks : [];
    /** @param {ChunkKey} chunk */
    const isWanted = ([, chunk]) => wantedNumbers.includes(chunk);
    this.engine.requests.forget(this.#waiting.filter((chunk) => !isWanted(chunk)));
    this.#waiting = this.#waiting.filter(isWanted);
    /** @param {ChunkKey} chunk */
    const isUrgent = ([track]) => isHeard(track, this.engine.mix);
    const urgent = this.#waiting.filter(isUrgent);
    const rest = this.#waiting.filter((chunk) => !isUrgent(chunk));
    const room = Math.max(0, MOST_UNDERWAY - this.#underway.size - urgent.length);
    const chunks = [...urgent, ...rest.slice(0, room)];
    this.#waiting = rest.slice(room);
    if (!chunks.length) return;
    for (const [track, chunk] of chunks) this.#underway.set(`${track}:${chunk}`, [track, chunk]);
    this.#send({ type: "need", chunks });
    this.#waitForAnswer();
  }

  /** Ask again for what is underway when no sound comes for a time. */
  #waitForAnswer() {
    clearTimeout(this.#patienceTimer);
    if (!this.#underway.size) return;
    this.#patienceTimer = setTimeout(() => {
      this.#patience *= 2;
      this.engine.requests.forget([...this.#underway.values()]);
      this.#underway.clear();
      this.engine.ask();
      this.#askForChunks();
    }, 1000 * this.#patience);
  }

  /** @param {number} track @param {number} chunk */
  #arrived(track, chunk) {
    this.#underway.delete(`${track}:${chunk}`);
    this.#askForChunks();
  }

  changed() {
    for (const view of this.views) view.update();
  }

  /**
   * Change the mix, and let the kernel know.
   *
   * @param {Partial<Mix>} mix
   */
  setMix(mix) {
    this.engine.setMix(mix);
    this.#askForChunks();
    this.#askForMatchedGains();
    this.#sendMix();
    if (this.region) this.brush(this.region);
  }

  #sendMix() {
    const { solo, mute, gains, level } = this.engine.mix;
    const mix = { solo: [...solo], mute: [...mute], gains, level };
    this.#send({ type: "mix", gains: this.heardGains(), mix });
  }

  #askForMatchedGains() {
    const version = this.engine.meta?.version;
    const areKnown = this.engine.mix.level === "raw" || this.#matchedVersion === version;
    if (!areKnown) this.#send({ type: "matched_gains" });
  }

  /** The gain of each track in dB; null where it is not heard. */
  heardGains() {
    const { mix, tracks } = this.engine;
    return tracks.map((_, k) => (isHeard(k, mix) ? appliedGain(k, mix) : null));
  }

  linearGains() {
    return this.heardGains().map((gain) => (gain === null ? 0 : toLinear(gain)));
  }

  /**
   * Hear only a region of what is heard, or everything again if it is null.
   *
   * @param {Region | null} region
   */
  brush(region) {
    this.text = "";
    this.region = region;
    this.#nBrushes += 1;
    if (region) {
      const gains = this.linearGains();
      this.#send({ type: "brush", number: this.#nBrushes, ...region, gains });
    } else if (this.engine.brush) {
      this.engine.setBrush(null);
    }
    this.changed();
  }

  /** @param {number[]} gains linear, one per track @param {string} name */
  save(gains, name) {
    this.text = "";
    this.#send({ type: "save", gains, name });
  }

  /**
   * Return the tile to show; ask for the wanted one, unless it is here or on its way.
   *
   * @param {number} track
   * @param {string} what sound or mask
   * @param {string} size lane or large
   * @param {string} axis mel or linear
   * @param {number} start s
   * @param {number} end s
   */
  want(track, what, size, axis, start, end) {
    const { version } = this.engine.tracks[track];
    const key = `${track}:${what}:${size}:${axis}`;
    const request = this.#tiles.get(key);
    if (!request || !isSameStretch(request, { version, start, end })) {
      this.#tiles.set(key, { version, start, end, shown: request?.shown });
      this.#send({ type: "tile", track, what, size, axis, start, end });
    }
    return this.#tiles.get(key)?.shown;
  }

  /**
   * Return the latest tile that has come.
   *
   * @param {number} track
   * @param {string} what
   * @param {string} size
   * @param {string} axis
   */
  shownTile(track, what, size, axis) {
    return this.#tiles.get(`${track}:${what}:${size}:${axis}`)?.shown;
  }

  dispose() {
    this.model.off("msg:custom", this.receive);
    clearTimeout(this.#patienceTimer);
    this.engine.dispose();
    this.#tiles.clear();
    for (const view of [...this.views]) view.dispose();
  }

  /** @param {any} content @param {any[]} [buffers] */
  #receive(content, buffers) {
    const { engine } = this;
    const bytes = toBytes(buffers?.[0]);
    if (BINARY.has(content.type) && !bytes.length) {
      this.#missBytes(content);
      return;
    }
    switch (content.type) {
      case "tracks":
        this.#load(content, bytes);
        break;
      case "pcm":
        engine.put(content, toFloat(bytes, content.channels, content.scale));
        if (content.version === engine.tracks[content.track]?.version) {
          this.#arrived(content.track, content.chunk);
        }
        this.#waitForAnswer();
        break;
      case "tile":
        this.#keepTile({ ...content, pixels: bytes });
        break;
      case "matched_gains":
        if (content.version !== engine.meta?.version) break;
        this.#matchedVersion = content.version;
        this.setMix({ matchedGains: content.gains });
        break;
      case "brush":
        if (!this.region || content.number !== this.#nBrushes) break;
        engine.setBrush({
          start: content.start,
          n: content.n,
          channels: toFloat(bytes, content.channels, content.scale),
        });
        break;
      case "file":
        download(new Blob([bytes], { type: content.mime }), content.name);
        break;
      case "do":
        this.#do(content);
        break;
      case "error":
        this.text = content.text;
        if (content.chunk !== undefined) {
          engine.fail(content.track, content.chunk);
          this.#arrived(content.track, content.chunk);
          this.#waitForAnswer();
        }
        break;
    }
  }

  /**
   * Say that sound can't reach this page, and stop.
   *
   * @param {any} content of a message that came without its bytes
   */
  #missBytes(content) {
    const { engine } = this;
    if (content.type === "tracks") this.#load(content, new Uint8Array(COLOURS_SIZE));
    if (content.type === "pcm") {
      engine.fail(content.track, content.chunk);
      this.#arrived(content.track, content.chunk);
    }
    engine.pause();
    this.text =
      "sound can't reach this page: the notebook's front end, or a proxy, " +
      "drops the binary part of messages";
    this.changed();
  }

  /** @param {any} content @param {Uint8Array<ArrayBuffer>} colours */
  #load(content, colours) {
    this.text = "";
    this.colours = colours;
    this.#waiting = [];
    /** @type {ChunkKey[]} */
    const coming = content.coming.map((/** @type {number} */ track) => [track, 0]);
    this.#underway = new Map(coming.map(([track, chunk]) => [`${track}:${chunk}`, [track, chunk]]));
    this.#waitForAnswer();
    const { keepsClock, keepsMix } = this.engine.load(content);
    for (const [key, request] of this.#tiles) {
      // The kernel drops what it was asked for of the tracks before: this is asked for again.
      const { shown } = request;
      if (!shown) this.#tiles.delete(key);
      else if (!isSameStretch(shown, request)) this.#tiles.set(key, { ...shown, shown });
    }
    if (!keepsClock) {
      this.#tiles.clear();
      this.region = null;
      for (const view of this.views) view.build();
    }
    if (keepsMix) {
      this.#askForMatchedGains();
    } else {
      const { solo, mute, gains, level } = content.mix;
      this.#matchedVersion = null;
      this.setMix({ solo: new Set(solo), mute: new Set(mute), gains, level });
    }
    this.engine.requests.expect(coming);
    this.engine.ask();
    if (this.region) this.brush(this.region);
    for (const view of this.views) view.update();
  }

  /** @param {Tile} tile */
  #keepTile(tile) {
    const request = this.#tiles.get(`${tile.track}:${tile.what}:${tile.size}:${tile.axis}`);
    if (request && isSameStretch(request, tile)) request.shown = tile;
  }

  /** @param {{command: string, tracks?: number[], seconds?: number}} command */
  #do({ command, tracks = [], seconds = 0 }) {
    if (command === "hear") this.setMix({ solo: new Set(tracks), mute: new Set() });
    else if (command === "play") this.engine.play();
    else if (command === "pause") this.engine.pause();
    else if (command === "seek") this.engine.seek(seconds * this.rate);
  }
}

/** @param {ArrayBuffer | ArrayBufferView<ArrayBuffer> | undefined} buffer */
function toBytes(buffer) {
  if (!buffer) return new Uint8Array();
  if (!ArrayBuffer.isView(buffer)) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/**
 * @param {{version: number, start: number, end: number}} stretch
 * @param {{version: number, start: number, end: number}} other
 */
function isSameStretch(stretch, other) {
  if (stretch.version !== other.version) return false;
  return Math.abs(stretch.start - other.start) < 1e-6 && Math.abs(stretch.end - other.end) < 1e-6;
}

/** anywidget calls this once per model, however often the model is shown. */
export default () => {
  /** @type {Player} */
  let player;
  return {
    /** @param {{model: Model}} widget */
    initialize({ model }) {
      player = new Player(model);
      return () => player.dispose();
    },
    /** @param {{model: Model, el: HTMLElement}} widget */
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
