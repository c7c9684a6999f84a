// The trials that are at work now: stage, epoch, learning curve and worker.

import { curve } from "./curve.js";
import { byId, el, note, refresh } from "./dom.js";
import { ago, count, duration, short } from "./format.js";

const SILENT = 30; // seconds without news, after which it is said

export class Work {
  constructor(study, open) { Object.assign(this, { study, open }); }

  update() {
    const workers = this.study.state.workers ?? [];
    const silent = workers.map((worker) => worker.updated && Date.now() / 1000 - worker.updated > SILENT ? ago(worker.updated) : "");
    byId("work-section").hidden = !workers.length && this.study.state.status === "idle" && !this.study.state.run;
    refresh(byId("work"), [workers, silent, this.study.state.run], () => [
      workers.length ? el("div", { classes: "works" }, workers.map((worker, index) => this.#card(worker, silent[index]))) : note("No worker is at work."),
      this.#run(this.study.state.run),
    ]);
  }

  #card(worker, silent) {
    const { trial, stage, epoch, epochs } = worker, row = this.study.byNumber.get(trial);
    const name = trial === null || trial === undefined ? "between two trials" : trial ? `trial ${trial}` : "the baseline";
    const stageText = stage ? `${stage}${epochs ? `, epoch ${epoch ?? 0} of ${epochs}` : ""}` : "";
    const figures = [["loss", worker.loss], ["score", worker.score]].filter(([, value]) => value !== null && value !== undefined).map(([word, value]) => `${word} ${short(value)}`);
    const bar = epochs ? el("div", { classes: "progress", role: "progressbar", "aria-label": `epochs of ${name}`, "aria-valuemin": 0, "aria-valuemax": epochs, "aria-valuenow": epoch ?? 0 }, el("i")) : null;
    if (bar) bar.firstChild.style.width = `${100 * Math.min(1, (epoch ?? 0) / epochs)}%`;
    return el("div", { classes: "work" },
      el("p", {}, el("b", { text: name }), row && el("span", { text: ` ${row.plan}` })),
      el("p", { text: [stageText, ...figures].filter(Boolean).join(", ") }), bar,
      worker.curve ? curve(worker.curve, `learning curve of ${name}`) : null,
      el("small", { text: [`worker ${worker.pid ? `process ${worker.pid}` : worker.id}${worker.host ? ` on ${worker.host}` : ""}`, silent && `no news since ${silent}`].filter(Boolean).join("; ") }));
  }

  #run(run) {
    if (!run) return null;
    const words = { waiting: "is about to start", running: "is running", ended: run.code ? `ended with exit code ${run.code}` : "has ended" }[run.state] ?? run.state;
    return el("details", { open: Boolean(run.code) }, el("summary", {}, "The run that this page started ", words), el("p", { classes: "note" }, el("code", { text: run.command })), el("pre", { text: (run.lines ?? []).join("\n"), tabindex: 0 }));
  }
}

export function budgetText({ trials, done, left, seconds_left: seconds } = {}) {
  if (done === undefined) return "";
  const parts = [trials ? `${done} of ${count(trials, "trial")}` : count(done, "trial")];
  if (left && seconds) parts.push(`about ${duration(seconds)} left`);
  return parts.join(", ");
}
