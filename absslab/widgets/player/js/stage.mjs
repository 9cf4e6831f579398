// @ts-check
// The large picture of one track: a range of time to zoom and move in, a play-head, stretches and regions to drag.

import { clock, heightOf, moved, zoomed } from "./logic.mjs";
import { axes, Bitmaps, element, fitted, place, under } from "./picture.mjs";

const HEIGHT = 230; // CSS pixels
const MARGIN = { left: 58, right: 8, top: 6, bottom: 22 };

export class Stage {
  constructor(player) {
    this.player = player;
    this.track = 0; // that is shown
    this.range = [0, this.duration]; // s
    this.axis = "mel";
    this.what = "sound"; // or mask, or both
    this.tool = "seek"; // what dragging does: seek, brush
    this.drag = null;
    this.bitmaps = new Bitmaps(player);
    this.canvas = element("canvas", { role: "img" });
    this.overlay = element("canvas", { class: "overlay", tabindex: 0, role: "slider", "aria-label": "Position", "aria-valuemin": 0, "aria-valuemax": this.duration.toFixed(2) });
    this.root = element("div", { class: "stage", style: `height:${HEIGHT}px` }, this.canvas, this.overlay);
    this.overlay.onpointerdown = (event) => this.#press(event);
    this.overlay.onpointermove = (event) => this.#move(event);
    this.overlay.onpointerup = () => this.#release();
    this.overlay.onpointercancel = () => (this.drag = null);
    this.overlay.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get engine() {
    return this.player.engine;
  }

  get rate() {
    return this.engine.meta.rate;
  }

  get highest() {
    return this.rate / 2;
  }

  get duration() {
    return this.engine.length / this.rate;
  }

  zoom(factor, around = this.engine.position / this.rate) {
    const [from, to] = this.range;
    this.range = zoomed(this.range, factor, around < from || around > to ? (from + to) / 2 : around, this.duration);
    this.player.changed();
  }

  /** Turn the page when the play-head leaves the view. */
  follow() {
    const [from, to] = this.range;
    const now = this.engine.position / this.rate;
    if (this.drag || (now >= from - 1e-6 && now <= to + 1e-6)) return;
    this.range = moved(this.range, now - from, this.duration);
    this.player.changed();
  }

  /** Draw the picture that there is; the one that is wanted is asked for by `ask`. */
  draw() {
    const width = this.root.clientWidth;
    if (width < 100) return;
    this.box = { x: MARGIN.left, y: MARGIN.top, width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
    const context = fitted(this.canvas, width, HEIGHT);
    this.colour = getComputedStyle(this.root).color;
    context.fillStyle = "black";
    context.fillRect(this.box.x, this.box.y, this.box.width, this.box.height);
    const found = this.bitmaps.of("large", this.#parts(), this.axis);
    if (found) place(context, found.canvas, found, this.range, this.box);
    axes(context, this.box, this.range, this.axis, this.highest, this.colour);
    const range = this.range.map((instant) => instant.toFixed(1)).join(" to ");
    this.canvas.setAttribute("aria-label", `Spectrogram of ${this.engine.tracks[this.track].name}, ${range} s`);
  }

  ask() {
    for (const [track, what] of this.#parts()) this.player.want(track, what, "large", this.axis, ...this.range);
  }

  /** Draw what moves: the play-head, and what is dragged, brushed or looped. */
  animate() {
    if (!this.box) return;
    if (getComputedStyle(this.root).color !== this.colour) this.draw(); // the theme is another
    const now = this.engine.position / this.rate;
    if (this.engine.isPlaying) this.follow();
    const context = fitted(this.overlay, this.overlay.clientWidth, HEIGHT);
    const { box } = this;
    const x = (instant) => box.x + ((instant - this.range[0]) / (this.range[1] - this.range[0])) * box.width;
    const y = (hertz) => box.y + box.height * (1 - heightOf(hertz, this.axis, this.highest));
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    const region = this.#region();
    if (region) {
      const { start, end, low = 0, high = this.highest } = region;
      const corners = [x(start), y(high), x(end) - x(start), y(low) - y(high)];
      context.fillStyle = "rgba(255, 255, 255, 0.16)";
      context.strokeStyle = "rgba(255, 255, 255, 0.85)";
      context.fillRect(...corners);
      context.strokeRect(...corners);
    }
    context.fillStyle = "white";
    context.fillRect(x(now) - 0.75, box.y, 1.5, box.height);
    this.overlay.setAttribute("aria-valuenow", now.toFixed(1));
    this.overlay.setAttribute("aria-valuetext", `${clock(now)} of ${clock(this.duration)}`);
  }

  /** What is dragged, else what is brushed, else what is looped. */
  #region() {
    if (this.drag?.isDrag) return this.#dragged();
    if (this.player.region) return this.player.region;
    const { loop } = this.engine;
    return loop && { start: loop[0] / this.rate, end: loop[1] / this.rate };
  }

  #dragged() {
    const [start, end] = [this.drag.from.time, this.drag.to.time].sort((a, b) => a - b);
    const [low, high] = [this.drag.from.hertz, this.drag.to.hertz].sort((a, b) => a - b);
    return this.tool === "brush" ? { start, end, low, high } : { start, end };
  }

  /** Which pictures the shown one is made of: [[track, what]…] */
  #parts() {
    const { tracks } = this.engine;
    if (this.what === "sound" || !tracks[this.track].has_mask) return [[this.track, "sound"]];
    if (this.what === "mask") return [[this.track, "mask"]];
    const mixture = tracks.findIndex((track) => track.kind === "mixture");
    return [[Math.max(0, mixture), "sound"], [this.track, "mask"]];
  }

  #at(event) {
    return under(this.box, this.range, this.axis, this.highest, event.offsetX, event.offsetY);
  }

  #press(event) {
    this.root.closest(".absslab-player").focus({ preventScroll: true });
    this.overlay.setPointerCapture(event.pointerId);
    this.drag = { from: this.#at(event), to: this.#at(event), x: event.offsetX, y: event.offsetY, isDrag: false };
  }

  #move(event) {
    const { drag } = this;
    if (!drag) return;
    drag.to = this.#at(event);
    drag.isDrag ||= Math.abs(event.offsetX - drag.x) > 4 || (this.tool === "brush" && Math.abs(event.offsetY - drag.y) > 4);
  }

  #release() {
    if (!this.drag) return;
    const { isDrag, to } = this.drag;
    const { start, end, low, high } = this.#dragged();
    this.drag = null;
    if (!isDrag) this.engine.seek(to.time * this.rate);
    else if (this.tool === "seek") this.engine.setLoop([start * this.rate, end * this.rate]);
    else if (end - start > 0.02 && high - low > 1) this.player.brush({ start, end, low, high });
  }

  /** With ctrl: zoom; sideways, or with shift: move in time; else the page scrolls. */
  #wheel(event) {
    if (!(event.ctrlKey || event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) return;
    event.preventDefault();
    const span = this.range[1] - this.range[0];
    if (event.ctrlKey) this.zoom(Math.exp(event.deltaY / 200), this.#at(event).time);
    else this.range = moved(this.range, ((event.deltaX || event.deltaY) / this.box.width) * span, this.duration);
    this.player.changed();
  }
}
