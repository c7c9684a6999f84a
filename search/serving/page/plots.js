// The front for each pair of objectives. Points come without losing zoom or selection.

import { isBounded, isInside } from "./choice.js";
import { announce, byId, el, note, refresh } from "./dom.js";
import { formatChance, formatSpread, formatValue } from "./format.js";
import { kindText, noteOf } from "./model.js";
import { axisLayout, escape, firstRange, scaleOf } from "./scales.js";

const MANY = 800;    // with more points, those that would cover each other are drawn once
const CELL = 8;      // pixels
const FAINT = 0.25;  // opacity of a point of the front with probability 0

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(["ink", "muted", "line", "card", "front", "cross", "dominated", "good"].map((name) => [name, of(name)]));
}

export function baseLayout(colour) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: true, showlegend: false,
    font: { family: "system-ui, -apple-system, 'Segoe UI', sans-serif", color: colour.ink, size: 12 },
    hoverlabel: { align: "left", bgcolor: colour.card, bordercolor: colour.muted, font: { color: colour.ink, size: 12 } },
    margin: { l: 60, r: 14, t: 8, b: 52 },
  };
}

export const OPTIONS = { responsive: true, displaylogo: false, scrollZoom: false,
  displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

export class Plots {
  constructor(study, view, open) {
    Object.assign(this, { study, view, open, plots: [] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.update());
  }

  update() {
    if (typeof Plotly === "undefined") return;
    const { axes, complete } = this.study;
    refresh(byId("pairs"), [axes, complete.length > 0], () => this.#build());
    if (!this.plots.length) return;
    const scales = new Map(axes.map((axis) => [axis.name, scaleOf(axis, complete)]));
    for (const plot of this.plots) if (plot.visible) this.#draw(plot, scales);
    this.scales = scales;
  }

  #build() {
    for (const plot of this.plots) { this.observer?.unobserve(plot.element); Plotly.purge(plot.element); }
    this.plots = [];
    const { axes, complete } = this.study;
    if (!complete.length) return note("No trial is complete yet. The first point is the baseline.");
    const pairs = axes.length === 1 ? [[null, axes[0]]] : axes.flatMap((y, i) => axes.slice(i + 1).map((x) => [x, y]));
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const plot = this.plots.find((other) => other.element === entry.target);
        if (!plot) continue;
        plot.visible = entry.isIntersecting;
        if (plot.visible && this.scales) this.#draw(plot, this.scales);
      }
    }, { rootMargin: "300px" });
    const figures = pairs.map(([x, y]) => this.#figure(x, y));
    const legend = el("p", { classes: "legend" }, [["dot front", "front"], ["dot near", "close to the front"], ["dot dominated", "dominated"]].map(([classes, text]) => el("span", {}, el("i", { classes }), text)),
      el("span", {}, el("i", { classes: "star", text: "★" }), "baseline"), el("span", {}, el("i", { classes: "cross", text: "×" }), "breaks a constraint"),
      el("span", {}, el("i", { classes: "line" }), axes.length > 1 ? "front of these two objectives" : "best so far"), el("span", {}, el("i", { classes: "ring" }), "best inside the bounds"));
    return [legend, el("div", { classes: "pairs" }, figures),
      note("Click a point for its trial. With the keyboard: arrow keys move over the front, Enter opens the trial. Thin bars: 95 % intervals. Points that break a bound are grey. Double-click shows all points.")];
  }

  #figure(x, y) {
    const title = x ? `${y.name} against ${x.name}` : `${y.name} over the trials`;
    const element = el("div", { classes: "plot", tabindex: 0, role: "application", "aria-roledescription": "plot", "aria-label": `${title}; arrow keys move over the front, Enter opens a trial` });
    const plot = { element, x, y, visible: false, drawn: false, cursor: null };
    element.addEventListener("keydown", (event) => this.#key(event, plot));
    this.plots.push(plot);
    this.observer.observe(element);
    const reset = el("button", { type: "button", text: "show all", "aria-label": `show all points of ${title}`, onclick: () => { plot.all = true; Plotly.relayout(element, { "xaxis.autorange": true, "yaxis.autorange": true }); } });
    return el("figure", {}, el("figcaption", {}, el("span", { text: title }), reset), element);
  }

  #draw(plot, scales) {
    const colour = colours(), narrow = plot.element.clientWidth < 500;
    const y = scales.get(plot.y.name), x = plot.x ? scales.get(plot.x.name) : numberScale(this.study.complete);
    const layout = { ...baseLayout(colour), uirevision: "keep", shapes: this.#boundLines(plot, x, y, colour) };
    const { feasible, complete } = this.study, infeasible = complete.filter((row) => row.broken);
    layout.xaxis = axisLayout(x, plot.x && !plot.all && firstRange(x, feasible, infeasible), colour);
    layout.yaxis = axisLayout(y, !plot.all && firstRange(y, feasible, infeasible), colour);
    if (narrow) { layout.margin = { l: 50, r: 6, t: 6, b: 46 }; layout.font.size = 11; }
    const traces = this.#traces(plot, x, y, colour);
    if (plot.drawn) { Plotly.react(plot.element, traces, layout, OPTIONS); return; }
    plot.drawn = true;
    Plotly.newPlot(plot.element, traces, layout, OPTIONS).then(() => {
      plot.element.on("plotly_click", ({ points }) => { if (points[0]?.customdata !== undefined) this.open(points[0].customdata); });
      plot.element.on("plotly_relayout", (event) => {
        if (this.study.complete.length > MANY && Object.keys(event).some((key) => key.includes("axis"))) setTimeout(() => this.#draw(plot, this.scales));
      });
    });
  }

  #boundLines(plot, x, y, colour) {
    const lines = [];
    for (const [scale, across] of [[x, true], [y, false]]) {
      const bound = this.view.bounds[scale.axis.name];
      for (const value of [bound?.most, bound?.least]) {
        if (value === null || value === undefined || (scale.log && value <= 0)) continue;
        const at = scale.factor * value;
        lines.push({ type: "line", layer: "below", line: { color: colour.muted, width: 1, dash: "dash" },
          ...(across ? { x0: at, x1: at, yref: "paper", y0: 0, y1: 1 } : { y0: at, y1: at, xref: "paper", x0: 0, x1: 1 }) });
      }
    }
    return lines;
  }

  #traces(plot, x, y, colour) {
    const { study, view } = this, bounded = isBounded(view.bounds);
    const groups = { outside: [], breaks: [], dominated: [], near: [], front: [], baseline: [] };
    for (const row of study.complete) groups[row.kind !== "baseline" && bounded && !isInside(row, view.bounds) ? "outside" : row.kind]?.push(row);
    const steps = staircase(study.feasible, x, y);
    const traces = [{ x: steps.map((p) => p[0]), y: steps.map((p) => p[1]), mode: "lines", hoverinfo: "skip", type: "scatter",
      line: { color: colour.front, width: 1.5, shape: plot.x ? (plot.x.better === "lower" ? "hv" : "vh") : "hv" } }];
    const markers = {
      outside: { symbol: "circle", color: colour.muted, size: 5, opacity: 0.3 },
      breaks: { symbol: "x-thin", size: 7, line: { color: colour.cross, width: 1.5 } },
      dominated: { symbol: "circle", color: colour.dominated, size: 6, opacity: 0.75 },
      near: { symbol: "diamond-open", color: colour.front, size: 8, line: { width: 2 } },
      front: { symbol: "circle", color: colour.front, size: 10, line: { color: colour.card, width: 1 } },
      baseline: { symbol: "star", color: colour.ink, size: 16, line: { color: colour.card, width: 1 } },
    };
    for (const [kind, marker] of Object.entries(markers)) {
      const barred = ["near", "front", "baseline"].includes(kind);
      const rows = barred ? groups[kind] : this.#thinned(groups[kind], plot, x, y);
      if (kind === "near" || kind === "front") marker.opacity = rows.map((row) => FAINT + (1 - FAINT) * (row.chance ?? 1));
      traces.push(this.#points(rows, x, y, marker, barred ? { error_x: bars(rows, x, marker.color), error_y: bars(rows, y, marker.color) } : {}));
    }
    const ring = (row, color, size) => this.#points(row ? [row] : [], x, y, { symbol: "circle-open", size, color, line: { color, width: 2.5 } }, { hoverinfo: "skip", hovertemplate: undefined });
    const selected = study.byNumber.get(view.selected), cursor = study.byNumber.get(plot.cursor);
    const drawable = (row) => (row && study.axes.every((axis) => row.values[axis.name] !== null) ? row : null);
    traces.push(ring(view.best, colour.good, 20), ring(drawable(selected), colour.ink, 17), ring(drawable(cursor), colour.cross, 14));
    return traces;
  }

  #points(rows, x, y, marker, more) {
    return { type: "scatter", mode: "markers", x: rows.map((row) => x.of(row)), y: rows.map((row) => y.of(row)), marker,
      customdata: rows.map((row) => row.number), hovertext: rows.map((row) => this.#hover(row)), hovertemplate: "%{hovertext}<extra></extra>", ...more };
  }

  #hover(row) {
    const lines = [`<b>${row.number ? `trial ${row.number}` : "baseline"}</b>`, ...escape(row.plan).split(" · ")];
    for (const axis of this.study.axes) {
      const value = row.values[axis.name];
      lines.push(`${escape(axis.name)} <b>${escape(formatValue(value, axis.unit))}</b> ${escape(formatSpread(row.low[axis.name], row.high[axis.name], value, axis.unit))}`);
    }
    if (row.chance) lines.push(`P(front) ${escape(formatChance(row.chance))}`);
    if (noteOf(row)) lines.push(escape(noteOf(row).slice(0, 90)));
    return lines.join("<br>");
  }

  // Of many points, those that lie in the same few pixels are drawn once.
  #thinned(rows, plot, x, y) {
    if (this.study.complete.length <= MANY) return rows;
    const ranges = [[x, "xaxis", plot.element.clientWidth], [y, "yaxis", plot.element.clientHeight]].map(([scale, name, pixels]) => {
      const shown = plot.drawn && plot.element.layout?.[name]?.range;
      const [low, high] = shown ? shown.map(Number) : [scale.low, scale.high].map((value) => (scale.log ? Math.log10(scale.factor * value) : scale.factor * value));
      return { scale, low, cells: Math.max(1, pixels / CELL), width: high - low || 1 };
    });
    const seen = new Set();
    return rows.filter((row) => {
      let key = 0;
      for (const { scale, low, cells, width } of ranges) {
        const value = scale.of(row), at = ((scale.log ? Math.log10(value) : value) - low) / width;
        if (plot.drawn && (at < -0.5 || at > 1.5)) return false;
        key = key * 100003 + Math.floor(at * cells);
      }
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  }

  #key(event, plot) {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
    if (event.key === "Enter" && plot.cursor !== null) { event.preventDefault(); this.open(plot.cursor, plot.element); return; }
    if (!(event.key in steps) && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    const scale = this.scales.get((plot.x ?? plot.y).name);
    const rows = this.study.feasible.filter((row) => ["front", "near", "baseline"].includes(row.kind) && isInside(row, this.view.bounds));
    rows.sort((a, b) => scale.of(a) - scale.of(b) || a.number - b.number);
    if (!rows.length) return;
    const at = rows.findIndex((row) => row.number === plot.cursor);
    const next = event.key === "Home" || (at < 0 && event.key in steps) ? 0 : event.key === "End" ? rows.length - 1 : Math.min(rows.length - 1, Math.max(0, at + steps[event.key]));
    plot.cursor = rows[next].number;
    this.#draw(plot, this.scales);
    const figures = this.study.axes.map((axis) => `${axis.name} ${formatValue(rows[next].values[axis.name], axis.unit)}`);
    announce(`${plot.cursor ? `trial ${plot.cursor}` : "the baseline"}, ${kindText(rows[next].kind)}, ${figures.join(", ")}`);
  }
}

// The axis of trial numbers, for a study with one objective.
function numberScale(rows) {
  const axis = { name: " trial", unit: "", better: "higher" };
  return { axis, factor: 1, unit: "", log: false, low: 0, high: rows.at(-1)?.number ?? 1, title: "trial", of: (row) => row.number };
}

function staircase(rows, x, y) {
  if (x.axis.name === " trial") return bestSoFar(rows, y);
  const sign = (scale) => (scale.axis.better === "lower" ? 1 : -1);
  const points = rows.map((row) => [x.of(row), y.of(row)]);
  points.sort((a, b) => sign(x) * (a[0] - b[0]) || sign(y) * (a[1] - b[1]));
  const steps = [];
  for (const point of points) if (!steps.length || sign(y) * (point[1] - steps.at(-1)[1]) < 0) steps.push(point);
  return steps.sort((a, b) => a[0] - b[0]);
}

function bestSoFar(rows, y) {
  const sign = y.axis.better === "lower" ? 1 : -1;
  let best = null;
  return rows.map((row) => {
    if (best === null || sign * (y.of(row) - best) < 0) best = y.of(row);
    return [row.number, best];
  });
}

function bars(rows, scale, color) {
  const name = scale.axis.name;
  if (!rows.some((row) => row.high[name] !== row.low[name])) return undefined;
  const part = (of) => rows.map((row) => (row.low[name] === null || row.low[name] === undefined ? 0 : scale.factor * of(row)));
  return { type: "data", symmetric: false, thickness: 0.8, width: 0, color,
    array: part((row) => row.high[name] - row.values[name]), arrayminus: part((row) => row.values[name] - row.low[name]) };
}
