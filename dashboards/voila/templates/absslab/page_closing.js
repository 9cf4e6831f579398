// Return the visitor's process when they leave, and keep the keyboard usable.

// A page that is left ends its process; a reload gets a new one.
addEventListener("pagehide", () => { if (!isProcessEnded) tellServer("shutdown"); });
// A chart handles every key; Tab must still move the focus on.
addEventListener("keydown", (event) => {
  if (event.key === "Tab" && event.target.closest?.(".absslab-plot")) event.stopImmediatePropagation();
}, true);
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
