// What a person sees of a player, and what they do to it. Names are text, never HTML.

import { clock, command, heightOf, moved, presetOf, presets, shownGain, shownHertz, zoomed } from "./logic.mjs";
import { axes, download, fitted, painted, place, under } from "./picture.mjs";

const HEIGHT = 230; // of the large picture, CSS pixels
const MARGIN = { left: 58, right: 8, top: 6, bottom: 22 };
const SETTLED = 150; // ms without a change before pictures are asked for

export class View {
  constructor(el, player, title) {
    this.player = player;
    this.title = title;
    this.focus = 0; // the track that the large picture shows
    this.range = [0, 1]; // s that the large picture shows
    this.axis = "mel";
    this.what = "sound";
    this.tool = "seek";
    this.previous = null; // what was heard before: the B of A/B
    this.drag = null;
    this.bitmaps = new Map();
    this.root = h("div", { class: "absslab-player", tabindex: 0, role: "region", "aria-label": `Player ${title}`, "data-lm-suppress-shortcuts": "true" });
    this.root.absslab = { probe: () => player.engine.probe(), render: (from, to) => player.engine.render(from, to) };
    this.root.addEventListener("keydown", (event) => this.#key(event));
    el.append(this.root);
    this.size = new ResizeObserver(() => this.draw());
    this.size.observe(this.root);
    player.views.add(this);
    this.build();
    this.frame = requestAnimationFrame(() => this.#animate());
  }

  retitle(title) {
    this.title = title;
    this.root.setAttribute("aria-label", `Player ${title}`);
    this.heading.textContent = title;
  }

  dispose() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.size.disconnect();
    this.player.views.delete(this);
    if (!this.player.views.size) this.engine.pause(); // nobody could stop it; after a restart of the kernel nothing else does
    this.bitmaps.clear();
    this.root.remove();
  }

  get engine() {
    return this.player.engine;
  }

  get rate() {
    return this.engine.meta.rate;
  }

  get duration() {
    return this.engine.length / this.rate;
  }

  /** Make everything anew, for other tracks. */
  build() {
    this.bitmaps.clear();
    this.heading = h("span", { class: "title" }, this.title);
    this.status = h("div", { class: "status", role: "status", "aria-live": "polite" });
    if (!this.engine.meta) {
      this.status.textContent = "waiting for the sound …";
      this.root.replaceChildren(this.heading, this.status);
      return;
    }
    this.range = [0, this.duration];
    this.focus = [...this.engine.mix.solo][0] ?? 0;
    this.entries = presets(this.engine.tracks);
    this.root.replaceChildren(this.#toolbar(), this.status, this.#stage(), this.#list());
    this.update();
  }

  update() {
    if (!this.play) return;
    const { engine } = this;
    const { mix } = engine;
    this.play.textContent = engine.isPlaying ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", engine.isPlaying ? "Pause" : "Play");
    this.hearing.value = String(presetOf(this.entries, mix.solo));
    this.level.value = mix.level;
    this.looping.setAttribute("aria-pressed", String(Boolean(engine.loop)));
    this.everything.hidden = !engine.brush;
    const { text, region } = this.player;
    this.status.textContent = text || (engine.isWaiting ? "loading …" : region ? this.#regionText(region) : "");
    this.status.classList.toggle("wrong", Boolean(text));
    const heard = this.player.heardGains();
    this.rows.forEach((row, k) => {
      row.root.classList.toggle("heard", heard[k] !== null);
      row.root.classList.toggle("focused", k === this.focus);
      row.name.setAttribute("aria-pressed", String(mix.solo.size === 1 && mix.solo.has(k)));
      row.mute.setAttribute("aria-pressed", String(mix.mute.has(k)));
      row.solo.setAttribute("aria-pressed", String(mix.solo.has(k)));
      row.gain.value = String(mix.gains[k] ?? 0);
      const applied = heard[k] ?? (mix.gains[k] ?? 0) + (mix.level === "raw" ? 0 : mix.levels?.[mix.level]?.[k] ?? 0);
      row.applied.textContent = mix.level !== "raw" && !mix.levels ? "…" : shownGain(applied);
    });
    this.draw();
  }

  // What is done to it

  hear(solo) {
    const { mix } = this.engine;
    const before = [...mix.solo];
    if (before.length !== solo.length || before.some((k) => !solo.includes(k))) this.previous = before;
    if (solo.length && !solo.includes(this.focus)) this.focus = solo[0];
    this.player.setMix({ solo: new Set(solo), mute: new Set() });
  }

  swap() {
    if (this.previous) this.hear(this.previous);
    else if (this.engine.tracks.length > 1) this.hear([this.focus === 0 ? 1 : 0]);
  }

  toggle(kind, k) {
    const chosen = new Set(this.engine.mix[kind]);
    if (!chosen.delete(k)) chosen.add(k);
    this.player.setMix({ [kind]: chosen });
  }

  loop() {
    const { engine } = this;
    const [from, to] = this.range.map((instant) => Math.round(instant * this.rate));
    if (this.player.region) this.player.brush(null);
    else engine.setLoop(engine.loop ? null : [from, to]);
  }

  zoom(factor, around = this.engine.position / this.rate) {
    const [from, to] = this.range;
    this.range = zoomed(this.range, factor, around < from || around > to ? (from + to) / 2 : around, this.duration);
    this.draw();
  }

  do([name, value]) {
    const { engine } = this;
    const actions = {
      toggle: () => (engine.isPlaying ? engine.pause() : engine.play()),
      hear: () => value < engine.tracks.length && this.hear([value]),
      swap: () => this.swap(),
      loop: () => this.loop(),
      mute: () => this.toggle("mute", this.focus),
      solo: () => this.toggle("solo", this.focus),
      skip: () => engine.seek(engine.position + value * this.rate),
      seek: () => engine.seek(value * this.rate),
      end: () => engine.seek(engine.length),
      zoom: () => this.zoom(value),
      focus: () => {
        this.focus = (this.focus + value + engine.tracks.length) % engine.tracks.length;
        this.rows[this.focus].root.scrollIntoView({ block: "nearest" });
        this.update();
      },
      clear: () => (this.player.region ? this.player.brush(null) : engine.setLoop(null)),
    };
    actions[name]();
    if (name === "skip" || name === "seek") this.#follow();
  }

  #key(event) {
    if (!this.play) return;
    const { target } = event;
    const found = command(event, {
      isText: target.matches("select, textarea, input:not([type=range]):not([type=radio])"),
      isSlider: target.matches("input"),
      isKeyboardButton: target.matches("button:focus-visible"),
    });
    if (!found) return;
    event.preventDefault();
    event.stopPropagation();
    this.do(found);
  }

  // How it is made

  #toolbar() {
    const button = (label, title, onclick, more = {}) => h("button", { type: "button", title, onclick, ...more }, label);
    this.play = button("▶", "Play or pause (space)", () => this.do(["toggle"]), { class: "play" });
    this.time = h("span", { class: "time" });
    this.hearing = h("select", { title: "What is heard (1–9: one track; B: back to what was heard before)", "aria-label": "What is heard" }, h("option", { value: "-1" }, "own choice"));
    const groups = new Map();
    this.entries.forEach((entry, i) => {
      if (!groups.has(entry.group)) groups.set(entry.group, h("optgroup", { label: entry.group }));
      groups.get(entry.group).append(h("option", { value: String(i) }, entry.label));
    });
    this.hearing.append(...groups.values());
    this.hearing.onchange = () => this.hearing.value !== "-1" && this.hear(this.entries[Number(this.hearing.value)].solo);
    this.level = choice("Level", { raw: "raw levels", loudness: "equally loud", peak: "equal peaks" }, (level) => this.player.setMix({ level }));
    this.looping = button("Loop", "Play the region, or what is in view, again and again (L)", () => this.loop());
    const seek = choice("Dragging in the picture", { seek: "drag: loop", brush: "drag: brush" }, (tool) => (this.tool = tool));
    seek.title = "What dragging in the picture does: choose a stretch to loop, or brush a region of time and frequency and hear only that";
    this.everything = button("Hear everything", "Leave the brushed region (Esc)", () => this.player.brush(null));
    const axis = choice("Frequency axis", { mel: "mel", linear: "linear" }, (chosen) => {
      this.axis = chosen;
      this.draw();
    });
    const what = choice("Picture", { sound: "sound", mask: "mask", both: "mixture under mask" }, (chosen) => {
      this.what = chosen;
      this.draw();
    });
    what.hidden = !this.engine.tracks.some((track) => track.has_mask);
    const zoom = h("span", { class: "group" }, button("−", "Zoom out (−)", () => this.zoom(2)), button("+", "Zoom in (+)", () => this.zoom(0.5)), button("all", "Show all", () => this.zoom(Infinity)));
    const one = () => this.engine.tracks.map((_, k) => Number(k === this.focus));
    const save = h("span", { class: "group" }, h("span", {}, "save"),
      button("track", "The chosen track, as it is, as WAV", () => this.player.save(one(), `${this.title} ${this.engine.tracks[this.focus].name}`)),
      button("what is heard", "All that is heard, with its gains, as WAV", () => this.player.save(this.player.linearGains(), `${this.title} remix`)),
      button("picture", "The picture as PNG", () => this.canvas.toBlob((blob) => download(blob, `${this.engine.tracks[this.focus].name}.png`))));
    return h("div", { class: "toolbar", role: "toolbar", "aria-label": "Player" }, this.heading, this.play, this.time, this.hearing, this.level, this.looping, seek, this.everything, axis, what, zoom, save);
  }

  #stage() {
    this.canvas = h("canvas", { role: "img", "aria-label": "Spectrogram" });
    this.overlay = h("canvas", { class: "overlay", tabindex: 0, role: "slider", "aria-label": "Position", "aria-valuemin": 0, "aria-valuemax": this.duration.toFixed(2) });
    const stage = h("div", { class: "stage", style: `height:${HEIGHT}px` }, this.canvas, this.overlay);
    this.overlay.onpointerdown = (event) => this.#press(event);
    this.overlay.onpointermove = (event) => this.#moveTo(event);
    this.overlay.onpointerup = (event) => this.#release(event);
    this.overlay.onpointercancel = () => (this.drag = null);
    this.overlay.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    return stage;
  }

