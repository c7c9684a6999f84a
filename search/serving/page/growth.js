// The hypervolume of the front over the time.

import { byId, note } from "./dom.js";
import { baseLayout, colours, OPTIONS } from "./plots.js";

export class Growth {
  constructor(study) {
    Object.assign(this, { study, drawn: false, visible: false });
    this.element = byId("growth");
    this.element.className = "plot low";
    this.note = note("Hypervolume: the share of the space between a reference point and the ideal that the front covers. If it stays flat, longer search adds little.");
    this.element.after(this.note);
    new IntersectionObserver(([entry]) => { this.visible = entry.isIntersecting; this.update(); }, { rootMargin: "300px" }).observe(this.element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.key = null; this.update(); });
  }

  update() {
    const growth = this.study.state.growth ?? { trial: [], time: [], hypervolume: [], members: [] };
    const points = growth.trial.map((trial, i) => [trial, growth.time[i], growth.hypervolume[i], growth.members[i]]).filter((point) => point[2] !== null);
    byId("growth-section").hidden = !points.length;
    if (!points.length || !this.visible || typeof Plotly === "undefined") return;
    const clock = workingTime(this.study.rows), end = Math.max(0, ...clock.values()) / 60;
    const key = JSON.stringify([points.length, points.at(-1), Math.round(20 * end)]);
    if (key === this.key) return;
    this.key = key;
    const colour = colours(), minutes = points.map(([trial]) => (clock.get(trial) ?? 0) / 60), volumes = points.map((point) => point[2]);
    const traces = [
      { x: [...minutes, end], y: [...volumes, volumes.at(-1)], mode: "lines", type: "scatter", hoverinfo: "skip", line: { color: colour.front, width: 2, shape: "hv" }, fill: "tozeroy", fillcolor: "rgba(80, 130, 240, 0.1)" },
      { x: minutes, y: volumes, mode: "markers", type: "scatter", marker: { color: colour.front, size: 6 }, hovertemplate: "%{hovertext}<extra></extra>",
        hovertext: points.map(([trial, , volume, members]) => `trial ${trial}<br>hypervolume ${volume.toFixed(4)}<br>${members} on the front`) }];
    const line = { gridcolor: colour.line, zerolinecolor: colour.line, rangemode: "tozero" };
    const layout = { ...baseLayout(colour), uirevision: "keep", xaxis: { ...line, title: { text: "working time, minutes" } }, yaxis: { ...line, title: { text: "hypervolume, higher is better" } } };
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", `hypervolume ${volumes[0].toFixed(3)} to ${volumes.at(-1).toFixed(3)} after ${end.toFixed(1)} minutes`);
    Plotly.react(this.element, traces, layout, OPTIONS);
  }
}

// Trial -> seconds of work until it ended; pauses between two runs do not count.
export function workingTime(rows) {
  const ended = rows.filter((row) => row.seconds !== null && row.seconds !== undefined).map((row) => ({ number: row.number, started: row.started, finished: row.started + row.seconds }));
  ended.sort((a, b) => a.finished - b.finished || a.number - b.number);
  let clock = 0, last = ended[0]?.started ?? 0;
  const seconds = new Map();
  for (const { number, started, finished } of ended) {
    clock += Math.max(0, finished - Math.max(last, started));
    last = Math.max(last, finished);
    seconds.set(number, clock);
  }
  return seconds;
}
