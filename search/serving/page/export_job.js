// Exports a trial: its progress, its checks, then the folder as a zip.

import { get, post, studyPath } from "./api.js";
import { announce, el } from "./dom.js";
import { count, formatValue } from "./format.js";

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
    const output = el("ul", { classes: "lines" }, (state.lines ?? []).map((text) => el("li", { text })));
    const checks = el("ul", { classes: "lines" }, (state.checks ?? []).map(checkLine));
    if (state.error) { this.#fail(state.error, [output, checks]); return; }
    if (state.state !== "done") {
      this.result.replaceChildren(output, el("p", { role: "status", text: state.state === "waiting" ? "Waiting for another export ..." : "Exporting ..." }));
      return;
    }
    const passed = state.checks.filter((check) => check.passed).length;
    announce(`The export is done; ${passed} of ${state.checks.length} checks passed.`);
    const zip = el("a", { href: `/api/exports/${encodeURIComponent(job)}/zip`, download: state.name ?? "", classes: "zip", text: "Download the folder (zip)" });
    const command = (words, text) => el("p", { classes: "note" }, words, el("code", { text }));
    this.result.replaceChildren(
      el("p", {}, zip, state.bytes ? `, ${formatValue(state.bytes, "bytes")}` : ""), command("Check it where it is used: ", state.verify), command("The same on the command line: ", state.command),
      el("details", {}, el("summary", { text: `${passed} of ${count(state.checks.length, "check")} passed` }), checks),
      el("details", {}, el("summary", { text: "output of the export" }), output));
  }

  #fail(text, parts = []) { this.result.replaceChildren(...parts.filter(Boolean), el("p", { classes: "banner error", role: "alert", text })); }
}

function checkLine({ name, file, passed, text }) {
  const shown = name === "sha256" ? `sha256 of ${file}: ${text.slice(0, 12)}...` : `${name}: ${text}`;
  return el("li", { classes: passed ? "yes" : "no", text: shown });
}
