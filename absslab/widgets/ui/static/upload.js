// Made by "make bundle" from the modules in the folder js beside this one: change those.

// absslab/widgets/ui/js/page.mjs
function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) Object.assign(node, { [key]: value });
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// absslab/widgets/ui/js/upload.mjs
var PIECE = 1 << 20;
function pieceOf(offset, size) {
  return [offset, Math.min(size, offset + PIECE)];
}
var Sending = class {
  /**
   * @param {File} file
   * @param {number} number of the upload
   * @param {Send} send
   */
  constructor(file, number, send) {
    this.file = file;
    this.number = number;
    this.send = send;
    this.send({ type: "begin", number, name: file.name, size: file.size });
  }
  /**
   * Send the next piece; returns the share of the file that has been sent.
   *
   * @param {number} offset the bytes that the kernel has
   */
  async next(offset) {
    const [begin, end] = pieceOf(offset, this.file.size);
    const bytes = await this.file.slice(begin, end).arrayBuffer();
    this.send({ type: "piece", number: this.number, offset: begin }, [bytes]);
    return end / this.file.size;
  }
};
var View = class {
  /** @type {Sending | null} */
  #sending = null;
  #count = Date.now();
  // so that the numbers of several pages of one kernel differ
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    const accept = model.get("accept");
    this.input = element("input", { type: "file", accept, class: "absslab-file" });
    this.bar = element("progress", { max: 1, "aria-label": "upload" });
    this.stop = element("button", { type: "button" }, "cancel");
    const status = { class: "absslab-words", role: "status", "aria-live": "polite" };
    this.status = element("div", status);
    this.root = element(
      "div",
      { class: "absslab-upload" },
      element("label", { class: "absslab-choose" }, "choose a sound file", this.input),
      element("span", { class: "absslab-hint" }, model.get("hint")),
      this.bar,
      this.stop,
      this.status
    );
    this.#listen();
    this.#show("", null);
  }
  #listen() {
    this.input.onchange = () => {
      this.#begin(this.input.files?.[0]);
      this.input.value = "";
    };
    this.stop.onclick = () => {
      this.#cancel();
      this.#show("cancelled", null);
    };
    for (const name of ["dragover", "drop"]) {
      this.root.addEventListener(name, (event) => event.preventDefault());
    }
    this.root.addEventListener("drop", (event) => this.#begin(event.dataTransfer?.files[0]));
  }
  /** @param {File} [file] */
  #begin(file) {
    if (!file) return;
    this.#count += 1;
    this.#sending = new Sending(file, this.#count, (content, buffers) => {
      this.model.send(content, void 0, buffers);
    });
    this.#show(`sending ${file.name} …`, 0);
  }
  #cancel() {
    this.model.send({ type: "cancel" });
    this.#sending = null;
  }
  /**
   * Handle a message of the kernel.
   *
   * @param {any} content
   */
  async receive(content) {
    const sending = this.#sending;
    if (content.number !== void 0 && content.number !== sending?.number) return;
    if (content.type === "next" && sending) {
      try {
        this.bar.value = await sending.next(content.offset);
      } catch (error) {
        this.#cancel();
        const reason = (
          /** @type {Error} */
          error.message
        );
        this.#show(`the file can't be read (${reason})`, null, true);
      }
    } else if (content.type === "busy") this.#show(content.text, content.share);
    else if (content.type === "done") this.#show(content.text, null);
    else if (content.type === "refused") this.#show(content.text, null, true);
  }
  /**
   * @param {string} text
   * @param {number | null} [share] of the work that is done; null hides the bar
   */
  #show(text, share, isError = false) {
    this.bar.hidden = share === null;
    this.stop.hidden = share === null;
    if (share !== null && share !== void 0) this.bar.value = share;
    this.status.textContent = text;
    this.status.classList.toggle("wrong", isError);
  }
};
var upload_default = {
  /** @param {{model: Model, el: HTMLElement}} widget */
  render({ model, el }) {
    const view = new View(model);
    const receive = (content) => view.receive(content);
    model.on("msg:custom", receive);
    el.append(view.root);
    return () => model.off("msg:custom", receive);
  }
};
export {
  PIECE,
  Sending,
  upload_default as default,
  pieceOf
};
