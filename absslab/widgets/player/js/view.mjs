// @ts-check
// What a person sees of a player, and how it reacts. Names are shown as text, never as HTML.

import {
  appliedGain,
  findPreset,
  formatGain,
  formatHertz,
  formatTime,
  presets,
  readKey,
} from "./logic.mjs";
import { download, element, fitCanvas } from "../../ui/js/page.mjs";
import { Spectrogram } from "./spectrogram.mjs";
import { Bitmaps, drawBitmap } from "./tiles.mjs";
import { makeTrackRow } from "./track_row.mjs";

/** @import { Command } from "./logic.mjs" */
/** @import { Preset, Region, Track } from "./types.d.ts" */
/** @import { TrackRow } from "./track_row.mjs" */

const SETTLED = 150; // ms without a change before tiles are asked for

/** @typedef {ReturnType<View["makeToolbar"]>} Toolbar */
/**
 * @typedef {object} Content
 * @property {Spectrogram} spectrogram
 * @property {Toolbar} toolbar
 * @property {TrackRow[]} rows
 * @property {HTMLElement} list
 */

export class View {
  /** @type {number[] | null} */
  #previous = null; // the tracks that were soloed before: B goes back to them
  /** @type {Content | null} */
  #content = null; // null until the tracks have come
  /** @type {Preset[]} */
  #presets = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;
  #hasAsked = false;

