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
};
