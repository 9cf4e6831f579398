// @ts-check
// Spectrogram tiles: bytes and a table of colours become canvases, drawn at their place in time.

import { contextOf } from "../../ui/js/page.mjs";

/** @import { Bitmap, Box, Tile, TilePart, TimeRange } from "./types.d.ts" */

const DIMMED = 0.18; // brightness where a mask is 0
const MASK_COLOURS = 768; // bytes: where the colours of masks begin in the table

/**
 * Paint a tile, under a mask if there is one.
 *
 * @param {Tile} tile
 * @param {Uint8Array} colours 256 RGB colours
 * @param {Tile} [mask]
 */
function paint({ rows, columns, pixels }, colours, mask) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = contextOf(canvas);
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = row * columns + column;
      const to = 4 * ((rows - 1 - row) * columns + column);
      const share = mask ? DIMMED + (1 - DIMMED) * (mask.pixels[from] / 255) : 1;
      for (let c = 0; c < 3; c++) image.data[to + c] = colours[3 * pixels[from] + c] * share;
      image.data[to + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * Draw a bitmap into a box that shows a range of time.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Bitmap} bitmap
 * @param {TimeRange} range
 * @param {Box} box
 */
export function drawBitmap(context, { canvas, start, end }, [from, to], box) {
  const { x, y, width, height } = box;
  const scale = width / (to - from);
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, x + (start - from) * scale, y, (end - start) * scale, height);
  context.restore();
}

/** Bitmaps of the tiles that have come, each painted once. */
export class Bitmaps {
  /** @type {Map<string, Bitmap>} */
  #painted = new Map(); // by "size:axis:parts"

  /** @param {import("./player.mjs").Player} player */
  constructor(player) {
    this.player = player;
  }

  /**
   * Return the bitmap of a sound, of a mask, or of a sound under a mask; null until its tiles come.
   *
   * @param {string} size lane or large
   * @param {TilePart[]} parts
   * @param {string} axis mel or linear
   */
  find(size, parts, axis) {
    const tiles = parts.map(([track, what]) => this.player.shownTile(track, what, size, axis));
    const [first, mask] = tiles;
    if (!first) return null;
    const fits = mask && mask.start === first.start && mask.end === first.end;
    if (parts.length > 1 && !fits) return null;
    const key = `${size}:${axis}:${parts}`;
    const painted = this.#painted.get(key);
    if (painted?.tiles.every((tile, i) => tile === tiles[i])) return painted;
    const colours = this.player.colours.subarray(first.what === "mask" ? MASK_COLOURS : 0);
    const { start, end } = first;
    const bitmap = { tiles, start, end, canvas: paint(first, colours, mask) };
    this.#painted.set(key, bitmap);
    return bitmap;
  }
}
