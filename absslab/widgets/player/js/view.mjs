// @ts-check
// What a person sees of a player, and what they do to it. Names are text, never HTML.

import { clock, command, presetOf, presets, shownGain, shownHertz } from "./logic.mjs";
import { Bitmaps, download, element, fitted, place } from "./picture.mjs";
import { Stage } from "./stage.mjs";

const SETTLED = 150; // ms without a change before pictures are asked for

export class View {
  constructor(el, player, title) {
    this.player = player;
    this.title = title;
    this.previous = null; // what was heard before: the B of A/B
    this.root = element("div", { class: "absslab-player", tabindex: 0, role: "region", "aria-label": `Player ${title}`, "data-lm-suppress-shortcuts": "true" });
    this.root.absslab = { probe: () => player.engine.probe(), render: (from, to) => player.engine.render(from, to) };
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.root.addEventListener("click", (event) => {
      if (event.detail && event.target.closest("button")) this.root.focus({ preventScroll: true }); // space plays, also after a click
    });
    this.pass = (event) => this.#letPass(event);
    window.addEventListener("keydown", this.pass, true);
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
    window.removeEventListener("keydown", this.pass, true);
    this.player.views.delete(this);
    if (!this.player.views.size) this.engine.pause(); // nobody could stop it; after a restart of the kernel nothing else does
    this.root.remove();
  }

  get engine() {
    return this.player.engine;
  }

  get rate() {
    return this.engine.meta.rate;
  }

  /** The track that the large picture shows. */
  get focus() {
    return this.stage.track;
  }

  set focus(track) {
    this.stage.track = track;
  }

