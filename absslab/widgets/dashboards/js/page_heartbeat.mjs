// @ts-check
// Tells the kernel now and then that the page is open, which the kernel can't see itself, and the page
// that all its widgets are shown.

/** @import { Model } from "../../ui/js/widget.d.ts" */

const INTERVAL = 10_000; // ms

export default {
  /** @param {{model: Model, el: HTMLElement}} widget */
  render({ model, el }) {
    el.hidden = true;
    const beat = () => {
      try {
        model.send({ type: "here" });
      } catch {
        clearInterval(timer); // the kernel is gone
      }
    };
    const timer = setInterval(beat, INTERVAL);
    beat();
    document.dispatchEvent(new Event("absslab-ready")); // it is the last widget of its page
    return () => clearInterval(timer);
  },
};
