// Numbers with their units for people; the same texts as search/study/units.py.

const BYTES = [[1e9, "GB"], [1e6, "MB"], [1e3, "KB"], [1, "B"]];
const COUNTS = [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];

// Four significant digits, as Python's `.4g`.
export function short(value, digits = 4) {
  const text = value.toPrecision(digits);
  const number = Number(text);
  const size = Math.abs(number);
  return number !== 0 && (size < 1e-4 || size >= 10 ** digits) ? number.toExponential().replace(/e([+-])(\d)$/, "e$10$2") : String(number);
}

export function formatValue(value, unit) {
  if (value === null || value === undefined) return "";
  switch (unit) {
    case "fraction": return `${(100 * value).toFixed(2)} %`;
    case "ms": return milliseconds(value);
    case "bytes": return scaled(value, BYTES, " ");
    case "J": return value >= 1 ? `${short(value)} J` : `${short(1000 * value)} mJ`;
    case "parameters": case "MACs": case "activations": return scaled(value, COUNTS, " ").trimEnd();
    default: return `${short(value)} ${unit}`.trimEnd();
  }
}

function milliseconds(value) {
  if (value >= 999.5) return `${value < 999500 ? short(value / 1000, 3) : (value / 1000).toFixed(0)} s`;
  if (value < 1) return `${value.toFixed(value >= 0.1 ? 3 : 4)} ms`;
  return `${value.toFixed(value >= 100 ? 0 : 2)} ms`;
}

function scaled(value, units, space) {
  const [size, name] = units.find(([least]) => value >= least || least === 1);
  const number = value / size;
  return `${number.toFixed(size === 1 || number >= 100 ? 0 : number >= 10 ? 1 : 2)}${space}${name}`;
}

export function formatSpread(low, high, value, unit) {
  if (low === null || high === null || low === undefined || low === high) return "";
  if (unit === "fraction") return `${(100 * low).toFixed(1)}-${(100 * high).toFixed(1)} %`;
  const half = (high - low) / 2;
  if (half < Math.abs(value)) return `± ${(100 * half / Math.abs(value)).toFixed(1)} %`;
  return `${formatValue(low, "")} to ${formatValue(high, unit)}`;
}

export const formatChance = (p) => (p === undefined || p === null ? "" : p > 0.995 ? ">99 %" : p >= 0.005 ? `${(100 * p).toFixed(0)} %` : "<1 %");

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 60) return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// `3 s ago`, of a Unix time.
export function ago(time, now = Date.now() / 1000) {
  if (!time) return "";
  const seconds = Math.max(0, now - time);
  if (seconds < 2) return "now";
  if (seconds < 172800) return `${duration(Math.round(seconds))} ago`;
  return new Date(1000 * time).toISOString().slice(0, 10);
}

export const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

// `3`, `3 and 5`, `3, 5 and 8`.
export function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

// Text as one word of a shell.
export const quote = (text) => (/^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
