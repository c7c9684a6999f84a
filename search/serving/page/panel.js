// One trial: its plan, numbers, learning curve, what each technique contributed, files and export.

import { get, studyPath } from "./api.js";
import { curve } from "./curve.js";
import { byId, el, note } from "./dom.js";
import { ExportBox } from "./export_job.js";
import { count, duration, formatValue } from "./format.js";
import { kindText, noteOf } from "./model.js";

export class Panel {
  constructor(study, view, id, changed) {
    Object.assign(this, { study, view, id, changed, element: byId("panel"), origin: null });
    addEventListener("keydown", (event) => { if (event.key === "Escape" && !this.element.hidden && !byId("dialog").open) this.close(); });
  }

  async open(number, origin = document.activeElement) {
    if (this.element.hidden) this.origin = origin;
    this.view.selected = number;
    this.element.hidden = false;
    this.changed();
    this.#fill(number, el("p", { text: "Reading the trial ..." }));
    this.element.querySelector("button").focus();
    await this.#load(number);
  }

  close() {
    this.element.hidden = true;
    this.export?.close();
    this.export = null;
    this.view.selected = null;
    this.changed();
    const origin = this.origin?.isConnected ? this.origin : byId("grid");
    origin?.focus();
  }

  // A trial that is shown has new facts, such as the numbers of the final session.
  async renew(numbers) {
    if (!this.element.hidden && numbers.includes(this.view.selected) && !this.export?.button.disabled) await this.#load(this.view.selected);
  }

  async #load(number) {
    try {
      const trial = await get(`${studyPath(this.id)}/trials/${number}`);
      if (this.view.selected === number) this.#fill(number, this.#content(trial));
    } catch (error) {
      if (this.view.selected === number) this.#fill(number, el("p", { classes: "banner error", role: "alert", text: error.message }));
    }
  }

  #fill(number, content) {
    const row = this.study.byNumber.get(number), focused = this.element.contains(document.activeElement);
    const close = el("button", { type: "button", text: "Close", "aria-label": "close the panel", onclick: () => this.close() });
    const head = el("div", { classes: "panel-head" }, el("div", {}, el("h2", { id: "panel-title", text: number ? `Trial ${number}` : "The baseline" }),
      row && el("p", { classes: "summary" }, el("i", { classes: `dot ${row.kind}` }), [kindText(row.kind), noteOf(row), row.seconds !== null && `took ${duration(row.seconds)}`].filter(Boolean).join("; "))), close);
    const { scrollTop } = this.element;
    this.element.replaceChildren(head, ...[content].flat().filter(Boolean));
    this.element.scrollTop = scrollTop;
    if (focused) close.focus();
  }

  #content(trial) {
    this.export?.close();
    this.export = trial.state === "complete" ? new ExportBox(this.id, trial.repeat_of ?? trial.number, this.study.state.targets) : null;
    return [
      el("p", { classes: "sentence", text: trial.plan_text }),
      this.#numbers(trial), this.#contributions(trial), this.#curves(trial),
      this.#details("Plan", trial.plan_lines), this.#details("Everything that is stored", trial.lines), this.#files(trial),
      this.export ? el("h3", { text: "Export" }) : null, this.export?.element,
    ].flat();
  }

  // The objectives first; all other numbers on request.
  #numbers(trial) {
    if (!trial.numbers?.length) return null;
    const names = this.study.axes.map((axis) => axis.name);
    const place = ({ name }) => names.indexOf(name);
    const main = trial.numbers.filter((entry) => place(entry) >= 0).sort((a, b) => place(a) - place(b));
    const further = trial.numbers.filter((entry) => place(entry) < 0);
    return [el("h3", { text: "Numbers" }), numberTable(main), note("Small print: 95 % intervals."),
      further.length ? el("details", {}, el("summary", { text: count(further.length, "further number") }), numberTable(further)) : null];
  }

  #contributions(trial) {
    const entries = trial.attribution ?? [];
    if (!entries.length) return null;
    return [el("h3", { text: "What each technique contributed" }), ...entries.map((entry) => this.#contribution(entry)),
      note("Each technique is judged beside the trial's other techniques, so contributions need not add up to the difference from the baseline.")];
  }

  #contribution(entry) {
    const effects = entry.effects.map((effect) => {
      const tone = effect.beyond_noise ? (effect.better ? "better" : "worse") : null;
      return el("p", {}, `${effect.objective}: `, el("b", { classes: tone, text: effect.text }), effect.interval ? el("small", { text: ` (${effect.interval})` }) : null, effect.noise ? el("small", { text: `, ${effect.noise}` }) : null);
    });
    const source = entry.without !== null && entry.without !== undefined
      ? el("small", {}, " against ", el("button", { type: "button", classes: "link", text: entry.without ? `trial ${entry.without}` : "the baseline", onclick: () => this.open(entry.without) }), ", the same plan without it")
      : el("small", { text: ` ${entry.from.replace(/^\w+: /, "")}` });
    return el("div", { classes: "part" }, el("p", {}, el("b", { text: entry.text }), " ", el("span", { classes: `source ${entry.source}`, text: entry.source }), source), effects);
  }

  #curves(trial) {
    const drawn = (trial.curves ?? []).map((entry) => [el("p", { text: entry.stage ?? "" }), curve(entry, `learning curve of ${entry.stage ?? "the trial"}`)]).filter(([, svg]) => svg);
    return drawn.length ? [el("h3", { text: "Learning curve" }), ...drawn.flat()] : null;
  }

  #details(title, lines) {
    return lines?.length ? el("details", {}, el("summary", { text: title }), el("pre", { text: lines.join("\n"), tabindex: 0 })) : null;
  }

  #files(trial) {
    if (!trial.files?.length) return null;
    return [el("h3", { text: "Files" }), el("dl", {}, trial.files.flatMap((file) => [el("dt", { text: file.name ?? file.target ?? "artifact" }), el("dd", { text: [file.path, file.bytes && formatValue(file.bytes, "bytes")].filter(Boolean).join(", ") })]))];
  }
}

function numberTable(entries) {
  const rows = entries.map((entry) => el("tr", {},
    el("td", { text: entry.part === "validation" ? entry.name : `${entry.name} (${entry.part})` }),
    el("td", { classes: "number" }, entry.text, entry.interval ? el("small", { text: ` ${entry.interval}` }) : null),
    el("td", {}, entry.difference ?? "", entry.noise ? el("small", { text: ` ${entry.noise}` }) : null)));
  const head = el("thead", {}, el("tr", {}, ["", "value", "vs baseline"].map((text) => el("th", { scope: "col", text }))));
  return el("div", { classes: "scroll" }, el("table", {}, head, el("tbody", {}, rows)));
}
