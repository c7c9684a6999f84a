// A question before something is done. Escape and Cancel do nothing.

import { byId, el } from "./dom.js";

// Shows a dialog; `act` is awaited, and its error is shown in the dialog.
export function ask({ title, content, button, act }) {
  const dialog = byId("dialog"), error = el("div", { role: "alert" });
  const confirm = el("button", { type: "submit", classes: "main", text: button });
  const form = el("form", { method: "dialog" }, el("h2", { id: "dialog-title", text: title }), content, error,
    el("div", { classes: "bar" }, el("button", { type: "button", text: "Cancel", onclick: () => dialog.close() }), confirm));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    confirm.disabled = true;
    try { await act(); dialog.close(); } catch (failure) { error.replaceChildren(el("p", { classes: "banner error", text: failure.message })); }
    confirm.disabled = false;
  });
  dialog.replaceChildren(form);
  dialog.showModal();
}
