// How an objective is drawn and bounded: factor, unit, kind of axis; as search/views/plot_scales.py.

const LOG_FROM = 4;
const SIZES = {
  bytes: [[1e9, "GB"], [1e6, "MB"], [1e3, "KB"], [1, "bytes"]],
  parameters: [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]],
  MACs: [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]],
};

export function scaleOf(axis, rows) {
  let low = Infinity, high = -Infinity;
  for (const row of rows) {
    const value = row.values[axis.name];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) [low, high] = [1, 1];
  const [factor, unit] = factorOf(axis.unit, high);
  const log = axis.unit !== "fraction" && low > 0 && high / low >= LOG_FROM;
  const title = `${axis.name}${unit ? ` (${unit})` : ""}, ${axis.better} is better`;
  return { axis, factor, unit, log, low, high, title, of: (row) => factor * row.values[axis.name] };
}

// The value of a number in the unit that is shown: 2.01 KB are 2010 bytes, not 2009.9999999999998.
export const valueOf = (number, scale) => Number((number / scale.factor).toPrecision(15));

function factorOf(unit, high) {
  if (unit === "fraction") return [100, "%"];
  const fitting = SIZES[unit]?.find(([size]) => high >= size);
  return fitting ? [1 / fitting[0], fitting[1]] : [1, unit];
}

export function axisLayout(scale, range, colours) {
  const layout = {
    title: { text: escape(scale.title) }, gridcolor: colours.line, zerolinecolor: colours.line, linecolor: colours.line,
    uirevision: `${scale.unit} ${scale.log}`,  // a zoom stays until the axis gets another unit
  };
  if (range) layout.range = range;
  if (scale.log) {
    const ticks = ticksOf(scale.low * scale.factor, scale.high * scale.factor);
    Object.assign(layout, { type: "log", tickvals: ticks, ticktext: ticks.map(tickText) });
  } else layout.type = "linear";
  return layout;
}

export const tickText = (value) => String(Number(value.toPrecision(4)));

// 1-2-5 steps that cover [low, high].
export function ticksOf(low, high) {
  const steps = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += 1) for (const m of [1, 2, 5]) steps.push(m * 10 ** e);
  const inside = steps.filter((step) => step >= low / 2 && step <= high * 2);
  return inside.length <= 9 ? inside : inside.filter((step) => step.toExponential()[0] === "1");
}

// The first range of a fraction: it leaves out trials that collapsed, else they squeeze the others.
export function firstRange(scale, feasible, infeasible) {
  if (scale.axis.unit !== "fraction" || !feasible.length || !infeasible.length) return null;
  const of = (rows) => rows.map((row) => scale.factor * row.values[scale.axis.name]);
  const [good, bad] = [extent(of(feasible)), extent(of(infeasible))];
  const width = good[1] - good[0] || 1;
  const [low, high] = [good[0] - width, good[1] + width];
  if (bad[0] >= low && bad[1] <= high) return null;
  const inside = extent([...of(feasible), ...of(infeasible)].filter((value) => value >= low && value <= high));
  return [inside[0] - 0.1 * width, inside[1] + 0.2 * width];
}

export function extent(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  return [low, high];
}

// Plotly reads tags in texts; a name must not become one.
export const escape = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
