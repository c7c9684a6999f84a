// The page of one study: reads its state, then shows each change.

import { About } from "./about.js";
import { Bounds } from "./bounds.js";
import { Connection } from "./connection.js";
import { Controls } from "./controls.js";
import { announce, byId, el, note, refresh, throttled } from "./dom.js";
import { Ends } from "./ends.js";
import { count, list } from "./format.js";
import { firstState, id } from "./first_state.js";
import { FrontTable } from "./front_table.js";
import { Growth } from "./growth.js";
import { kindText, Study } from "./model.js";
import { Panel } from "./panel.js";
import { Plots } from "./plots.js";
import { RULES } from "./choice.js";
import { TrialsTable } from "./trials_table.js";
import { Work } from "./work.js";

function showError(text) {
  byId("news").replaceChildren();
  byId("errors").replaceChildren(...(text ? [el("p", { classes: "banner error" }, text, el("button", { type: "button", text: "Dismiss", onclick: () => showError(null) }))] : []));
}

// Says what the server does after a click.
function showNews(text) {
  showError(null);
  byId("news").replaceChildren(el("p", { classes: "banner", text }));
  setTimeout(() => byId("news").replaceChildren(), 15000);
}

function showConnection(status, text) {
  refresh(byId("connection"), [status, text], () => (status === "open" ? null : el("p", { classes: "banner", role: "status" }, text, el("button", { type: "button", text: "Try now", onclick: () => connection.retry() }))));
}

let connection;

function start(state) {
  const study = new Study(state);
  const view = { bounds: {}, rule: RULES.first, selected: null, best: null };
  const parts = [];
  const update = () => { showHead(study); for (const part of parts) part.update(); };
  const later = throttled(update);
  const panel = new Panel(study, view, id, () => later());
  const open = (number, origin) => panel.open(number, origin);
  const controls = new Controls(study, id, showError, showNews);
  const bounds = new Bounds(study, view, () => { bounds.update(); later(); }, { open, constrain: (texts) => controls.constrain(texts) });
  const table = new TrialsTable(study, view, open);
  const work = new Work(study, open);
  parts.push(controls, bounds, work, new FrontTable(study, view, open), table, new Ends(study, (kind) => table.show(kind)), new About(study), new Plots(study, view, open), new Growth(study));
  update();
  setInterval(() => work.update(), 10000);
  requestAnimationFrame(() => requestAnimationFrame(() => loadPlotly(update)));
  window.paretune = { study, view, parts };  // for tests and the console
  connection = new Connection(id, state, {
    status: showConnection,
    notice: ({ error }) => showError(error),
    state: (change) => {
      if (hasOtherAxes(study, change)) { location.reload(); return; }
      const ended = study.apply(change);
      later();
      tell(study, ended);
      panel.renew(change.trials?.number ?? []);
    },
    replaced: (whole) => {
      if (hasOtherAxes(study, whole)) { location.reload(); return; }
      study.replace(whole);
      later();
    },
  });
}

// A study may get another objective; then every table and plot is another one.
const hasOtherAxes = (study, change) => change.axes !== undefined && JSON.stringify(change.axes) !== JSON.stringify(study.axes);

// The plots' library is large: the tables are shown before the browser reads it.
function loadPlotly(done) {
  const script = el("script", { src: "/static/plotly.min.js", onload: done });
  script.addEventListener("error", () => showError("The plots cannot be drawn: the browser could not load plotly.min.js."));
  document.head.append(script);
}

// Says which trials ended, and whether the front changed.
function tell(study, numbers) {
  const ended = numbers.map((number) => study.byNumber.get(number)).filter((row) => row.number && !["running", "paused"].includes(row.state));
  if (!ended.length) return;
  const texts = ended.slice(0, 3).map((row) => `trial ${row.number}: ${kindText(row.kind)}`);
  announce(ended.length > 3 ? `${count(ended.length, "trial")} ended` : list(texts));
}

function showHead(study) {
  const { name, axes, front, goals, constraints, counts } = study.state;
  document.title = `${name} - Paretune`;
  byId("name").textContent = name;
  const states = Object.entries(counts ?? {}).map(([state, number]) => `${number} ${state}`);
  const members = study.members.size;
  byId("summary").textContent = [...states, members ? `${members} on the front` : "", `objectives ${list(axes.map((axis) => axis.name))}`].filter(Boolean).join(", ");
  byId("answer").textContent = front?.answer ?? "No trial is complete yet.";
  refresh(byId("goals"), [goals, constraints], () => [
    ...(goals ?? []).map((goal) => el("p", { classes: `goal ${goal.reached?.length ? "reached" : "open"}`, text: `goal ${goal.text}: ${goal.reached?.length ? `reached by ${goal.reached.length === 1 ? "trial" : "trials"} ${list(goal.reached.slice(0, 8).map(String))}${goal.reached.length > 8 ? " and more" : ""}` : "not reached yet"}` })),
    ...(constraints ?? []).map((entry) => el("p", { classes: "goal rule", text: `constraint ${entry.text}` })),
  ]);
  refresh(byId("reasons"), front?.reasons ?? [], () => (front?.reasons ?? []).map(note));
}

firstState.then(start, (error) => {
  byId("answer").textContent = error.message;
  byId("summary").textContent = "";
  showError(error.message);
});
