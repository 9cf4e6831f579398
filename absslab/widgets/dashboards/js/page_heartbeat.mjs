// @ts-check
// Says now and then that someone has the page open: a kernel can't see that.

const BETWEEN = 10_000; // ms

export default {
  render({ model, el }) {
    el.hidden = true;
    const say = () => {
      try {
        model.send({ type: "here" });
      } catch {
        clearInterval(timer);
      }
    };
    const timer = setInterval(say, BETWEEN);
    say();
    return () => clearInterval(timer);
  },
};
