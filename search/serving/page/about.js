// Facts about the study: its file, versions, rounds and notes.

import { byId, el, note, refresh } from "./dom.js";

export class About {
  constructor(study) { this.study = study; }

  update() {
    const { file, version, versions, rounds, notes, end_reason: ended, targets, source } = this.study.state;
    refresh(byId("about"), [file, version, versions, rounds, notes, ended, targets, source], () => {
      const facts = [["study file", file], ["version", version > 1 ? String(version) : null], ["targets", targets?.join(", ")], ["the last run ended", ended]].filter(([, text]) => text);
      return [
        facts.length ? el("dl", {}, facts.flatMap(([name, text]) => [el("dt", { text: name }), el("dd", { text })])) : null,
        ...sentences("Rounds", rounds, ({ text }) => text),
        ...sentences("Versions", versions, ({ text }) => text),
        ...(notes ?? []).map(note),
        source ? el("details", {}, el("summary", { text: "the study file" }), el("pre", { text: source, tabindex: 0 })) : null,
      ];
    });
  }
}

function sentences(title, entries, words) {
  if (!entries?.length) return [];
  return [el("h3", { text: title }), ...entries.flatMap((entry) => [
    el("p", { text: words(entry) }),
    entry.changes?.length ? el("ul", { classes: "note" }, entry.changes.map((text) => el("li", { text }))) : null])];
}
