// Why trials have no result, or no place on the front: reasons with their counts.

import { byId, el, refresh } from "./dom.js";
import { count } from "./format.js";
import { kindText } from "./model.js";

const SHOWN = 8;

export class Ends {
  constructor(study, show) { Object.assign(this, { study, show }); }

  update() {
    const groups = new Map();
    for (const row of this.study.rows) {
      const text = row.broken ? `breaks ${Object.keys(row.broken).join("; ")}` : row.reason;
      if (!text || row.repeat_of !== null || row.state === "running") continue;
      const key = `${row.kind} ${text}`, group = groups.get(key) ?? { kind: row.kind, text, trials: 0 };
      group.trials += 1;
      groups.set(key, group);
    }
    const ordered = [...groups.values()].sort((a, b) => b.trials - a.trials);
    byId("ends-section").hidden = !ordered.length;
    refresh(byId("ends"), ordered.slice(0, 50), () => {
      const rows = ordered.slice(0, SHOWN).map((group) => this.#row(group));
      const more = ordered.slice(SHOWN, 50).map((group) => this.#row(group));
      return [el("table", {}, el("tbody", {}, rows)), more.length ? el("details", {}, el("summary", { text: `${count(ordered.length - SHOWN, "further reason")}` }), el("table", {}, el("tbody", {}, more))) : null];
    });
  }

  #row({ kind, text, trials }) {
    return el("tr", {}, el("td", { classes: "number" }, el("button", { type: "button", classes: "link", text: count(trials, "trial"), "data-focus": `${kind} ${text}`, onclick: () => this.show(kind) })),
      el("td", {}, el("i", { classes: `dot ${kind}` }), kindText(kind)), el("td", { classes: "words", text }));
  }
}
