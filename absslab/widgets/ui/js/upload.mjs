// @ts-check
// A file goes to the kernel piece by piece, the next one when the last has arrived: no message is too long, and it can be
// stopped at any time. What is said of it is text, never HTML.

export const PIECE = 1 << 20; // bytes

/** The bytes that come next: [begin, end]. */
export function pieceOf(offset, size) {
  return [offset, Math.min(size, offset + PIECE)];
}

export class Sending {
  constructor(file, number, send) {
    this.file = file;
    this.number = number;
    this.send = send;
    this.send({ type: "begin", number, name: file.name, size: file.size });
  }

  /** The kernel has so many bytes and wants more. */
  async next(offset) {
    const [begin, end] = pieceOf(offset, this.file.size);
    const bytes = await this.file.slice(begin, end).arrayBuffer();
    this.send({ type: "piece", number: this.number, offset: begin }, [bytes]);
    return end / this.file.size;
  }
}

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export default {
  render({ model, el }) {
    let sending = null;
    let count = Date.now(); // numbers of several pages on one kernel differ
    const input = element("input", { type: "file", accept: model.get("accept"), class: "absslab-file" });
    const choose = element("label", { class: "absslab-choose" }, "choose a sound file", input);
    const hint = element("span", { class: "absslab-hint" }, model.get("hint"));
    const bar = element("progress", { max: 1, "aria-label": "upload" });
    const stop = element("button", { type: "button" }, "cancel");
    const words = element("div", { class: "absslab-words", role: "status", "aria-live": "polite" });
    const root = element("div", { class: "absslab-upload" }, choose, hint, bar, stop, words);
    const send = (content, buffers) => model.send(content, undefined, buffers);
    const show = (text, share, isWrong = false) => {
      bar.hidden = stop.hidden = share === null;
      if (share !== null && share !== undefined) bar.value = share;
      words.textContent = text;
      words.classList.toggle("wrong", isWrong);
    };
    const begin = (file) => {
      if (!file) return;
      sending = new Sending(file, ++count, send);
      show(`sending ${file.name} …`, 0);
    };
    input.onchange = () => {
      begin(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    };
    stop.onclick = () => {
      send({ type: "cancel" });
      sending = null;
      show("cancelled", null);
    };
    for (const name of ["dragover", "drop"]) root.addEventListener(name, (event) => event.preventDefault());
    root.addEventListener("drop", (event) => begin(event.dataTransfer.files[0]));
    const receive = async (content) => {
      if (content.number !== undefined && content.number !== sending?.number) return;
      if (content.type === "next") {
        try {
          bar.value = await sending.next(content.offset);
        } catch (error) {
          send({ type: "cancel" });
          sending = null;
          show(`the file can't be read (${/** @type {Error} */ (error).message})`, null, true);
        }
      } else if (content.type === "busy") show(content.text, content.share);
      else if (content.type === "done") show(content.text, null);
      else if (content.type === "refused") show(content.text, null, true);
    };
    model.on("msg:custom", receive);
    show("", null);
    el.append(root);
    return () => model.off("msg:custom", receive);
  },
};
