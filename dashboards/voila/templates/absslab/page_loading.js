// Follow the light or dark theme of the browser, and show the page once its notebook has run.

const dark = matchMedia("(prefers-color-scheme: dark)");
const followTheme = () => { document.body.dataset.jpThemeLight = String(!dark.matches); };
dark.addEventListener("change", followTheme);
followTheme();

// Voila calls these while it runs the notebook.
window.voila_heartbeat = () => {};
window.voila_process = () => {};
window.voila_finish = () => {
  document.getElementById("loading")?.remove();
  document.getElementById("rendered_cells").style.display = "";
  tellThatPageIsOpened();
};

// Send a message about this page's process to the server; gives null if that failed.
function tellServer(action, query = "") {
  const { baseUrl, kernelId } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const tokens = [...document.cookie.matchAll(/(?:^|; )_xsrf=([^;]+)/g)]; // the server reads the last one
  const headers = { "X-XSRFToken": decodeURIComponent(tokens.pop()?.[1] ?? "") };
  const address = `${baseUrl}voila/api/${action}/${kernelId}${query}`;
  return fetch(address, { method: "POST", keepalive: true, headers }).catch(() => null);
}

// The process of a page that no browser opens is ended; why one can't be reached is said in words.
async function tellThatPageIsOpened() {
  const answer = await tellServer("opened", `?host=${encodeURIComponent(location.host)}`);
  const problem = answer?.ok ? await answer.text() : "";
  if (!problem) return;
  const message = document.createElement("p");
  message.setAttribute("role", "alert");
  message.textContent = problem;
  document.getElementById("rendered_cells").replaceChildren(message);
}
