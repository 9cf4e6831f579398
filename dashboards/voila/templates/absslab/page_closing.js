// Return the visitor's process when they leave, and keep the keyboard usable.

// A page that is left ends its process; a reload gets a new one.
const { baseUrl, kernelId } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
const token = document.cookie.match(/(?:^|; )_xsrf=([^;]+)/)?.[1] ?? "";
addEventListener("pagehide", () => {
  const headers = { "X-XSRFToken": decodeURIComponent(token) };
  fetch(`${baseUrl}voila/api/shutdown/${kernelId}`, { method: "POST", keepalive: true, headers }).catch(() => {});
});
// A chart handles every key; Tab must still move the focus on.
addEventListener("keydown", (event) => {
  if (event.key === "Tab" && event.target.closest?.(".absslab-plot")) event.stopImmediatePropagation();
}, true);
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
