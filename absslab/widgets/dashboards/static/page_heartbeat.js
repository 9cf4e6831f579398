// Made by "make bundle" from the modules in the folder js beside this one: change those.

// absslab/widgets/dashboards/js/page_heartbeat.mjs
var INTERVAL = 1e4;
var page_heartbeat_default = {
  render({ model, el }) {
    el.hidden = true;
    const send = () => {
      try {
        model.send({ type: "here" });
      } catch {
        clearInterval(timer);
      }
    };
    const timer = setInterval(send, INTERVAL);
    send();
    return () => clearInterval(timer);
  }
};
export {
  page_heartbeat_default as default
};
