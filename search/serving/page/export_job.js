// Exports a trial: its progress, its checks, then the folder as a zip.

import { get, post, studyPath } from "./api.js";
import { announce, el, note } from "./dom.js";

const PAUSE = 700;

export class ExportBox {
  constructor(id, pick, targets = []) {
    Object.assign(this, { id, pick, closed: false });
    this.target = targets.length > 1 ? el("select", { "aria-label": "target" }, targets.map((name) => el("option", { value: name, text: name }))) : null;
    this.button = el("button", { type: "button", classes: "main", text: "Export this", onclick: () => this.#start() });
    this.result = el("div", {});
    this.element = el("div", {}, el("p", {}, this.target, this.target && " ", this.button), this.result);
  }

  close() { this.closed = true; }

  async #start() {
    this.button.disabled = true;
    this.result.replaceChildren(el("p", { text: "The export is about to start ..." }));
    try {
      const { job } = await post(`${studyPath(this.id)}/exports`, { pick: String(this.pick), ...(this.target ? { target: this.target.value } : {}) });
      await this.#follow(job);
    } catch (error) { this.#fail(error.message); }
    this.button.disabled = false;
  }

  async #follow(job) {
    for (;;) {
      const state = await get(`/api/exports/${encodeURIComponent(job)}`);
      if (this.closed) return;
      this.#show(state, job);
      if (["done", "failed", "ended"].includes(state.state) || state.error) return;
      await new Promise((done) => { setTimeout(done, PAUSE); });
    }
  }

  #show(state, job) {
    const lines = el("ul", { classes: "lines" }, (state.lines ?? []).map((text) => el("li", { text })));
    const checks = (state.checks ?? []).map((check) => {
      const passed = check.passed ?? check.ok;
      return el("li", { classes: passed === null || passed === undefined ? "later" : passed ? "yes" : "no", text: [check.name, check.text ?? check.detail].filter(Boolean).join(": ") });
    });
    const parts = [lines, checks.length ? el("ul", { classes: "lines" }, checks) : null];
    if (state.error) { this.#fail(state.error, parts); return; }
    if (state.state === "done") {
      announce("The export is done.");
      const zip = `/api/exports/${encodeURIComponent(job)}/zip`;
      parts.push(el("p", {}, el("a", { href: zip, download: "", classes: "zip", text: "Download the folder (zip)" })),
        state.folder ? note(`Folder on the server: ${state.folder}`) : null,
        el("p", { classes: "note" }, "Check it where it is used: ", el("code", { text: state.verify ?? "paretune verify FOLDER" })));
    } else parts.push(el("p", { role: "status", text: state.state === "waiting" ? "Waiting for another export ..." : "Exporting ..." }));
    this.result.replaceChildren(...parts.filter(Boolean));
  }

  #fail(text, parts = []) { this.result.replaceChildren(...parts.filter(Boolean), el("p", { classes: "banner error", role: "alert", text })); }
}
