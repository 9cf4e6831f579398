// @ts-check
// The axes of a spectrogram: seconds below it, and hertz beside it.

import { formatHertz, formatTime, frequencyAt, heightOf, ticks } from "./logic.mjs";

/** @import { Box, Point, TimeRange } from "./types.d.ts" */

const MEL_TICKS = [125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000]; // Hz

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {TimeRange} range
 * @param {string} axis mel or linear
 * @param {number} highest Hz
 * @param {string} colour
 */
export function drawAxes(context, box, range, axis, highest, colour) {
  context.fillStyle = colour;
  context.strokeStyle = colour;
  context.font = "11px system-ui, sans-serif";
  context.lineWidth = 1;
  drawTimes(context, box, range);
  drawFrequencies(context, box, axis, highest);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {TimeRange} range
 */
function drawTimes(context, box, [from, to]) {
  context.textBaseline = "top";
  context.textAlign = "center";
  const bottom = box.y + box.height;
  const instants = ticks(from, to, box.width / 90);
  const digits = digitsFor(instants);
  for (const instant of instants) {
    const x = box.x + ((instant - from) / (to - from)) * box.width;
    drawLine(context, x, bottom, x, bottom + 4);
    const text = to >= 60 ? formatTime(instant, digits) : `${instant.toFixed(digits)} s`;
    const textX = Math.max(box.x + 8, Math.min(x, box.x + box.width - 14));
    context.fillText(text, textX, bottom + 6);
  }
}

/** @param {number[]} instants */
function digitsFor([first, second]) {
  if (second === undefined || second - first >= 1) return 0;
  return second - first < 0.1 ? 2 : 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {string} axis
 * @param {number} highest
 */
function drawFrequencies(context, box, axis, highest) {
  context.textBaseline = "middle";
  context.textAlign = "right";
  let lastY = Infinity;
  for (const hertz of frequencyTicks(axis, highest)) {
    const y = box.y + box.height * (1 - heightOf(hertz, axis, highest));
    if (lastY - y < 13) continue; // the labels would touch
    lastY = y;
    drawLine(context, box.x - 4, y, box.x, y);
    context.fillText(formatHertz(hertz), box.x - 6, Math.max(box.y + 6, y));
  }
}

/** @param {string} axis @param {number} highest */
function frequencyTicks(axis, highest) {
  if (axis === "mel") return MEL_TICKS.filter((hertz) => hertz <= highest);
  return ticks(0, highest, 6);
}

/**
 * Return the instant and the frequency at a point of the box.
 *
 * @param {Box} box
 * @param {TimeRange} range
 * @param {string} axis mel or linear
 * @param {number} highest Hz
 * @param {number} x
 * @param {number} y
 * @returns {Point}
 */
export function pointAt(box, [from, to], axis, highest, x, y) {
  const part = Math.max(0, Math.min(1, (x - box.x) / box.width));
  const height = Math.max(0, Math.min(1, 1 - (y - box.y) / box.height));
  return { time: from + part * (to - from), hertz: frequencyAt(height, axis, highest) };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 */
function drawLine(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
