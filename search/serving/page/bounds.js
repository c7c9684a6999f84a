// Sliders and number fields for bounds on the objectives; they name the best trial inside.

import { bestInside, constraintTexts, isBounded, mainSide, outward, RULES } from "./choice.js";
import { byId, el, note, refresh } from "./dom.js";
import { count, formatValue, list, quote } from "./format.js";
import { scaleOf, valueOf } from "./scales.js";

const STEPS = 500;

export class Bounds {
  // `view.bounds` and `view.rule` hold the choice; `changed` is called after each change.
  constructor(study, view, changed, actions) {
    Object.assign(this, { study, view, changed, actions, fields: new Map(), both: false });
    for (const axis of study.axes) view.bounds[axis.name] ??= { most: null, least: null };
    this.box = el("div", {});
    this.words = el("div", { classes: "found", role: "status", "aria-live": "polite" });
    this.legend = el("div", {});
    byId("bounds").replaceChildren(this.box, this.words);
  }

  update() {
    const rows = this.study.feasible.length ? this.study.feasible : this.study.complete;
    byId("bounds").hidden = !rows.length;
    this.scales = this.study.axes.map((axis) => scaleOf(axis, rows));
    const units = this.scales.map((scale) => [scale.axis.name, scale.unit, this.both]);
    refresh(this.box, units, () => this.#build());
    for (const [key, field] of this.fields) this.#show(key, field);
    this.#tell();
  }

  #build() {
    this.fields.clear();
    const rows = this.scales.flatMap((scale, index) => {
      const main = mainSide(scale.axis);
      const sides = this.both ? [main, main === "most" ? "least" : "most"] : [main];
      return sides.map((side) => this.#field(index, side));
    });
    const both = el("input", { type: "checkbox", checked: this.both, "data-focus": "both", onchange: (event) => {
      this.both = event.target.checked;
      if (!this.both) for (const axis of this.study.axes) this.view.bounds[axis.name][mainSide(axis) === "most" ? "least" : "most"] = null;
      this.changed();
    } });
    return el("fieldset", { classes: "bounds" },
      el("legend", { text: "Show only what keeps these bounds" }), rows,
      el("label", {}, both, " bound the good side, too"));
  }

  #field(index, side) {
    const axis = this.scales[index].axis, words = side === "most" ? "at most" : "at least", name = `${axis.name} ${words}`;
    const key = `${axis.name} ${side}`, id = `bound-${index}-${side}`;
    const slider = el("input", { type: "range", id, min: 0, max: STEPS, step: 1, "data-focus": key, oninput: () => this.#slide(index, side, Number(slider.value)) });
    const field = el("input", { type: "number", step: "any", "aria-label": `${name}, as a number`, "data-focus": `${key} number`, oninput: () => this.#type(index, side, field) });
    this.fields.set(key, { index, side, slider, field });
    return el("div", { classes: "bound" }, el("label", { for: id, text: name }), slider, field, el("span", { text: this.scales[index].unit }));
  }

  #show(key, { index, side, slider, field }) {
    const scale = this.scales[index], value = this.view.bounds[scale.axis.name][side];
    slider.value = value === null ? (side === "most" ? STEPS : 0) : STEPS * position(scale, value);
    slider.setAttribute("aria-valuetext", value === null ? "no bound" : formatValue(value, scale.axis.unit));
    slider.disabled = scale.low === scale.high;
    if (document.activeElement !== field) field.value = value === null ? "" : Number((value * scale.factor).toPrecision(6));
    field.placeholder = "none";
  }

  #slide(index, side, step) {
    const scale = this.scales[index], loose = step === (side === "most" ? STEPS : 0);
    this.#set(scale.axis.name, side, loose ? null : valueOf(outward(valueAt(scale, step / STEPS) * scale.factor, side === "most"), scale));
  }

  #type(index, side, field) {
    const scale = this.scales[index], number = field.valueAsNumber;
    this.#set(scale.axis.name, side, Number.isFinite(number) ? valueOf(number, scale) : null);
  }

  #set(name, side, value) {
    this.view.bounds[name][side] = value;
    this.changed();
  }

  // The bounds as they stand in a study file.
  get texts() { return constraintTexts(this.view.bounds, this.scales); }

  #tell() {
    const { study, view } = this, axes = study.axes;
    const { best, inside } = bestInside(study, view.bounds, view.rule);
    this.view.best = isBounded(view.bounds) ? best : null;
    const rules = [[RULES.first, `best ${axes[0].name}`], [RULES.knee, "knee of the rest"], ...axes.slice(1).map((axis) => [axis.name, `best ${axis.name}`])];
    const facts = [best?.number, best?.values, inside, view.rule, this.texts, study.feasible.length, study.state.constraints];
    refresh(this.words, facts, () => {
      const select = el("select", { "aria-label": "rule for the best trial", "data-focus": "rule", onchange: (event) => { view.rule = event.target.value; this.changed(); } },
        rules.map(([value, text]) => el("option", { value, text, selected: value === view.rule })));
      if (!isBounded(view.bounds)) return ["No bound is set. The ", select, " has ", this.#link(best), "."];
      const figures = best && list(axes.map((axis) => `${axis.name} ${formatValue(best.values[axis.name], axis.unit)}`));
      const constrain = el("button", { type: "button", text: "Make these the constraints ...", "data-focus": "constrain", onclick: () => this.actions.constrain(this.texts) });
      const clear = el("button", { type: "button", text: "Clear", "data-focus": "clear", onclick: () => this.clear() });
      const kept = `${inside} of ${count(study.feasible.length, "feasible trial")} ${inside === 1 ? "keeps" : "keep"} the bounds.`;
      if (!best) return [`No feasible trial keeps ${list(this.texts)}. `, clear, " ", constrain];
      return [`${kept} The `, select, " inside has ", this.#link(best), `: ${figures}. `, el("br"), clear, " ", constrain, this.#rule()];
    });
  }

  // Says what the rule means, and how the command line picks the same trial.
  #rule() {
    const { rule } = this.view, { axes } = this.study;
    if (rule === RULES.knee) return note("Knee: of the front inside the bounds, the trial with the smallest sum of the objectives, each scaled to 0 to 1.");
    if (rule !== RULES.first && rule !== axes[0].name) return note(`Of the front inside the bounds, the trial with the best ${rule}.`);
    const words = `--pick ${quote(this.texts.join(" and "))}`;
    return el("p", { classes: "note" }, `Of the front inside the bounds, the trial with the best ${axes[0].name}. On the command line: `, el("code", { text: words }));
  }

  clear() {
    for (const bound of Object.values(this.view.bounds)) bound.most = bound.least = null;
    this.changed();
  }

  #link(row) {
    if (!row) return el("span", { text: "no trial yet." });
    return el("button", { type: "button", classes: "link", "data-focus": "best", text: row.number ? `trial ${row.number}` : "the baseline", onclick: () => this.actions.open(row.number) });
  }
}

function position(scale, value) {
  if (scale.high === scale.low) return 1;
  const [low, high, at] = scale.log ? [scale.low, scale.high, Math.max(value, scale.low)].map(Math.log) : [scale.low, scale.high, value];
  return Math.min(1, Math.max(0, (at - low) / (high - low)));
}

function valueAt(scale, share) {
  if (!scale.log) return scale.low + share * (scale.high - scale.low);
  return Math.exp(Math.log(scale.low) + share * (Math.log(scale.high) - Math.log(scale.low)));
}