  /** Make everything anew, for other tracks. */
  build() {
    this.heading = element("span", { class: "title" }, this.title);
    this.status = element("div", { class: "status", role: "status", "aria-live": "polite" });
    if (!this.engine.meta) {
      this.status.textContent = "waiting for the sound …";
      this.root.replaceChildren(this.heading, this.status);
      return;
    }
    this.stage = new Stage(this.player);
    this.bitmaps = new Bitmaps(this.player);
    this.focus = [...this.engine.mix.solo][0] ?? 0;
    this.entries = presets(this.engine.tracks);
    this.root.replaceChildren(this.#toolbar(), this.status, this.stage.root, this.#list());
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
    const waits = engine.isBlocked ? "the browser waits for a click before it lets a page sound" : engine.isWaiting ? "loading …" : "";
    this.status.textContent = text || waits || (region ? regionText(region) : "");
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
    if (this.player.region) this.player.brush(null);
    else engine.setLoop(engine.loop ? null : this.stage.range.map((instant) => instant * this.rate));
  }

  /** @param {[string, any?]} command and its argument, as a key has them */
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
      zoom: () => this.stage.zoom(value),
      focus: () => {
        this.focus = (this.focus + value + engine.tracks.length) % engine.tracks.length;
        this.rows[this.focus].root.scrollIntoView({ block: "nearest" });
        this.update();
      },
      clear: () => (this.player.region ? this.player.brush(null) : engine.setLoop(null)),
    };
    actions[name]();
    if (name === "skip" || name === "seek") this.stage.follow();
  }

  /** Let JupyterLab have its own shortcuts, such as Ctrl+S, also while the player has the focus. */
  #letPass(event) {
    if (!(event.ctrlKey || event.metaKey || event.altKey) || !this.root.contains(event.target)) return;
    this.root.removeAttribute("data-lm-suppress-shortcuts");
    setTimeout(() => this.root.setAttribute("data-lm-suppress-shortcuts", "true"));
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
    const button = (label, title, onclick, more = {}) => element("button", { type: "button", title, onclick, ...more }, label);
    this.play = button("▶", "Play or pause (space)", () => this.do(["toggle"]), { class: "play" });
    this.time = element("span", { class: "time" });
    this.hearing = element("select", { title: "What is heard (1–9: one track; B: back to what was heard before)", "aria-label": "What is heard" }, element("option", { value: "-1" }, "own choice"));
    const groups = new Map();
    this.entries.forEach((entry, i) => {
      if (!groups.has(entry.group)) groups.set(entry.group, element("optgroup", { label: entry.group }));
      groups.get(entry.group).append(element("option", { value: String(i) }, entry.label));
    });
    this.hearing.append(...groups.values());
    this.hearing.onchange = () => this.hearing.value !== "-1" && this.hear(this.entries[Number(this.hearing.value)].solo);
    this.level = choice("Level", { raw: "raw levels", loudness: "equally loud", peak: "equal peaks" }, (level) => this.player.setMix({ level }));
    this.looping = button("Loop", "Play the region, or what is in view, again and again (L)", () => this.loop());
    const seek = choice("Dragging in the picture", { seek: "drag: loop", brush: "drag: brush" }, (tool) => (this.stage.tool = tool));
    seek.title = "What dragging in the picture does: choose a stretch to loop, or brush a region of time and frequency and hear only that";
    this.everything = button("Hear everything", "Leave the brushed region (Esc)", () => this.player.brush(null));
    const axis = choice("Frequency axis", { mel: "mel", linear: "linear" }, (chosen) => {
      this.stage.axis = chosen;
      this.draw();
    });
    const what = choice("Picture", { sound: "sound", mask: "mask", both: "mixture under mask" }, (chosen) => {
      this.stage.what = chosen;
      this.draw();
    });
    what.hidden = !this.engine.tracks.some((track) => track.has_mask);
    const zoom = element("span", { class: "group" }, button("−", "Zoom out (−)", () => this.stage.zoom(2)), button("+", "Zoom in (+)", () => this.stage.zoom(0.5)), button("all", "Show all", () => this.stage.zoom(Infinity)));
    const one = () => this.engine.tracks.map((_, k) => Number(k === this.focus));
    const save = element("span", { class: "group" }, element("span", {}, "save"),
      button("track", "The chosen track, as it is, as WAV", () => this.player.save(one(), `${this.title} ${this.engine.tracks[this.focus].name}`)),
      button("what is heard", "All that is heard, with its gains, as WAV", () => this.player.save(this.player.linearGains(), `${this.title} remix`)),
      button("picture", "The picture as PNG", () => this.stage.canvas.toBlob((blob) => download(blob, `${this.engine.tracks[this.focus].name}.png`))));
    return element("div", { class: "toolbar", role: "toolbar", "aria-label": "Player" }, this.heading, this.play, this.time, this.hearing, this.level, this.looping, seek, this.everything, axis, what, zoom, save);
  }

  #list() {
    this.rows = this.engine.tracks.map((track, k) => {
      const button = (label, title, onclick, name) => element("button", { type: "button", title, onclick, class: name, "aria-label": `${title}: ${track.name}` }, label);
      const row = {
        name: button(track.name, k < 9 ? `Hear only this (${k + 1})` : "Hear only this", () => this.hear([k]), "name"),
        mute: button("M", "Mute (M)", () => this.toggle("mute", k), "small"),
        solo: button("S", "Solo, with others that are soloed (S)", () => this.toggle("solo", k), "small"),
        gain: element("input", { type: "range", min: -40, max: 20, step: 0.5, title: "Gain; double click: 0 dB", "aria-label": `Gain of ${track.name} in dB` }),
        applied: element("output", { title: "Gain that is applied" }),
        lane: element("canvas", { class: "lane", title: "Click to go there" }),
      };
      const setGain = (dB) => this.player.setMix({ gains: this.engine.mix.gains.map((old, j) => (j === k ? dB : old)) });
      row.gain.oninput = () => setGain(Number(row.gain.value));
      row.gain.ondblclick = () => setGain(0);
      row.gain.onkeydown = (event) => {
        const step = { ArrowLeft: -0.5, ArrowDown: -0.5, ArrowRight: 0.5, ArrowUp: 0.5 }[event.key];
        if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault(); // the notebook around takes these keys before a slider has them
        setGain(Math.max(-40, Math.min(20, Number(row.gain.value) + step)));
      };
      row.lane.onclick = (event) => {
        this.engine.seek((event.offsetX / row.lane.clientWidth) * this.engine.length);
        this.focus = k;
        this.update();
      };
      const number = element("span", { class: "number", "aria-hidden": "true" }, k < 9 ? String(k + 1) : "");
      row.root = element("div", { class: `track ${track.kind}`, role: "group", "aria-label": `${track.name} (${track.kind})` }, number, row.name, row.mute, row.solo, row.gain, row.applied, element("div", { class: "strip" }, row.lane));
      return row;
    });
    this.list = element("div", { class: "tracks" }, ...this.rows.map((row) => row.root));
    return this.list;
  }

  // Pictures

  draw() {
    if (!this.rows || !this.engine.meta || !this.root.isConnected) return;
    this.stage.draw();
    this.rows.forEach((row, k) => this.#drawLane(row.lane, k));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#ask(), this.isAsked ? SETTLED : 0);
    this.isAsked = true;
  }

  #drawLane(lane, k) {
    const [width, height] = [lane.clientWidth, lane.clientHeight];
    const found = this.bitmaps.of("lane", [[k, "sound"]], "mel");
    if (!width || (found && lane.absslabShown === found.canvas && lane.absslabWidth === width)) return;
    const context = fitted(lane, width, height);
    if (found) place(context, found.canvas, found, [0, this.stage.duration], { x: 0, y: 0, width, height });
    [lane.absslabShown, lane.absslabWidth] = [found?.canvas, width];
  }

  /** Ask for the pictures that are in view. */
  #ask() {
    if (!this.engine.meta) return;
    this.stage.ask();
    this.rows.forEach((_, k) => this.player.want(k, "sound", "lane", "mel", 0, this.stage.duration));
  }

  #animate() {
    this.frame = requestAnimationFrame(() => this.#animate());
    if (!this.rows || !this.engine.meta || !this.root.isConnected) return;
    this.stage.animate();
    const [now, whole] = [this.engine.position / this.rate, this.stage.duration];
    this.list.style.setProperty("--at", String(now / whole));
    const text = `${clock(now)} / ${clock(whole)}`;
    if (this.time.textContent !== text) this.time.textContent = text;
  }
}

function regionText({ start, end, low, high }) {
  return `hearing only ${start.toFixed(2)}–${end.toFixed(2)} s, ${shownHertz(low)} to ${shownHertz(high)}`;
}

function choice(label, options, chosen) {
  const select = element("select", { title: label, "aria-label": label }, ...Object.entries(options).map(([value, text]) => element("option", { value }, text)));
  select.onchange = () => chosen(select.value);
  return select;
}
