// A learning curve: loss, and score if there is one, over the epochs.

import { el } from "./dom.js";
import { short } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [300, 90];

export function curve({ epoch, loss, score }, label = "learning curve") {
  const series = [["loss", loss], ["score", score]].filter(([, values]) => values?.some((value) => value !== null));
  if (!series.length || (epoch?.length ?? 0) < 2) return null;
  const svg = svgElement("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  svg.append(svgElement("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }));
  const texts = [];
  for (const [name, values] of series) {
    const points = values.map((value, index) => [epoch[index], value]).filter(([, value]) => value !== null && value !== undefined);
    const [low, high] = [Math.min(...points.map((p) => p[1])), Math.max(...points.map((p) => p[1]))];
    const [first, last] = [epoch[0], epoch.at(-1)];
    const at = ([x, y]) => `${(WIDTH * (x - first) / (last - first || 1)).toFixed(1)} ${(HEIGHT - 5 - (HEIGHT - 10) * (high > low ? (y - low) / (high - low) : 0.5)).toFixed(1)}`;
    svg.append(svgElement("path", { class: name, d: `M${points.map(at).join("L")}` }));
    texts.push(`${name} ${short(points[0][1], 3)} to ${short(points.at(-1)[1], 3)}`);
  }
  svg.setAttribute("aria-label", `${label}: ${texts.join(", ")}, epochs ${epoch[0]} to ${epoch.at(-1)}`);
  const keys = el("div", { classes: "keys" }, series.map(([name], index) => el("span", {}, el("i", { classes: name }), texts[index])));
  return el("div", {}, svg, keys);
}

function svgElement(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
