// The table of the front, as `paretune front` prints it.

import { isBounded, isInside } from "./choice.js";
import { byId, el, note, refresh } from "./dom.js";

export class FrontTable {
  constructor(study, view, open) { Object.assign(this, { study, view, open }); }

  update() {
    const front = this.study.state.front ?? { rows: [], headings: [], notes: [] };
    const outside = front.rows.filter((row) => this.#isOutside(row.trial)).map((row) => row.trial);
    refresh(byId("front"), [front, outside, this.view.selected], () => {
      if (!front.rows.length) return note("No trial is complete yet.");
      const chances = front.rows.some((row) => row.chance);
      const headings = ["trial", ...front.headings, ...(chances ? ["P(front)"] : []), "model"];
      const rows = front.rows.map((row) => this.#row(row, front.headings, chances, outside));
      const table = el("table", { classes: "front cards" }, el("thead", {}, el("tr", {}, headings.map((text) => el("th", { scope: "col", text })))), el("tbody", {}, rows));
      const first = "First the baseline, then every trial that no other trial beats in all objectives. Small print: 95 % intervals.";
      const chance = chances ? " P(front): probability that no other trial is better in every objective, by these intervals." : "";
      return [el("div", { classes: "scroll" }, table), note(first + chance), ...front.notes.map(note)];
    });
  }

  #isOutside(number) {
    const row = this.study.byNumber.get(number);
    return Boolean(number && row && isBounded(this.view.bounds) && !isInside(row, this.view.bounds));
  }

  #row(row, headings, chances, outside) {
    const classes = ["pick", row.baseline && "base", row.marks.length && "marked", row.close && "close", outside.includes(row.trial) && "outside", row.trial === this.view.selected && "chosen"];
    const name = row.trial ? String(row.trial) : "base";
    const model = el("td", { classes: "words" }, row.plan, row.close && el("i", { text: " close to the front" }), row.marks.map((text) => [" ", el("span", { classes: "mark", text })]).flat());
    const open = el("button", { type: "button", classes: "link", text: name, "aria-label": row.trial ? `open trial ${row.trial}` : "open the baseline", "data-focus": `front ${name}`, onclick: (event) => { event.stopPropagation(); this.open(row.trial, event.currentTarget); } });
    const element = el("tr", { classes: classes.filter(Boolean).join(" "), onclick: () => this.open(row.trial, open) },
      el("td", { classes: "number" }, open),
      row.cells.map(([text, small], index) => el("td", { classes: "number", "data-label": headings[index] }, text, small && [" ", el("small", { text: small })])),
      chances && el("td", { classes: "number", "data-label": "P(front)", text: row.chance }), model);
    open.addEventListener("keydown", (event) => {
      const next = { ArrowDown: element.nextElementSibling, ArrowUp: element.previousElementSibling }[event.key];
      if (next) { event.preventDefault(); next.querySelector("button").focus(); }
    });
    return element;
  }
}
