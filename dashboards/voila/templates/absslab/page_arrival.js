// Notice that a page did not arrive whole, load it again once, and the second time say so in words.

const NO_PROGRESS = 45_000; // ms in which nothing more of the page came
const RELOADED = "absslab-reloaded"; // an item of the session's storage
let hasArrived = false; // whether the document is whole
let isReady = false; // whether the last widget is shown
let isReloading = false;
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
  if (!hasArrived) reloadOnce();
});
// A script or a style did not arrive.
addEventListener("error", (event) => {
  if (event.target instanceof HTMLScriptElement || event.target instanceof HTMLLinkElement) reloadOnce();
}, true);
addEventListener("unhandledrejection", (event) => {
  if (/ChunkLoadError|dynamically imported/.test(String(event.reason))) reloadOnce();
});
const arrivalWatch = setInterval(() => {
  if (isReady) clearInterval(arrivalWatch);
  else if (Date.now() - lastProgress > NO_PROGRESS) reloadOnce();
}, 5000);

async function reloadOnce() {
  if (isReady || isReloading || document.querySelector(".absslab-unreachable")) return;
  isReloading = true;
  clearInterval(arrivalWatch);
  if (sessionStorage.getItem(RELOADED)) {
    sessionStorage.removeItem(RELOADED);
    sayAboutConnection("This page did not arrive whole: the connection to the server is lost, or slow.", true);
    return;
  }
  sessionStorage.setItem(RELOADED, "once");
  sayAboutConnection("This page did not arrive whole: trying again …");
  while (!(await isServerThere())) await new Promise((resolve) => setTimeout(resolve, 1000));
  location.reload();
}

async function isServerThere() {
  const address = `${document.body.dataset.baseUrl ?? "/voila/"}static/labvariables.css`;
  const answer = await fetch(address, { cache: "no-store" }).catch(() => null);
  return Boolean(answer?.ok);
}
