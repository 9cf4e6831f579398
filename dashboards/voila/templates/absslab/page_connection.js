// Keep the page and its process in touch over a network that fails, and say in words when it can't be done.

const PlainSocket = window.WebSocket;
const GONE = [4404, 1008]; // codes with which the server closes a web socket that can't go on
const RETRY_DELAYS = [0, 500, 1000, 2000, 4000]; // ms; the last one from then on
const SILENCE = 40_000; // ms; the page says something every ten seconds, which the server confirms
const CHECK_INTERVAL = 5000; // ms
const ACKNOWLEDGE_DELAY = 50; // ms
const WORDS_DELAY = 2000; // ms without a connection, after which it is said
const N_REFUSALS = 4; // attempts in vain, after which a first web socket counts as refused

const NO_WEB_SOCKETS = "The server answers, but the web socket of this page is refused. A proxy in front of the server has to "
  + "pass web sockets on (nginx: proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade, "
  + "proxy_set_header Connection upgrade; Apache: ProxyPass … upgrade=websocket). Trying again …";

// Show a line at the top of the page; without a text it goes away.
function sayAboutConnection(text, canReload = false) {
  document.getElementById("connection")?.remove();
  if (!text) return;
  const line = document.createElement("div");
  line.id = "connection";
  line.setAttribute("role", "alert");
  line.append(text);
  if (canReload) {
    const button = document.createElement("button");
    button.textContent = "reload the page";
    button.onclick = () => location.reload();
    line.append(" ", button);
  }
  (document.body ?? document.documentElement).prepend(line); // a page that was cut may have no body
}

// A web socket to the process that stays open while those of the network come and go. Both sides count
// messages; a text says how many its sender has received, and what was not received is sent again.
class ResumingSocket {
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  binaryType = "arraybuffer";
  protocol = "";
  readyState = PlainSocket.CONNECTING;
  #protocols;
  #socket = null;
  #nAttempts = 0;
  #nReceived = 0;
  #nConfirmed = 0; // of our messages
  #unconfirmed = [];
  #isAttached = false;
  #lastSign = Date.now(); // ms; of life from the server
  #lastBuffered = 0; // bytes
  #acknowledging = 0; // a timer
  #speaking = 0; // a timer
  #watch; // a timer

  constructor(url, protocols) {
    this.url = url;
    this.#protocols = protocols;
    this.#watch = setInterval(() => this.#checkSilence(), CHECK_INTERVAL);
    addEventListener("online", () => this.#retryNow());
    this.#connect();
  }

  send(data) {
    this.#unconfirmed.push(data);
    if (this.#isAttached) this.#socket.send(data);
  }

  close() {
    this.#end(1000);
  }

  #connect() {
    const url = new URL(this.url);
    url.searchParams.set("received", this.#nReceived);
    if (this.readyState === PlainSocket.OPEN) url.searchParams.set("resumes", "1");
    const socket = new PlainSocket(url, this.#protocols);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#lastSign = Date.now();
    socket.onmessage = (event) => {
      if (socket !== this.#socket) return;
      this.#lastSign = Date.now();
      if (typeof event.data === "string") this.#receiveNumber(Number(event.data));
      else this.#receive(event);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#lose(event.code);
    };
  }

  #receiveNumber(number) {
    this.#unconfirmed.splice(0, number - this.#nConfirmed);
    this.#nConfirmed = number;
    if (this.#isAttached) return;
    this.#isAttached = true;
    this.#nAttempts = 0;
    clearTimeout(this.#speaking);
    this.#speaking = 0;
    sayAboutConnection("");
    for (const data of this.#unconfirmed) this.#socket.send(data);
    if (this.readyState === PlainSocket.OPEN) return;
    this.readyState = PlainSocket.OPEN;
    this.protocol = this.#socket.protocol;
    this.onopen?.(new Event("open"));
  }

  #receive(event) {
    this.#nReceived += 1;
    this.#acknowledging ||= setTimeout(() => {
      this.#acknowledging = 0;
      if (this.#isAttached) this.#socket.send(String(this.#nReceived));
    }, ACKNOWLEDGE_DELAY);
    this.onmessage?.(event);
  }

  #lose(code) {
    this.#isAttached = false;
    this.#socket = null;
    if (this.readyState === PlainSocket.CLOSED) return;
    if (GONE.includes(code)) {
      this.#stop();
      sayAboutConnection("The server has ended the process of this page, or could not go on with it.", true);
      return;
    }
    this.#speaking ||= setTimeout(() => {
      sayAboutConnection("The connection to the server is lost: trying again …");
    }, WORDS_DELAY);
    const delay = RETRY_DELAYS[Math.min(this.#nAttempts, RETRY_DELAYS.length - 1)];
    this.#nAttempts += 1;
    setTimeout(() => this.#retryNow(), delay);
    if (this.readyState === PlainSocket.CONNECTING && this.#nAttempts >= N_REFUSALS) this.#explainRefusal();
  }

  // A proxy may pass on requests, but no web sockets.
  async #explainRefusal() {
    if ((await askServer())?.ok && this.readyState === PlainSocket.CONNECTING) sayAboutConnection(NO_WEB_SOCKETS);
  }

  #retryNow() {
    if (this.#socket === null && this.readyState !== PlainSocket.CLOSED) this.#connect();
  }

  // A network may fail without a word.
  #checkSilence() {
    const buffered = this.#socket?.bufferedAmount ?? 0;
    if (buffered !== this.#lastBuffered) this.#lastSign = Date.now(); // a slow network takes its time
    this.#lastBuffered = buffered;
    if (this.#socket === null || Date.now() - this.#lastSign < SILENCE) return;
    const socket = this.#socket;
    this.#lose(1006);
    socket.close();
  }

  #stop() {
    this.readyState = PlainSocket.CLOSED;
    this.#isAttached = false;
    clearInterval(this.#watch);
    clearTimeout(this.#speaking);
  }

  #end(code) {
    if (this.readyState === PlainSocket.CLOSED) return;
    this.#stop();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(code);
    this.onclose?.(new CloseEvent("close", { code }));
  }
}

// Every other web socket stays as it is.
window.WebSocket = new Proxy(PlainSocket, {
  construct(Target, [url, protocols]) {
    const isToKernel = /\/api\/kernels\/[^/]+\/channels/.test(String(url));
    return isToKernel ? new ResumingSocket(String(url), protocols) : new Target(url, protocols);
  },
});
