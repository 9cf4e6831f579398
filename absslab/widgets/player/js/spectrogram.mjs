// @ts-check
// The large spectrogram of one track: a range of time to zoom and to move in, the play-head, and
// regions to drag.

import { drawAxes, pointAt } from "./axes.mjs";
import { formatTime, heightOf, moveRange, zoomRange } from "./logic.mjs";
import { element, fitCanvas } from "../../ui/js/page.mjs";
import { Bitmaps, drawBitmap } from "./tiles.mjs";

/** @import { Box, Point, Region, TilePart, TimeRange } from "./types.d.ts" */

const HEIGHT = 230; // CSS pixels
const MARGIN = { left: 58, right: 8, top: 6, bottom: 22 };
const DRAG_DISTANCE = 4; // CSS pixels, from which on a press is a drag

export class Spectrogram {
  track = 0; // that is shown
  axis = "mel";
  what = "sound"; // or mask, or both
  tool = "seek"; // what a drag does: seek (it makes a loop) or brush
  /** @type {{from: Point, to: Point, x: number, y: number, isDrag: boolean} | null} */
  #drag = null;
  /** @type {Box | null} */
  #box = null;
  #colour = "";
  #drawn = ""; // what the overlay shows

  /** @param {import("./player.mjs").Player} player */
  constructor(player) {
    this.player = player;
    /** @type {TimeRange} */
    this.range = [0, this.duration];
    this.bitmaps = new Bitmaps(player);
    this.canvas = element("canvas", { role: "img" });
    this.overlay = element("canvas", {
      class: "overlay",
      tabindex: 0,
      role: "slider",
      "aria-label": "Position",
      "aria-valuemin": 0,
      "aria-valuemax": this.duration.toFixed(2),
    });
    const style = `height:${HEIGHT}px`;
    this.root = element("div", { class: "stage", style }, this.canvas, this.overlay);
    this.overlay.onpointerdown = (event) => this.#press(event);
    this.overlay.onpointermove = (event) => this.#move(event);
    this.overlay.onpointerup = () => this.#release();
    this.overlay.onpointercancel = () => (this.#drag = null);
    const options = { passive: false };
    this.overlay.addEventListener("wheel", (event) => this.#wheel(event), options);
  }

  get engine() {
    return this.player.engine;
  }

  get rate() {
    return this.player.rate;
  }

  /** The highest frequency in Hz. */
  get highest() {
    return this.rate / 2;
  }

  /** Length of the sound in s. */
  get duration() {
    return this.engine.length / this.rate;
  }

  /** @param {number} factor */
  zoom(factor, around = this.engine.position / this.rate) {
    const [from, to] = this.range;
    const isOutside = around < from || around > to;
    this.range = zoomRange(this.range, factor, isOutside ? (from + to) / 2 : around, this.duration);
    this.player.changed();
  }

  /** Move on by a page when the play-head leaves the view. */
  follow() {
    const [from, to] = this.range;
    const now = this.engine.position / this.rate;
    if (this.#drag || (now >= from - 1e-6 && now <= to + 1e-6)) return;
    this.range = moveRange(this.range, now - from, this.duration);
    this.player.changed();
  }

  /** Draw the tile that is here; `ask` asks for the one that is missing. */
  draw() {
    const width = this.root.clientWidth;
    if (width < 100) return;
    const box = {
      x: MARGIN.left,
      y: MARGIN.top,
      width: width - MARGIN.left - MARGIN.right,
      height: HEIGHT - MARGIN.top - MARGIN.bottom,
    };
    this.#box = box;
    const context = fitCanvas(this.canvas, width, HEIGHT);
    this.#colour = getComputedStyle(this.root).color;
    context.fillStyle = "black";
    context.fillRect(box.x, box.y, box.width, box.height);
    const bitmap = this.bitmaps.find("large", this.#parts(), this.axis);
    if (bitmap) drawBitmap(context, bitmap, this.range, box);
    drawAxes(context, box, this.range, this.axis, this.highest, this.#colour);
    const range = this.range.map((instant) => instant.toFixed(1)).join(" to ");
    const { name } = this.engine.tracks[this.track];
    this.canvas.setAttribute("aria-label", `Spectrogram of ${name}, ${range} s`);
  }

  ask() {
    for (const [track, what] of this.#parts()) {
      this.player.want(track, what, "large", this.axis, ...this.range);
    }
  }

  /** Draw what has moved: the play-head, or the region that is dragged, brushed or looped. */
  animate() {
    if (!this.#box) return;
    if (getComputedStyle(this.root).color !== this.#colour) this.draw(); // the theme has changed
    const box = this.#box;
    if (this.engine.isPlaying) this.follow();
    const now = this.engine.position / this.rate;
    const region = this.#region();
    const width = this.overlay.clientWidth;
    const moving = [now, region, box, width, devicePixelRatio, this.range, this.axis];
    const drawn = JSON.stringify(moving);
    if (drawn === this.#drawn) return; // a page that rests draws nothing
    this.#drawn = drawn;
    const context = fitCanvas(this.overlay, width, HEIGHT);
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    if (region) this.#drawRegion(context, box, region);
    context.fillStyle = "white";
    context.fillRect(this.#toX(now, box) - 0.75, box.y, 1.5, box.height);
    this.overlay.setAttribute("aria-valuenow", now.toFixed(1));
    const text = `${formatTime(now)} of ${formatTime(this.duration)}`;
    this.overlay.setAttribute("aria-valuetext", text);
  }

  /** @param {CanvasRenderingContext2D} context @param {Box} box @param {Region} region */
  #drawRegion(context, box, { start, end, low, high }) {
    const x = this.#toX(start, box);
    const y = this.#toY(high, box);
    const width = this.#toX(end, box) - x;
    const height = this.#toY(low, box) - y;
    context.fillStyle = "rgba(255, 255, 255, 0.16)";
    context.strokeStyle = "rgba(255, 255, 255, 0.85)";
    context.fillRect(x, y, width, height);
    context.strokeRect(x, y, width, height);
  }

  /** @param {number} instant @param {Box} box */
  #toX(instant, box) {
    const [from, to] = this.range;
    return box.x + ((instant - from) / (to - from)) * box.width;
  }

  /** @param {number} hertz @param {Box} box */
  #toY(hertz, box) {
    return box.y + box.height * (1 - heightOf(hertz, this.axis, this.highest));
  }

  /**
   * Return the region that is dragged, else the one that is brushed, else the one that is looped.
   *
   * @returns {Region | null}
   */
  #region() {
    const allFrequencies = { low: 0, high: this.highest };
    if (this.#drag?.isDrag) {
      const dragged = this.#dragged(this.#drag);
      return this.tool === "brush" ? dragged : { ...dragged, ...allFrequencies };
    }
    if (this.player.region) return this.player.region;
    const { loop } = this.engine;
    return loop && { start: loop[0] / this.rate, end: loop[1] / this.rate, ...allFrequencies };
  }

  /** @param {{from: Point, to: Point}} drag */
  #dragged({ from, to }) {
    return {
      start: Math.min(from.time, to.time),
      end: Math.max(from.time, to.time),
      low: Math.min(from.hertz, to.hertz),
      high: Math.max(from.hertz, to.hertz),
    };
  }

  /**
   * Return the tiles of which the shown image is made.
   *
   * @returns {TilePart[]}
   */
  #parts() {
    const { tracks } = this.engine;
    if (this.what === "sound" || !tracks[this.track].has_mask) return [[this.track, "sound"]];
    if (this.what === "mask") return [[this.track, "mask"]];
    const mixture = tracks.findIndex((track) => track.kind === "mixture");
    return [
      [Math.max(0, mixture), "sound"],
      [this.track, "mask"],
    ];
  }

  /** @param {MouseEvent} event @param {Box} box */
  #pointOf({ offsetX, offsetY }, box) {
    return pointAt(box, this.range, this.axis, this.highest, offsetX, offsetY);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (!this.#box) return;
    const player = /** @type {HTMLElement | null} */ (this.root.closest(".absslab-player"));
    player?.focus({ preventScroll: true });
    this.overlay.setPointerCapture(event.pointerId);
    const from = this.#pointOf(event, this.#box);
    this.#drag = { from, to: from, x: event.offsetX, y: event.offsetY, isDrag: false };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const drag = this.#drag;
    if (!drag || !this.#box) return;
    drag.to = this.#pointOf(event, this.#box);
    const isFarInTime = Math.abs(event.offsetX - drag.x) > DRAG_DISTANCE;
    const isFarInFrequency = Math.abs(event.offsetY - drag.y) > DRAG_DISTANCE;
    drag.isDrag ||= isFarInTime || (this.tool === "brush" && isFarInFrequency);
  }

  #release() {
    const drag = this.#drag;
    if (!drag) return;
    const { start, end, low, high } = this.#dragged(drag);
    this.#drag = null;
    if (!drag.isDrag) this.engine.seek(drag.to.time * this.rate);
    else if (this.tool === "seek") this.engine.setLoop([start * this.rate, end * this.rate]);
    else if (end - start > 0.02 && high - low > 1) this.player.brush({ start, end, low, high });
  }

  /**
   * Zoom with ctrl; move in time sideways or with shift; else the page scrolls.
   *
   * @param {WheelEvent} event
   */
  #wheel(event) {
    const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!this.#box || !(event.ctrlKey || isSideways)) return;
    event.preventDefault();
    if (event.ctrlKey) {
      this.zoom(Math.exp(event.deltaY / 200), this.#pointOf(event, this.#box).time);
    } else {
      const span = this.range[1] - this.range[0];
      const by = ((event.deltaX || event.deltaY) / this.#box.width) * span;
      this.range = moveRange(this.range, by, this.duration);
    }
    this.player.changed();
  }
}
