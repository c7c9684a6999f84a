// The study as the page knows it: the server's state, with changes merged in.

export const NEAR = 0.05; // probability from which a trial counts as close to the front

export class Study {
  constructor(state) { this.replace(state); }

  replace(state) {
    this.state = { ...state };
    this.byNumber = new Map();
    this.merge(state.trials);
    this.#group();
  }

  // Takes the parts that changed; returns the numbers of trials that are new or ended.
  apply(change) {
    const { trials, ...rest } = change;
    const before = new Map((trials?.number ?? []).map((number) => [number, this.byNumber.get(number)?.state]));
    Object.assign(this.state, rest);
    if (trials) this.merge(trials);
    this.#group();
    const numbers = trials?.number ?? [];
    return numbers.filter((number) => before.get(number) !== this.byNumber.get(number).state);
  }

  merge(columns) {
    if (!columns) return;
    const names = Object.keys(columns.values);
    const scalars = Object.keys(columns).filter((key) => !["values", "low", "high"].includes(key));
    columns.number.forEach((number, index) => {
      const row = { values: {}, low: {}, high: {} };
      for (const key of scalars) row[key] = columns[key][index];
      for (const name of names) for (const part of ["values", "low", "high"]) row[part][name] = columns[part]?.[name]?.[index] ?? null;
      this.byNumber.set(number, row);
    });
    this.rows = [...this.byNumber.values()].sort((a, b) => a.number - b.number);
  }

  get axes() { return this.state.axes; }

  #group() {
    const front = this.state.front ?? {};
    this.members = new Set(front.members ?? []);
    const chances = this.state.chances ?? {};
    for (const row of this.rows) {
      row.chance = chances[row.number];
      row.kind = this.#kind(row);
    }
    this.complete = this.rows.filter((row) => row.state === "complete" && row.repeat_of === null && this.axes.every((axis) => row.values[axis.name] !== null));
    this.feasible = this.complete.filter((row) => !row.broken);
  }

  #kind(row) {
    if (row.number === 0 && row.state === "complete") return "baseline";
    if (row.repeat_of !== null) return "repeated";
    if (row.state !== "complete") return row.state;
    if (row.broken) return "breaks";
    if (this.members.has(row.number)) return "front";
    return row.chance >= NEAR ? "near" : "dominated";
  }
}

const KIND_TEXTS = { front: "on the front", breaks: "breaks a constraint", near: "close to the front" };
export const kindText = (kind) => KIND_TEXTS[kind] ?? kind;

export function noteOf(row) {
  if (row.repeat_of !== null) return `same plan as trial ${row.repeat_of}`;
  if (row.reason) return row.reason;
  if (row.broken) return `breaks ${Object.keys(row.broken).join("; ")}`;
  return row.variant_of !== null && row.variant_of !== undefined ? `trained in ${row.variant_of}` : "";
}

// Whether a is at least as good as b in every objective, and better in one.
export function dominates(a, b, axes) {
  let better = false;
  for (const axis of axes) {
    const apart = (a.values[axis.name] - b.values[axis.name]) * (axis.better === "lower" ? 1 : -1);
    if (apart > 0) return false;
    if (apart < 0) better = true;
  }
  return better;
}

export function nonDominated(rows, axes) {
  const signs = axes.map((axis) => (axis.better === "lower" ? 1 : -1));
  const order = [...rows].sort((a, b) => {
    for (let i = 0; i < axes.length; i += 1) {
      const apart = signs[i] * (a.values[axes[i].name] - b.values[axes[i].name]);
      if (apart) return apart;
    }
    return a.number - b.number;
  });
  const front = [];  // in this order, no later row dominates an earlier one
  for (const row of order) if (!front.some((other) => dominates(other, row, axes))) front.push(row);
  return front;
}
