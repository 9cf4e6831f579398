// Made by "make bundle" from the modules in the folder js beside this one: change those.

// absslab/widgets/dashboards/js/page_heartbeat.mjs
var INTERVAL = 1e4;
var page_heartbeat_default = {
  /** @param {{model: Model, el: HTMLElement}} widget */
  render({ model, el }) {
    el.hidden = true;
    const beat = () => {
      try {
        model.send({ type: "here" });
      } catch {
        clearInterval(timer);
      }
    };
    const timer = setInterval(beat, INTERVAL);
    beat();
    document.dispatchEvent(new Event("absslab-ready"));
    return () => clearInterval(timer);
  }
};
export {
  page_heartbeat_default as default
};
