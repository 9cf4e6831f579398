// @ts-check
// Tell the kernel every few seconds that this page is open: it cannot see that for itself.

const INTERVAL = 10_000; // ms

export default {
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
  },
};