  /**
   * @param {HTMLElement} el
   * @param {import("./player.mjs").Player} player
   * @param {string} title
   */
  constructor(el, player, title) {
    this.player = player;
    this.title = title;
    this.root = element("div", {
      class: "absslab-player",
      tabindex: 0,
      role: "region",
      "aria-label": `Player ${title}`,
      "data-lm-suppress-shortcuts": "true",
    });
    this.heading = element("span", { class: "title" }, title);
    this.status = element("div", { class: "status", role: "status", "aria-live": "polite" });
    this.bitmaps = new Bitmaps(player);
    const { engine } = player;
    /** @type {(from: number, to: number) => Promise<Float32Array[]>} */
    const render = (from, to) => engine.render(from, to);
    Object.assign(this.root, { absslab: { probe: () => engine.probe(), render } }); // for tests
    this.root.addEventListener("keydown", (event) => this.#onKey(event));
    this.root.addEventListener("click", (event) => this.#onClick(event));
    /** @param {KeyboardEvent} event */
    this.passShortcut = (event) => this.#passShortcut(event);
    window.addEventListener("keydown", this.passShortcut, true);
    el.append(this.root);
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.root);
    player.views.add(this);
    this.build();
    this.frame = requestAnimationFrame(() => this.#animate());
  }

  /** @param {string} title */
  retitle(title) {
    this.title = title;
    this.root.setAttribute("aria-label", `Player ${title}`);
    this.heading.textContent = title;
  }

  dispose() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.#timer);
    this.resizing.disconnect();
    window.removeEventListener("keydown", this.passShortcut, true);
    this.player.views.delete(this);
    // Nobody could stop it without a view; after a restart of the kernel nothing else does.
    if (!this.player.views.size) this.engine.pause();
    this.root.remove();
  }

  get engine() {
    return this.player.engine;
  }

  get rate() {
    return this.player.rate;
  }

  /** The track that the large spectrogram shows. */
  get focus() {
    return this.#content?.spectrogram.track ?? 0;
  }

  set focus(track) {
    if (this.#content) this.#content.spectrogram.track = track;
  }

  get #spectrogram() {
    if (!this.#content) throw new Error("no tracks are loaded");
    return this.#content.spectrogram;
  }

  /** Make everything anew, for other tracks. */
  build() {
    if (!this.engine.meta) {
      this.status.textContent = "waiting for the sound …";
      this.root.replaceChildren(this.heading, this.status);
      return;
    }
    const spectrogram = new Spectrogram(this.player);
    spectrogram.track = [...this.engine.mix.solo][0] ?? 0;
    this.bitmaps = new Bitmaps(this.player);
    this.#presets = presets(this.engine.tracks);
    const toolbar = this.makeToolbar(spectrogram);
    const rows = this.engine.tracks.map((track, k) => makeTrackRow(this, track, k));
    const list = element("div", { class: "tracks" }, ...rows.map((row) => row.root));
    this.#content = { spectrogram, toolbar, rows, list };
    this.root.replaceChildren(toolbar.root, this.status, spectrogram.root, list);
    this.update();
  }

  /** Show the state of the player. */
  update() {
    if (!this.#content) return;
    const { toolbar, rows } = this.#content;
    const { engine, player } = this;
    const { mix } = engine;
    toolbar.play.textContent = engine.isPlaying ? "❚❚" : "▶";
    toolbar.play.setAttribute("aria-label", engine.isPlaying ? "Pause" : "Play");
    toolbar.preset.value = String(findPreset(this.#presets, mix.solo));
    toolbar.level.value = mix.level;
    toolbar.loop.setAttribute("aria-pressed", String(Boolean(engine.loop)));
    toolbar.everything.hidden = !engine.brush;
    this.status.textContent = this.#statusText();
    this.status.classList.toggle("wrong", Boolean(player.text || engine.problem));
    const gains = player.heardGains();
    rows.forEach((row, k) => {
      row.root.classList.toggle("heard", gains[k] !== null);
      row.root.classList.toggle("focused", k === this.focus);
      row.name.setAttribute("aria-pressed", String(mix.solo.size === 1 && mix.solo.has(k)));
      row.mute.setAttribute("aria-pressed", String(mix.mute.has(k)));
      row.solo.setAttribute("aria-pressed", String(mix.solo.has(k)));
      row.gain.value = String(mix.gains[k] ?? 0);
      const areGainsKnown = mix.level === "raw" || mix.matchedGains;
      row.applied.textContent = areGainsKnown ? formatGain(appliedGain(k, mix)) : "…";
    });
    this.draw();
  }

  #statusText() {
    const { text, region } = this.player;
    if (text || this.engine.problem) return text || this.engine.problem;
    if (this.engine.isBlocked) return "the browser waits for a click before it lets a page sound";
    if (this.engine.isWaiting) return "loading …";
    return region ? regionText(region) : "";
  }

  // Commands of the listener

  /** @param {number[]} solo */
  hear(solo) {
    const before = [...this.engine.mix.solo];
    const isOther = before.length !== solo.length || before.some((k) => !solo.includes(k));
    if (isOther) this.#previous = before;
    if (solo.length && !solo.includes(this.focus)) this.focus = solo[0];
    this.player.setMix({ solo: new Set(solo), mute: new Set() });
  }

  swap() {
    if (this.#previous) this.hear(this.#previous);
    else if (this.engine.tracks.length > 1) this.hear([this.focus === 0 ? 1 : 0]);
  }

  /** @param {"mute" | "solo"} kind @param {number} track */
  toggle(kind, track) {
    const tracks = new Set(this.engine.mix[kind]);
    if (!tracks.delete(track)) tracks.add(track);
    this.player.setMix({ [kind]: tracks });
  }

  toggleLoop() {
    const { engine } = this;
    if (this.player.region) this.player.brush(null);
    else if (engine.loop) engine.setLoop(null);
    else engine.setLoop(this.#spectrogram.range.map((instant) => instant * this.rate));
  }

  /** Leave the brushed region or the loop. */
  clear() {
    if (this.player.region) this.player.brush(null);
    else this.engine.setLoop(null);
  }

  /** @param {number} by */
  moveFocus(by) {
    if (!this.#content) return;
    const { length } = this.engine.tracks;
    this.focus = (this.focus + by + length) % length;
    this.#content.rows[this.focus].root.scrollIntoView({ block: "nearest" });
    this.update();
  }

  /** @param {Command} command */
  run([name, value = 0]) {
    const { engine } = this;
    switch (name) {
      case "toggle":
        if (engine.isPlaying) engine.pause();
        else engine.play();
        break;
      case "hear":
        if (value < engine.tracks.length) this.hear([value]);
        break;
      case "swap":
        this.swap();
        break;
      case "loop":
        this.toggleLoop();
        break;
      case "mute":
      case "solo":
        this.toggle(name, this.focus);
        break;
      case "skip":
        engine.seek(engine.position + value * this.rate);
        this.#spectrogram.follow();
        break;
      case "seek":
        engine.seek(value * this.rate);
        this.#spectrogram.follow();
        break;
      case "end":
        engine.seek(engine.length);
        break;
      case "zoom":
        this.#spectrogram.zoom(value);
        break;
      case "focus":
        this.moveFocus(value);
        break;
      case "clear":
        this.clear();
        break;
    }
  }

  /**
   * Leave JupyterLab its own shortcuts, such as Ctrl+S, also while the player has the focus.
   *
   * @param {KeyboardEvent} event
   */
  #passShortcut(event) {
    const isShortcut = event.ctrlKey || event.metaKey || event.altKey;
    if (!isShortcut || !this.root.contains(/** @type {Node} */ (event.target))) return;
    this.root.removeAttribute("data-lm-suppress-shortcuts");
    setTimeout(() => this.root.setAttribute("data-lm-suppress-shortcuts", "true"));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (!this.#content) return;
    const target = /** @type {Element} */ (event.target);
    const command = readKey(event, {
      isText: target.matches("select, textarea, input:not([type=range]):not([type=radio])"),
      isSlider: target.matches("input"),
      isKeyboardButton: target.matches("button:focus-visible"),
    });
    if (!command) return;
    event.preventDefault();
    event.stopPropagation();
    this.run(command);
  }

  /**
   * Give the focus back to the player after a click on a button, so that the space key plays.
   *
   * @param {MouseEvent} event
   */
  #onClick(event) {
    const isButton = /** @type {Element} */ (event.target).closest("button");
    if (event.detail && isButton) this.root.focus({ preventScroll: true });
  }

  // The toolbar

  /** @param {Spectrogram} spectrogram */
  makeToolbar(spectrogram) {
    const play = makeButton("▶", "Play or pause (space)", () => this.run(["toggle"]));
    play.classList.add("play");
    const time = element("span", { class: "time" });
    const preset = this.#makePresetChoice();
    const levels = { raw: "raw levels", loudness: "equally loud", peak: "equal peaks" };
    const level = makeChoice("Level", levels, (value) => this.player.setMix({ level: value }));
    const loop = makeButton("Loop", LOOP_HELP, () => this.toggleLoop());
    const tools = { seek: "drag: loop", brush: "drag: brush" };
    const tool = makeChoice("Dragging in the picture", tools, (value) => {
      spectrogram.tool = value;
    });
    tool.title = TOOL_HELP;
    const leaveHelp = "Leave the brushed region (Esc)";
    const everything = makeButton("Hear everything", leaveHelp, () => this.player.brush(null));
    const axes = { mel: "mel", linear: "linear" };
    const axis = makeChoice("Frequency axis", axes, (value) => {
      spectrogram.axis = value;
      this.draw();
    });
    const contents = { sound: "sound", mask: "mask", both: "mixture under mask" };
    const what = makeChoice("Picture", contents, (value) => {
      spectrogram.what = value;
      this.draw();
    });
    what.hidden = !this.engine.tracks.some((track) => track.has_mask);
    const zoom = element(
      "span",
      { class: "group" },
      makeButton("−", "Zoom out (−)", () => spectrogram.zoom(2)),
      makeButton("+", "Zoom in (+)", () => spectrogram.zoom(0.5)),
      makeButton("all", "Show all", () => spectrogram.zoom(Infinity)),
    );
    const root = element(
      "div",
      { class: "toolbar", role: "toolbar", "aria-label": "Player" },
      ...[this.heading, play, time, preset, level, loop, tool, everything, axis, what, zoom],
      this.#makeSaveButtons(spectrogram),
    );
    return { root, play, time, preset, level, loop, everything };
  }

  #makePresetChoice() {
    const label = "What is heard";
    const title = `${label} (1–9: one track; B: back to what was heard before)`;
    const ownChoice = element("option", { value: "-1" }, "own choice");
    const select = element("select", { title, "aria-label": label }, ownChoice);
    /** @type {Map<string, HTMLElement>} */
    const groups = new Map();
    this.#presets.forEach((preset, i) => {
      const group = groups.get(preset.group) ?? element("optgroup", { label: preset.group });
      groups.set(preset.group, group);
      group.append(element("option", { value: String(i) }, preset.label));
    });
    select.append(...groups.values());
    select.onchange = () => {
      if (select.value !== "-1") this.hear(this.#presets[Number(select.value)].solo);
    };
    return select;
  }

  /** @param {Spectrogram} spectrogram */
  #makeSaveButtons(spectrogram) {
    const nameOfFocus = () => this.engine.tracks[this.focus].name;
    const saveTrack = () => {
      const gains = this.engine.tracks.map((_, k) => Number(k === this.focus));
      this.player.save(gains, `${this.title} ${nameOfFocus()}`);
    };
    const saveMix = () => this.player.save(this.player.linearGains(), `${this.title} remix`);
    const saveImage = () => {
      spectrogram.canvas.toBlob((blob) => {
        if (blob) download(blob, `${nameOfFocus()}.png`);
      });
    };
    return element(
      "span",
      { class: "group" },
      element("span", {}, "save"),
      makeButton("track", "The chosen track, as it is, as WAV", saveTrack),
      makeButton("what is heard", "All that is heard, with its gains, as WAV", saveMix),
      makeButton("picture", "The picture as PNG", saveImage),
    );
  }

  // Drawing

  draw() {
    if (!this.#content || !this.engine.meta || !this.root.isConnected) return;
    this.#content.spectrogram.draw();
    this.#content.rows.forEach((row, k) => this.#drawLane(row, k));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#askForTiles(), this.#hasAsked ? SETTLED : 0);
    this.#hasAsked = true;
  }

  /** @param {TrackRow} row @param {number} track */
  #drawLane(row, track) {
    const width = row.lane.clientWidth;
    const height = row.lane.clientHeight;
    const bitmap = this.bitmaps.find("lane", [[track, "sound"]], "mel");
    const isDrawn = bitmap && row.drawn === bitmap.canvas && row.drawnWidth === width;
    if (!width || isDrawn) return;
    const context = fitCanvas(row.lane, width, height);
    const box = { x: 0, y: 0, width, height };
    if (bitmap) drawBitmap(context, bitmap, [0, this.#spectrogram.duration], box);
    row.drawn = bitmap?.canvas;
    row.drawnWidth = width;
  }

  /** Ask for the tiles that are in view. */
  #askForTiles() {
    if (!this.#content || !this.engine.meta) return;
    const { spectrogram, rows } = this.#content;
    spectrogram.ask();
    rows.forEach((_, k) => this.player.want(k, "sound", "lane", "mel", 0, spectrogram.duration));
  }

  #animate() {
    this.frame = requestAnimationFrame(() => this.#animate());
    if (!this.#content || !this.engine.meta || !this.root.isConnected) return;
    const { spectrogram, toolbar, list } = this.#content;
    spectrogram.animate();
    const now = this.engine.position / this.rate;
    const at = String(now / spectrogram.duration);
    if (list.style.getPropertyValue("--at") !== at) list.style.setProperty("--at", at);
    const text = `${formatTime(now)} / ${formatTime(spectrogram.duration)}`;
    if (toolbar.time.textContent !== text) toolbar.time.textContent = text;
  }
}

const LOOP_HELP = "Play the region, or what is in view, again and again (L)";
const TOOL_HELP =
  "What dragging in the picture does: choose a stretch to loop, " +
  "or brush a region of time and frequency and hear only that";

/** @param {Region} region */
function regionText({ start, end, low, high }) {
  const times = `${start.toFixed(2)}–${end.toFixed(2)} s`;
  return `hearing only ${times}, ${formatHertz(low)} to ${formatHertz(high)}`;
}

/**
 * @param {string} label
 * @param {string} title
 * @param {() => void} onclick
 */
function makeButton(label, title, onclick) {
  return element("button", { type: "button", title, onclick }, label);
}

/**
 * @param {string} label
 * @param {Record<string, string>} options texts by value
 * @param {(value: string) => void} chosen
 */
function makeChoice(label, options, chosen) {
  const children = Object.entries(options).map(([value, text]) => {
    return element("option", { value }, text);
  });
  const select = element("select", { title: label, "aria-label": label }, ...children);
  select.onchange = () => chosen(select.value);
  return select;
}
