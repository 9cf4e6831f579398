// Notice that a page did not arrive whole, load it again a few times, and then say so in words.

const NO_PROGRESS = 45_000; // ms in which no more scripts of the page came
const NO_SIGN = 20_000; // ms without a sign from the notebook, of which the server sends one every two seconds
const PAUSES = [0, 2000, 6000]; // ms before each time that the page is loaded again
const LONGEST_ANSWER = 10_000; // ms
const RELOADED = "absslab-reloaded"; // an item of the session's storage: how often this page was loaded again
let hasArrived = false; // whether the document is whole
let isReady = false; // whether the last widget is shown
let isReloading = false;
let isProcessEnded = false; // whether the server confirmed that this page's process has ended
let lastProgress = Date.now();

function noteProgress() {
  lastProgress = Date.now();
}

function noteArrival() {
  noteProgress();
  hasArrived = true;
}

document.addEventListener("absslab-ready", () => {
  isReady = true;
  sessionStorage.removeItem(RELOADED);
});
new PerformanceObserver(noteProgress).observe({ type: "resource" });
// The document ends here, whether it is whole or was cut.
document.addEventListener("DOMContentLoaded", () => {
  if (!hasArrived) loadAgain();
});
// A script or a style did not arrive.
addEventListener("error", (event) => {
  const isFile = event.target instanceof HTMLScriptElement || event.target instanceof HTMLLinkElement;
  if (isFile || lacksScript(event.error)) loadAgain();
}, true);
addEventListener("unhandledrejection", (event) => {
  if (lacksScript(event.reason)) loadAgain();
});

// Scripts that need one which did not arrive whole may fail before that one does.
function lacksScript(error) {
  return /ChunkLoadError|dynamically imported|before initialization/.test(String(error));
}

const arrivalWatch = setInterval(() => {
  if (isReady) clearInterval(arrivalWatch);
  else if (Date.now() - lastProgress > (hasArrived ? NO_PROGRESS : NO_SIGN)) loadAgain();
}, 5000);

async function loadAgain() {
  if (isReady || isReloading || document.querySelector(".absslab-unreachable")) return;
  isReloading = true;
  clearInterval(arrivalWatch);
  const nTimes = Number(sessionStorage.getItem(RELOADED)) || 0;
  if (nTimes >= PAUSES.length) {
    sessionStorage.removeItem(RELOADED);
    sayAboutConnection("This page did not arrive whole: the connection to the server is lost, or slow.", true);
    return;
  }
  sessionStorage.setItem(RELOADED, nTimes + 1);
  sayAboutConnection("This page did not arrive whole: trying again …");
  await new Promise((resolve) => setTimeout(resolve, PAUSES[nTimes]));
  for (;;) {
    const answer = await askServer();
    if (answer?.ok) break;
    if (answer?.status === 404) {
      sayAboutConnection(otherPath(), true);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  await endProcess();
  location.reload();
}

// The page that comes next needs the place of this one, and what a page says while it is left may be lost.
async function endProcess() {
  if (typeof tellServer === "undefined") return; // the page was cut before that script
  const answer = await tellServer("shutdown");
  isProcessEnded = Boolean(answer?.ok);
}

// Voila ends the process as well, of a page that has come so far.
addEventListener("beforeunload", (event) => { if (isProcessEnded) event.stopImmediatePropagation(); });

// Ask for a small file of the server; gives null if no answer comes.
function askServer() {
  const signal = AbortSignal.timeout(LONGEST_ANSWER);
  return fetch(fileAddress(), { cache: "no-store", signal }).catch(() => null);
}

function fileAddress() {
  return `${document.body?.dataset.baseUrl ?? "/voila/"}static/labvariables.css`;
}

// A proxy may serve the page below another path than the server does.
function otherPath() {
  const path = location.pathname.replace(/[^/]*$/, "");
  return `This page was loaded from ${path}, but its files are asked for at ${fileAddress()} and are not found there. `
    + `Its host can start the dashboard with --base_url ${path}, and let the proxy pass on the whole path `
    + "(nginx: proxy_pass with no path behind the port).";
}
