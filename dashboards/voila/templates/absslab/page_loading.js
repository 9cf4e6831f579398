// Follow the light or dark theme of the browser, and show the page once its notebook has run.

const dark = matchMedia("(prefers-color-scheme: dark)");
const followTheme = () => { document.body.dataset.jpThemeLight = String(!dark.matches); };
dark.addEventListener("change", followTheme);
followTheme();

document.addEventListener("absslab-ready", () => document.getElementById("loading")?.remove());

// Voila calls these while it runs the notebook.
window.voila_heartbeat = noteProgress;
window.voila_process = noteProgress;
window.voila_finish = () => {
  noteArrival();
  document.querySelector("#loading p").textContent = "Loading the page …"; // scripts are much larger than the notebook
  document.getElementById("rendered_cells").style.display = "";
  tellThatPageIsOpened();
};

// Send a message about this page's process to the server; gives null if no answer comes.
function tellServer(action, query = "") {
  const config = document.getElementById("jupyter-config-data");
  if (!config) return null; // the page was cut before it
  const { kernelId } = JSON.parse(config.textContent);
  const tokens = [...document.cookie.matchAll(/(?:^|; )_xsrf=([^;]+)/g)]; // the server reads the last one
  const headers = { "X-XSRFToken": decodeURIComponent(tokens.pop()?.[1] ?? "") };
  const address = `${document.body.dataset.baseUrl}api/${action}/${kernelId}${query}`;
  const signal = AbortSignal.timeout(LONGEST_ANSWER);
  return fetch(address, { method: "POST", keepalive: true, headers, signal }).catch(() => null);
}

// The process of a page that no browser opens is ended; why one can't be reached is said in words.
async function tellThatPageIsOpened() {
  let answer = null;
  for (let attempt = 0; answer === null && attempt < 5; attempt++) {
    if (attempt) await new Promise((resolve) => setTimeout(resolve, 1000));
    answer = await tellServer("opened", `?host=${encodeURIComponent(location.host)}`);
  }
  if (answer?.status === 404) loadAgain(); // the process has ended, or belongs to another page
  const problem = answer?.ok ? await answer.text() : "";
  if (!problem) return;
  const message = document.createElement("p");
  message.className = "absslab-unreachable";
  message.setAttribute("role", "alert");
  message.textContent = problem;
  document.getElementById("rendered_cells").replaceChildren(message);
}
