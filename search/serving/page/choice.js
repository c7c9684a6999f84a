// Bounds on the objectives, and the best trial inside them. Pure.

import { nonDominated } from "./model.js";

export const RULES = { first: "first", knee: "knee" };

// The side that matters: at most for a cost, at least for a score.
export const mainSide = (axis) => (axis.better === "lower" ? "most" : "least");

export function isInside(row, bounds) {
  for (const [name, { most, least }] of Object.entries(bounds)) {
    const value = row.values[name];
    if (most === null && least === null) continue;
    if (value === null || value === undefined || (most !== null && value > most) || (least !== null && value < least)) return false;
  }
  return true;
}

export const isBounded = (bounds) => Object.values(bounds).some(({ most, least }) => most !== null || least !== null);

// The best trial inside the bounds; null if none is. Trials on the front come before all others, as in `--pick`.
export function bestInside(study, bounds, rule) {
  const inside = study.feasible.filter((row) => isInside(row, bounds));
  if (!inside.length) return { best: null, inside: 0 };
  const members = inside.filter((row) => study.members.has(row.number));
  const rows = members.length ? members : nonDominated(inside, study.axes);
  const best = rule === RULES.knee ? kneeOf(rows, study.axes) : bestBy(rows, study.axes.find((axis) => axis.name === rule) ?? study.axes[0]);
  return { best, inside: inside.length };
}

function bestBy(rows, axis) {
  const sign = axis.better === "lower" ? 1 : -1;
  return rows.reduce((best, row) => (sign * (row.values[axis.name] - best.values[axis.name]) < 0 ? row : best));
}

// The row with the smallest sum of the objectives, each scaled to [0, 1] over the rows (front/pareto.py).
function kneeOf(rows, axes) {
  const sums = rows.map(() => 0);
  for (const axis of axes) {
    const sign = axis.better === "lower" ? 1 : -1;
    const losses = rows.map((row) => sign * row.values[axis.name]);
    const [low, high] = [Math.min(...losses), Math.max(...losses)];
    losses.forEach((loss, index) => { sums[index] += (loss - low) / (high - low || 1); });
  }
  return rows[sums.indexOf(Math.min(...sums))];
}

// The bounds as constraints of a study file: `latency <= 0.12 ms`.
export function constraintTexts(bounds, scales) {
  const texts = [];
  for (const scale of scales) {
    const { most, least } = bounds[scale.axis.name];
    if (most !== null) texts.push(`${scale.axis.name} <= ${boundText(most, scale)}`);
    if (least !== null) texts.push(`${scale.axis.name} >= ${boundText(least, scale)}`);
  }
  return texts;
}

function boundText(value, scale) {
  const number = Number((value * scale.factor).toPrecision(12));
  const text = Math.abs(number) >= 1e15 || (number !== 0 && Math.abs(number) < 1e-6) ? number.toExponential() : String(number);
  if (scale.unit === "%") return `${text}%`;
  return /^[A-Za-z]+$/.test(scale.unit) ? `${text} ${scale.unit}` : text;
}

// A value rounded to three digits, so that it is not below (`up`), or not above.
export function outward(value, up) {
  if (!value) return 0;
  const size = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 2);
  const steps = value / size;
  return Number(((up ? Math.ceil(steps - 1e-9) : Math.floor(steps + 1e-9)) * size).toPrecision(6));
}
