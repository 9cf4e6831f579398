// @ts-check
// The row of a track: its name, mute, solo, gain, and its sound from beginning to end.

import { element } from "../../ui/js/page.mjs";

/** @import { Track } from "./types.d.ts" */

const LOWEST_GAIN = -40; // dB
const HIGHEST_GAIN = 20; // dB
const GAIN_STEP = 0.5; // dB
/** @type {Record<string, number>} */
const GAIN_KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };

/**
 * @typedef {object} TrackRow
 * @property {HTMLElement} root
 * @property {HTMLButtonElement} name
 * @property {HTMLButtonElement} mute
 * @property {HTMLButtonElement} solo
 * @property {HTMLInputElement} gain
 * @property {HTMLOutputElement} applied
 * @property {HTMLCanvasElement} lane
 * @property {HTMLCanvasElement} [drawn] the bitmap that the lane shows
 * @property {number} [drawnWidth] of the lane
 */

/**
 * @param {import("./view.mjs").View} view
 * @param {Track} track
 * @param {number} k its number
 * @returns {TrackRow}
 */
export function makeTrackRow(view, track, k) {
  const hasKey = k < 9;
  /**
   * @param {string} label
   * @param {string} title
   * @param {() => void} onclick
   * @param {string} kind its class
   */
  const makeButton = (label, title, onclick, kind) => {
    const name = `${title}: ${track.name}`;
    const attributes = { type: "button", title, onclick, class: kind, "aria-label": name };
    return element("button", attributes, label);
  };
  const hearTitle = hasKey ? `Hear only this (${k + 1})` : "Hear only this";
  const soloTitle = "Solo, with others that are soloed (S)";
  const name = makeButton(track.name, hearTitle, () => view.hear([k]), "name");
  const mute = makeButton("M", "Mute (M)", () => view.toggle("mute", k), "small");
  const solo = makeButton("S", soloTitle, () => view.toggle("solo", k), "small");
  const gain = makeGainSlider(view, track, k);
  const applied = element("output", { title: "Gain that is applied" });
  const lane = element("canvas", { class: "lane", title: "Click to go there" });
  lane.onclick = (event) => {
    view.engine.seek((event.offsetX / lane.clientWidth) * view.engine.length);
    view.focus = k;
    view.update();
  };
  const number = element("span", { class: "number", "aria-hidden": "true" });
  number.textContent = hasKey ? String(k + 1) : "";
  const label = `${track.name} (${track.kind})`;
  const root = element(
    "div",
    { class: `track ${track.kind}`, role: "group", "aria-label": label },
    ...[number, name, mute, solo, gain, applied],
    element("div", { class: "strip" }, lane),
  );
  return { root, name, mute, solo, gain, applied, lane };
}

/**
 * @param {import("./view.mjs").View} view
 * @param {Track} track
 * @param {number} k
 */
function makeGainSlider(view, track, k) {
  const slider = element("input", {
    type: "range",
    min: LOWEST_GAIN,
    max: HIGHEST_GAIN,
    step: GAIN_STEP,
    title: "Gain; double click: 0 dB",
    "aria-label": `Gain of ${track.name} in dB`,
  });
  /** @param {number} dB */
  const setGain = (dB) => {
    const { gains } = view.engine.mix;
    view.player.setMix({ gains: gains.map((before, j) => (j === k ? dB : before)) });
  };
  slider.oninput = () => setGain(Number(slider.value));
  slider.ondblclick = () => setGain(0);
  slider.onkeydown = (event) => {
    const direction = GAIN_KEYS[event.key];
    if (!direction || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault(); // the notebook takes these keys before a slider gets them
    const dB = Number(slider.value) + direction * GAIN_STEP;
    setGain(Math.max(LOWEST_GAIN, Math.min(HIGHEST_GAIN, dB)));
  };
  return slider;
}
