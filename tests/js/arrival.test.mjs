import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = new vm.Script(
  readFileSync(new URL("../../dashboards/voila/templates/absslab/page_arrival.js", import.meta.url), "utf8"),
);

// A tab: each load of its page runs the script anew, and the session's storage stays.
class Tab {
  lines = []; // what it said
  pauses = []; // ms, before a load
  nLoads = 0;
  told = []; // what it told the server about its process, and its loads
  #items = new Map();
  #listeners;

  constructor({ answers = () => ({ ok: true }), tellServer = async () => ({ ok: true }) } = {}) {
    this.answers = answers;
    this.tellServer = tellServer;
    this.load();
  }

  load() {
    this.nLoads += 1;
    this.told.push("load");
    this.pauses.push(0);
    this.#listeners = {};
    const listen = (name, listener) => { this.#listeners[name] = listener; };
    const sleep = (go, milliseconds) => {
      this.pauses[this.pauses.length - 1] += milliseconds;
      setImmediate(go);
    };
    SCRIPT.runInNewContext({
      AbortSignal,
      Date,
      HTMLLinkElement: class {},
      HTMLScriptElement: class {},
      PerformanceObserver: class { observe() {} },
      addEventListener: listen,
      clearInterval() {},
      document: { addEventListener: listen, body: { dataset: {} }, querySelector: () => null },
      fetch: async () => this.answers(),
      location: { reload: () => this.load() },
      sayAboutConnection: (text, canReload = false) => this.lines.push([text, canReload]),
      sessionStorage: {
        getItem: (name) => this.#items.get(name) ?? null,
        setItem: (name, value) => this.#items.set(name, String(value)),
        removeItem: (name) => this.#items.delete(name),
      },
      setInterval: () => 0,
      setTimeout: sleep,
      tellServer: this.tellServer && ((action) => {
        this.told.push(action);
        return this.tellServer();
      }),
    });
  }

  // The document ends before it is whole.
  async cut() {
    await this.#tell("DOMContentLoaded");
  }

  async fail(error) {
    await this.#tell("error", { error });
  }

  async reject(reason) {
    await this.#tell("unhandledrejection", { reason });
  }

  async #tell(name, event) {
    this.#listeners[name](event);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  arrive() {
    this.#listeners["absslab-ready"]();
  }
}

test("a page that is cut is loaded three times more, with growing pauses, and then says so", async () => {
  const tab = new Tab();
  for (let number = 0; number < 3; number++) await tab.cut();
  assert.equal(tab.nLoads, 4);
  const pauses = tab.pauses.slice(0, 3);
  assert.deepEqual(pauses, [...pauses].sort((a, b) => a - b));
  assert.equal(new Set(pauses).size, 3);
  assert.ok(pauses[2] <= 10_000);
  assert.ok(tab.lines.every(([text, canReload]) => /trying again/.test(text) && !canReload));
  await tab.cut();
  assert.equal(tab.nLoads, 4);
  assert.match(tab.lines.at(-1)[0], /did not arrive whole/);
  assert.ok(tab.lines.at(-1)[1]);
});

test("a page that arrived has all its loads again", async () => {
  const tab = new Tab();
  await tab.cut();
  await tab.cut();
  tab.arrive();
  tab.load();
  for (let number = 0; number < 3; number++) await tab.cut();
  assert.equal(tab.nLoads, 7);
});

test("a page waits until its server is there again", async () => {
  let nAsked = 0;
  const tab = new Tab({ answers: () => {
    nAsked += 1;
    if (nAsked < 4) throw new Error("no network");
    return { ok: true };
  } });
  await tab.cut();
  assert.equal(nAsked, 4);
  assert.equal(tab.nLoads, 2);
});

test("a page ends its process before it is loaded again", async () => {
  const tab = new Tab();
  await tab.cut();
  assert.deepEqual(tab.told, ["load", "shutdown", "load"]);
});

test("a page that can't tell the server of its process is loaded again", async () => {
  for (const tellServer of [undefined, async () => null]) {
    const tab = new Tab();
    tab.tellServer = tellServer;
    tab.load();
    await tab.cut();
    assert.equal(tab.nLoads, 3);
  }
});

test("a page is loaded again when a script lacks one that was cut", async () => {
  const missing = new ReferenceError("Cannot access 'f' before initialization");
  for (const tell of ["fail", "reject"]) {
    const tab = new Tab();
    await tab[tell](missing);
    assert.equal(tab.nLoads, 2);
  }
});

test("a page is not loaded again because of any other error", async () => {
  for (const tell of ["fail", "reject"]) {
    const tab = new Tab();
    await tab[tell](new TypeError("x is not a function"));
    assert.equal(tab.nLoads, 1);
  }
});
