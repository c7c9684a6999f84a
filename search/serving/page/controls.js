// Pause, go on, stop, more trials, other constraints: what the command line can.

import { post, studyPath } from "./api.js";
import { ask } from "./dialog.js";
import { byId, el, note, refresh } from "./dom.js";
import { quote } from "./format.js";
import { budgetText } from "./work.js";

const WORDS = { running: "running", holding: "paused", stopping: "stopping", idle: "not running" };

export class Controls {
  constructor(study, id, failed, news) { Object.assign(this, { study, id, failed, news, busy: false }); }

  update() {
    const { status, wanted, budget } = this.study.state;
    refresh(byId("controls"), [status, wanted, budget, this.busy], () => {
      const chip = el("span", { classes: `chip ${status}`, text: WORDS[status] ?? status });
      const button = (text, act, enabled = true) => el("button", { type: "button", text, "data-focus": text, disabled: this.busy || !enabled, onclick: act });
      const idle = status === "idle";
      return [chip, el("span", { text: budgetText(budget) }), el("span", { classes: "spring" }),
        wanted === "pause" ? button("Go on", () => this.#send("resume"), !idle)
          : button("Pause", () => this.#send("pause"), !idle),
        button("Stop", () => this.#stop(), !idle && wanted !== "stop"),
        button(idle ? "Run ..." : "More trials ...", () => this.#more())];
    });
  }

  async #send(action) {
    this.busy = true;
    this.update();
    try { await this.#post({ action }); } catch (error) { this.failed(error.message); }
    this.busy = false;
    this.update();
  }

  // Sends a request; says what the server does now, and the same on the command line.
  async #post(body) {
    const { text, command } = await post(`${studyPath(this.id)}/control`, body);
    this.news(`${text[0].toUpperCase()}${text.slice(1)}. On the command line: ${command}`);
  }

  #command(words) { return el("p", { classes: "note" }, "On the command line: ", el("code", { text: words })); }

  get file() { return quote(this.study.state.file ?? this.study.state.name); }

  #stop() {
    ask({ title: "Stop the study?", button: "Stop", content: [
      el("p", { text: "The workers end their stage, then the run ends. Nothing that is finished is lost. The study can go on later." }), this.#command(`paretune stop ${this.file}`)],
      act: () => this.#post({ action: "stop" }) });
  }

  #more() {
    const { budget, status } = this.study.state, idle = status === "idle";
    const already = budget?.trials ?? budget?.done ?? 0;
    const field = el("input", { type: "number", id: "more-trials", min: 1, max: 100000, step: 1, required: true, value: Math.max(already, (budget?.done ?? 0) + 25), autofocus: true });
    const command = el("code");
    const show = () => { command.textContent = `paretune run ${this.file} --trials ${field.value}`; };
    field.addEventListener("input", show);
    show();
    ask({ title: idle ? "Run the study" : "More trials", button: idle ? "Run" : "Set", content: [
      el("p", { text: `${budget?.done ?? 0} trials are done${budget?.trials ? ` of ${budget.trials}` : ""}.` }),
      el("p", {}, el("label", { for: "more-trials", text: "Trials in total: " }), field),
      note(idle ? "A run starts on the machine of this server, and goes on if the page is closed." : "The workers end their stage and leave. Then a run goes on with the new number."),
      el("p", { classes: "note" }, "On the command line: ", command)],
      act: () => this.#post({ action: "run", trials: field.valueAsNumber }) });
  }

  // Makes bounds the constraints of the study.
  constrain(texts) {
    const now = (this.study.state.constraints ?? []).map((entry) => entry.text);
    const kept = now.map((text) => ({ text, box: el("input", { type: "checkbox", checked: !texts.some((other) => quantity(other) === quantity(text)) }) }));
    const command = el("code");
    const chosen = () => [...kept.filter(({ box }) => box.checked).map(({ text }) => text), ...texts];
    const show = () => { command.textContent = `paretune run ${this.file} --set constraints=${quote(JSON.stringify(chosen()))}`; };
    kept.forEach(({ box }) => box.addEventListener("change", show));
    show();
    ask({ title: "Make these the constraints?", button: "Change the constraints", content: [
      el("p", { text: "New constraints:" }), el("ul", {}, texts.map((text) => el("li", { text }))),
      kept.length ? el("p", { text: "Constraints of now; those with a tick stay:" }) : null,
      el("ul", { classes: "lines" }, kept.map(({ text, box }) => el("li", {}, el("label", {}, box, ` ${text}`)))),
      note("A new version of the study is written. All trials keep their measurements; those that break a constraint leave the front. The next trials are chosen by the new constraints."),
      el("p", { classes: "note" }, "On the command line: ", command)],
      act: () => this.#post({ action: "run", constraints: chosen() }) });
  }
}

const quantity = (text) => text.split(/[<>]/)[0].trim();