  #list() {
    this.rows = this.engine.tracks.map((track, k) => {
      const button = (label, title, onclick, name) => h("button", { type: "button", title, onclick, class: name, "aria-label": `${title}: ${track.name}` }, label);
      const row = {
        name: button(track.name, k < 9 ? `Hear only this (${k + 1})` : "Hear only this", () => this.hear([k]), "name"),
        mute: button("M", "Mute (M)", () => this.toggle("mute", k), "small"),
        solo: button("S", "Solo, with others that are soloed (S)", () => this.toggle("solo", k), "small"),
        gain: h("input", { type: "range", min: -40, max: 20, step: 0.5, title: "Gain; double click: 0 dB", "aria-label": `Gain of ${track.name} in dB` }),
        applied: h("output", { title: "Gain that is applied" }),
        lane: h("canvas", { class: "lane", title: "Click to go there" }),
      };
      const setGain = (dB) => this.player.setMix({ gains: this.engine.mix.gains.map((old, j) => (j === k ? dB : old)) });
      row.gain.oninput = () => setGain(Number(row.gain.value));
      row.gain.ondblclick = () => setGain(0);
      row.lane.onclick = (event) => {
        this.engine.seek((event.offsetX / row.lane.clientWidth) * this.engine.length);
        this.focus = k;
        this.update();
      };
      const number = h("span", { class: "number", "aria-hidden": "true" }, k < 9 ? String(k + 1) : "");
      row.root = h("div", { class: `track ${track.kind}`, role: "group", "aria-label": `${track.name} (${track.kind})` }, number, row.name, row.mute, row.solo, row.gain, row.applied, h("div", { class: "strip" }, row.lane));
      return row;
    });
    this.list = h("div", { class: "tracks" }, ...this.rows.map((row) => row.root));
    return this.list;
  }

  // Dragging: a stretch to loop, or a region to hear alone

  #at(event) {
    return under(this.box, this.range, this.axis, this.rate / 2, event.offsetX, event.offsetY);
  }

  #press(event) {
    this.root.focus({ preventScroll: true });
    this.overlay.setPointerCapture(event.pointerId);
    this.drag = { from: this.#at(event), to: this.#at(event), x: event.offsetX, y: event.offsetY, isDrag: false };
  }

  #moveTo(event) {
    if (!this.drag) return;
    this.drag.to = this.#at(event);
    this.drag.isDrag ||= Math.abs(event.offsetX - this.drag.x) > 4 || (this.tool === "brush" && Math.abs(event.offsetY - this.drag.y) > 4);
  }

  #release() {
    const { drag } = this;
    this.drag = null;
    if (!drag) return;
    if (!drag.isDrag) {
      this.engine.seek(drag.to.time * this.rate);
      return;
    }
    const [start, end] = [drag.from.time, drag.to.time].sort((a, b) => a - b);
    const [low, high] = [drag.from.hertz, drag.to.hertz].sort((a, b) => a - b);
    if (this.tool === "seek") this.engine.setLoop([start * this.rate, end * this.rate]);
    else if (end - start > 0.02 && high - low > 1) this.player.brush({ start, end, low, high });
  }

  #wheel(event) {
    if (!(event.ctrlKey || event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) return;
    event.preventDefault();
    const span = this.range[1] - this.range[0];
    if (event.ctrlKey) this.zoom(Math.exp(event.deltaY / 200), this.#at(event).time);
    else this.range = moved(this.range, ((event.deltaX || event.deltaY) / this.box.width) * span, this.duration);
    this.draw();
  }

  // Pictures

  draw() {
    if (!this.rows || !this.engine.meta || !this.canvas.isConnected) return;
    const width = this.canvas.parentElement.clientWidth;
    if (width < 100) return;
    this.box = { x: MARGIN.left, y: MARGIN.top, width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
    const context = fitted(this.canvas, width, HEIGHT);
    const colour = getComputedStyle(this.root).color;
    context.fillStyle = "black";
    context.fillRect(this.box.x, this.box.y, this.box.width, this.box.height);
    const found = this.#bitmap("large", this.focus);
    if (found) place(context, found.canvas, found, this.range, this.box);
    axes(context, this.box, this.range, this.axis, this.rate / 2, colour);
    this.canvas.setAttribute("aria-label", `Spectrogram of ${this.engine.tracks[this.focus].name}, ${this.range.map((instant) => instant.toFixed(1)).join(" to ")} s`);
    this.rows.forEach((row, k) => this.#drawLane(row.lane, k));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#ask(), this.isAsked ? SETTLED : 0);
    this.isAsked = true;
  }

  #drawLane(lane, k) {
    const [width, height] = [lane.clientWidth, lane.clientHeight];
    if (!width) return;
    const found = this.#bitmap("lane", k);
    if (found && lane.absslabShown === found.canvas && lane.absslabWidth === width) return;
    const context = fitted(lane, width, height);
    if (found) place(context, found.canvas, found, [0, this.duration], { x: 0, y: 0, width, height });
    [lane.absslabShown, lane.absslabWidth] = [found?.canvas, width];
  }

  /** Ask for the pictures that are in view. */
  #ask() {
    if (!this.engine.meta) return;
    const [from, to] = this.range;
    for (const [track, what] of this.#parts("large", this.focus)) this.player.want(track, what, "large", this.axis, from, to);
    this.rows.forEach((_, k) => this.player.want(k, "sound", "lane", "mel", 0, this.duration));
  }

  /** Which pictures the shown one is made of: [[track, what]…] */
  #parts(size, k) {
    const track = this.engine.tracks[k];
    if (size === "lane" || this.what === "sound" || !track.has_mask) return [[k, "sound"]];
    if (this.what === "mask") return [[k, "mask"]];
    const mixture = this.engine.tracks.findIndex((other) => other.kind === "mixture");
    return [[Math.max(0, mixture), "sound"], [k, "mask"]];
  }

  #bitmap(size, k) {
    const parts = this.#parts(size, k).map(([track, what]) => this.player.pictures.get(`${track}:${what}:${size}:${size === "lane" ? "mel" : this.axis}`)?.shown);
    const [first, mask] = parts;
    if (!first || (parts.length > 1 && !(mask && mask.start === first.start && mask.end === first.end))) return null;
    const kept = this.bitmaps.get(first);
    if (kept && kept.mask === mask) return kept;
    const table = this.player.colours.subarray(first.what === "mask" ? 768 : 0);
    const made = { start: first.start, end: first.end, mask, canvas: painted(first, table, mask) };
    for (const old of this.bitmaps.keys()) if (old !== first && old.size === size && old.track === first.track && old.what === first.what) this.bitmaps.delete(old);
    this.bitmaps.set(first, made);
    return made;
  }

  // The play-head

  #animate() {
    this.frame = requestAnimationFrame(() => this.#animate());
    if (!this.rows || !this.box || !this.engine.meta || !this.root.isConnected) return;
    const now = this.engine.position / this.rate;
    if (this.engine.isPlaying && !this.drag) this.#follow();
    const context = fitted(this.overlay, this.overlay.clientWidth, HEIGHT);
    const { box } = this;
    const x = (instant) => box.x + ((instant - this.range[0]) / (this.range[1] - this.range[0])) * box.width;
    const y = (hertz) => box.y + box.height * (1 - heightOf(hertz, this.axis, this.rate / 2));
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    const shade = ({ start, end, low = 0, high = this.rate / 2 }) => {
      context.fillStyle = "rgba(255, 255, 255, 0.16)";
      context.strokeStyle = "rgba(255, 255, 255, 0.85)";
      context.fillRect(x(start), y(high), x(end) - x(start), y(low) - y(high));
      context.strokeRect(x(start), y(high), x(end) - x(start), y(low) - y(high));
    };
    if (this.drag?.isDrag) {
      const [start, end] = [this.drag.from.time, this.drag.to.time].sort((a, b) => a - b);
      const [low, high] = [this.drag.from.hertz, this.drag.to.hertz].sort((a, b) => a - b);
      shade(this.tool === "brush" ? { start, end, low, high } : { start, end });
    } else if (this.player.region) shade(this.player.region);
    else if (this.engine.loop) shade({ start: this.engine.loop[0] / this.rate, end: this.engine.loop[1] / this.rate });
    context.fillStyle = "white";
    context.fillRect(x(now) - 0.75, box.y, 1.5, box.height);
    this.list.style.setProperty("--at", String(now / this.duration));
    const text = `${clock(now)} / ${clock(this.duration)}`;
    if (this.time.textContent !== text) {
      this.time.textContent = text;
      this.overlay.setAttribute("aria-valuenow", now.toFixed(1));
      this.overlay.setAttribute("aria-valuetext", text);
    }
  }

  /** Turn the page when the play-head leaves the view. */
  #follow() {
    const [from, to] = this.range;
    const now = this.engine.position / this.rate;
    if (now >= from - 1e-6 && now <= to + 1e-6) return;
    this.range = moved(this.range, now - from, this.duration);
    this.draw();
  }

  #regionText({ start, end, low, high }) {
    return `hearing only ${start.toFixed(2)}–${end.toFixed(2)} s, ${shownHertz(low)} to ${shownHertz(high)}`;
  }
}

function choice(label, options, chosen) {
  const select = h("select", { title: label, "aria-label": label }, ...Object.entries(options).map(([value, text]) => h("option", { value }, text)));
  select.onchange = () => chosen(select.value);
  return select;
}

/** An element with attributes, handlers and children; strings become text. */
function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}
