// The index: all studies of the server.

import { get } from "./api.js";
import { byId, el, refresh } from "./dom.js";
import { ago, count } from "./format.js";

const PAUSE = 5000;
const WORDS = { running: "running", holding: "paused", stopping: "stopping", idle: "not running" };

async function show() {
  try {
    const answer = await get("/api/studies");
    const studies = Array.isArray(answer) ? answer : answer.studies;
    byId("news").replaceChildren();
    byId("none").hidden = studies.length > 0;
    byId("summary").textContent = count(studies.length, "study").replace("studys", "studies");
    refresh(byId("studies"), studies.map((study) => [study, ago(study.updated)]), () => studies.map(row));
  } catch (error) {
    byId("news").replaceChildren(el("p", { classes: "banner error", text: `${error.message} Trying again.` }));
  }
  setTimeout(show, document.hidden ? 4 * PAUSE : PAUSE);
}

function row(study) {
  const budget = study.budget ?? {};
  return el("tr", {},
    el("td", { classes: "name words" }, el("a", { href: `/s/${encodeURIComponent(study.id)}`, text: study.name, "data-focus": study.id }), study.file ? [el("br"), el("small", { text: study.file })] : null),
    el("td", { "data-label": "state" }, study.error ? el("small", { text: study.error }) : el("span", { classes: `chip ${study.status}`, text: WORDS[study.status] ?? study.status ?? "" })),
    el("td", { classes: "number", "data-label": "trials", text: budget.trials ? `${budget.done} of ${budget.trials}` : String(budget.done ?? "") }),
    el("td", { classes: "number", "data-label": "on the front", text: String(study.members ?? "") }),
    el("td", { classes: "words best", "data-label": "best so far", text: study.answer ?? "" }),
    el("td", { "data-label": "last sign of life", text: ago(study.updated) }));
}

show();
