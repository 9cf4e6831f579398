// @ts-check
// Pictures of sound: bytes and a colour table → canvas, at the place that the shown range of time gives them.

import { clock, frequencyAt, heightOf, shownHertz, ticks } from "./logic.mjs";

/** A picture as it came: {rows, columns, start, end, pixels}; row 0 is the lowest frequency. */
export function painted({ rows, columns, pixels }, table, mask = null) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = row * columns + column;
      const to = 4 * ((rows - 1 - row) * columns + column);
      const share = mask ? 0.18 + 0.82 * (mask.pixels[from] / 255) : 1;
      for (let c = 0; c < 3; c++) image.data[to + c] = table[3 * pixels[from] + c] * share;
      image.data[to + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * Draw a painted picture, of start to end, where [from, to] fills the box.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLCanvasElement} canvas
 * @param {{start: number, end: number}} painted
 * @param {number[]} range [from, to] in seconds
 * @param {{x: number, y: number, width: number, height: number}} box
 */
export function place(context, canvas, { start, end }, [from, to], { x, y, width, height }) {
  const scale = width / (to - from);
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, x + (start - from) * scale, y, (end - start) * scale, height);
  context.restore();
}

/**
 * Draw seconds below and hertz beside the box.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {{x: number, y: number, width: number, height: number}} box
 * @param {number[]} range [from, to] in seconds
 * @param {string} axis mel or linear
 * @param {number} highest Hz
 * @param {string} colour
 */
export function axes(context, box, [from, to], axis, highest, colour) {
  context.fillStyle = context.strokeStyle = colour;
  context.font = "11px system-ui, sans-serif";
  context.lineWidth = 1;
  context.textBaseline = "top";
  context.textAlign = "center";
  const instants = ticks(from, to, box.width / 90);
  const digits = instants.length > 1 && instants[1] - instants[0] < 1 ? (instants[1] - instants[0] < 0.1 ? 2 : 1) : 0;
  for (const instant of instants) {
    const x = box.x + ((instant - from) / (to - from)) * box.width;
    line(context, x, box.y + box.height, x, box.y + box.height + 4);
    context.fillText(to >= 60 ? clock(instant, digits) : `${instant.toFixed(digits)} s`, Math.max(box.x + 8, Math.min(x, box.x + box.width - 14)), box.y + box.height + 6);
  }
  context.textBaseline = "middle";
  context.textAlign = "right";
  let lowest = Infinity;
  for (const hertz of frequencyTicks(axis, highest)) {
    const y = box.y + box.height * (1 - heightOf(hertz, axis, highest));
    if (lowest - y < 13) continue;
    lowest = y;
    line(context, box.x - 4, y, box.x, y);
    context.fillText(shownHertz(hertz), box.x - 6, Math.max(box.y + 6, y));
  }
}

function frequencyTicks(axis, highest) {
  if (axis === "mel") return [125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000].filter((hertz) => hertz <= highest);
  return ticks(0, highest, 6);
}

/**
 * The instant and the frequency at a point of the box.
 *
 * @param {{x: number, y: number, width: number, height: number}} box
 * @param {number[]} range [from, to] in seconds
 * @param {string} axis mel or linear
 * @param {number} highest Hz
 * @param {number} x
 * @param {number} y
 */
export function under(box, [from, to], axis, highest, x, y) {
  const part = Math.max(0, Math.min(1, (x - box.x) / box.width));
  const height = Math.max(0, Math.min(1, 1 - (y - box.y) / box.height));
  return { time: from + part * (to - from), hertz: frequencyAt(height, axis, highest) };
}

/** Make a canvas as sharp as the screen is; returns its context, in CSS pixels. */
export function fitted(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Let the browser save something. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

/** Pictures as canvases, painted once: of a sound, of a mask, or of a sound under a mask. */
export class Bitmaps {
  #kept = new Map(); // "size:axis:parts" → {parts, start, end, canvas}

  constructor(player) {
    this.player = player;
  }

  /** The picture of [[track, what]] or of [[track, "sound"], [track, "mask"]]: {start, end, canvas}; null while it is not there. */
  of(size, parts, axis) {
    const found = parts.map(([track, what]) => this.player.pictures.get(`${track}:${what}:${size}:${axis}`)?.shown);
    const [first, mask] = found;
    if (!first || (parts.length > 1 && !(mask && mask.start === first.start && mask.end === first.end))) return null;
    const key = `${size}:${axis}:${parts}`;
    const kept = this.#kept.get(key);
    if (kept && kept.found.every((one, i) => one === found[i])) return kept;
    const table = this.player.colours.subarray(first.what === "mask" ? 768 : 0);
    const made = { found, start: first.start, end: first.end, canvas: painted(first, table, mask) };
    this.#kept.set(key, made);
    return made;
  }
}

/** An element with attributes, handlers and children; strings become text. */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
