// The table of all trials. Only the visible rows exist, so that ten thousand scroll as ten do.

import { isBounded, isInside } from "./choice.js";
import { announce, byId, el } from "./dom.js";
import { duration, formatChance, formatSpread, formatValue } from "./format.js";
import { kindText, noteOf } from "./model.js";

const ROW = 36, EXTRA = 6;
const narrow = matchMedia("(max-width: 640px)");

export class TrialsTable {
  constructor(study, view, open) {
    Object.assign(this, { study, view, open, sorted: [], active: null, column: 0, descending: false, pool: new Map() });
    this.#rebuild();
    narrow.addEventListener("change", () => { this.#empty(); this.update(); });
  }

  #hasVersions() { return (this.study.state.version ?? 1) > 1; }

  #rebuild() {
    this.withVersions = this.#hasVersions();
    this.pool.clear();
    this.columns = this.#columns();
    this.#build();
  }

  #columns() {
    const versions = { name: "version", width: 80, key: (row) => row.version, text: (row) => String(row.version ?? 1), classes: "number" };
    return [
      { name: "trial", width: 70, key: (row) => row.number, text: (row) => (row.number ? String(row.number) : "base"), classes: "number" },
      { name: "state", width: 166, key: (row) => kindText(row.kind), text: (row) => kindText(row.kind), classes: "state" },
      ...this.study.axes.map((axis) => ({ name: axis.name, width: 148, key: (row) => row.values[axis.name], classes: "number objective",
        text: (row) => formatValue(row.values[axis.name], axis.unit), small: (row) => formatSpread(row.low[axis.name], row.high[axis.name], row.values[axis.name], axis.unit) })),
      { name: "P(front)", width: 86, key: (row) => row.chance ?? null, text: (row) => formatChance(row.chance), classes: "number" },
      { name: "model", width: 270, key: (row) => row.plan, text: (row) => row.plan, small: noteOf, classes: "model" },
      { name: "took", width: 84, key: (row) => row.seconds, text: (row) => (row.seconds === null ? "" : duration(row.seconds)), classes: "number" },
      ...(this.withVersions ? [versions] : []),
    ];
  }

  #build() {
    this.filter = el("input", { type: "search", placeholder: "filter: separable, static, failed ...", "aria-label": "filter trials", oninput: () => this.#filtered() });
    this.state = el("select", { "aria-label": "state", onchange: () => this.#filtered() }, el("option", { value: "", text: "all states" }));
    this.order = el("select", { id: "order", "aria-label": "order of the trials", onchange: () => { const [column, way] = this.order.value.split(" "); this.#sort(Number(column), way === "descending"); } },
      this.columns.flatMap((column, index) => ["ascending", "descending"].map((way) => el("option", { value: `${index} ${way}`, text: `by ${column.name}, ${way}` }))));
    this.count = el("span", { classes: "count" });
    this.headings = this.columns.map((column, index) => el("div", { role: "columnheader", "aria-sort": "none" },
      el("button", { type: "button", text: column.name, onclick: () => this.#sort(index, this.column === index && !this.descending) })));
    this.body = el("div", { classes: "grid-body", role: "rowgroup" });
    this.grid = el("div", { classes: "grid", id: "grid", role: "grid", tabindex: 0, "aria-label": "trials; arrow keys move, Enter opens a trial" },
      el("div", { role: "rowgroup", classes: "grid-head-group" }, el("div", { classes: "grid-head", role: "row", "aria-rowindex": 1 }, this.headings)), this.body);
    const widths = this.columns.map(({ name, width }) => (name === "model" ? `minmax(${width}px, 1fr)` : `${width}px`));
    this.grid.style.setProperty("--columns", widths.join(" "));
    this.grid.style.setProperty("--least", `${this.columns.reduce((sum, { width }) => sum + width, 0)}px`);
    this.grid.addEventListener("scroll", () => this.#paint(), { passive: true });
    this.grid.addEventListener("keydown", (event) => this.#key(event));
    this.body.addEventListener("click", (event) => { const row = event.target.closest(".row"); if (row) { this.active = Number(row.dataset.n); this.open(this.active, this.grid); } });
    byId("trials").replaceChildren(el("div", { classes: "tools" }, this.filter, this.state, this.order, this.count), this.grid);
  }

  get height() { return narrow.matches ? 76 + 42 * Math.ceil((this.columns.length - 3) / 3) : ROW; }

  update() {
    if (this.#hasVersions() !== this.withVersions) this.#rebuild();
    const kinds = [...new Set(this.study.rows.map((row) => row.kind))];
    const known = new Set([...this.state.options].map((option) => option.value));
    for (const kind of kinds) if (!known.has(kind)) this.state.add(new Option(kindText(kind), kind));
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (row) => {
      if (this.state.value && row.kind !== this.state.value) return false;
      if (!words.length) return true;
      const text = `${row.number} ${kindText(row.kind)} ${row.plan} ${noteOf(row)}`.toLowerCase();
      return words.every((word) => text.includes(word));
    };
    this.sorted = this.study.rows.filter(matches);
    const { key } = this.columns[this.column], way = this.descending ? -1 : 1;
    this.sorted.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a.number - b.number; // without a value: last
      return x < y ? -way : x > y ? way : a.number - b.number;
    });
    this.grid.hidden = !this.study.rows.length;
    this.count.textContent = !this.study.rows.length ? "No trial has begun yet." : this.sorted.length === this.study.rows.length ? `${this.sorted.length}` : `${this.sorted.length} of ${this.study.rows.length}`;
    this.headings.forEach((heading, index) => heading.setAttribute("aria-sort", index === this.column ? (this.descending ? "descending" : "ascending") : "none"));
    this.order.value = `${this.column} ${this.descending ? "descending" : "ascending"}`;
    this.grid.style.setProperty("--card-height", `${this.height}px`);
    this.grid.setAttribute("aria-rowcount", this.sorted.length + 1);
    this.body.style.height = `${this.sorted.length * this.height}px`;
    this.#paint();
  }

  // Shows the trials of one kind.
  show(kind, words = "") {
    if (![...this.state.options].some((option) => option.value === kind)) kind = "";
    [this.state.value, this.filter.value] = [kind, words];
    this.#filtered();
    byId("trials").scrollIntoView();
    this.grid.focus();
  }

  #filtered() { this.grid.scrollTop = 0; this.update(); announce(`${this.sorted.length} trials`); }

  #sort(column, descending) { Object.assign(this, { column, descending }); this.update(); }

  #empty() { this.pool.clear(); this.body.replaceChildren(); }

  #paint() {
    const { height } = this, head = narrow.matches ? 0 : ROW;
    const first = Math.max(0, Math.floor((this.grid.scrollTop - head) / height) - EXTRA);
    const last = Math.min(this.sorted.length, Math.ceil((this.grid.scrollTop + 600) / height) + EXTRA);
    const wanted = new Map();
    for (let index = first; index < last; index += 1) wanted.set(this.sorted[index].number, index);
    for (const [number, element] of this.pool) if (!wanted.has(number)) { element.remove(); this.pool.delete(number); }
    for (const [number, index] of wanted) {
      const row = this.sorted[index], key = this.#signature(row);
      let element = this.pool.get(number);
      if (!element || element.key !== key) {
        const made = this.#row(row);
        made.key = key;
        element ? element.replaceWith(made) : this.body.append(made);
        this.pool.set(number, made);
        element = made;
      }
      element.style.top = `${index * height}px`;
      element.setAttribute("aria-rowindex", index + 2);
      element.classList.toggle("active", number === this.active);
      element.classList.toggle("chosen", number === this.view.selected);
    }
    this.active !== null && this.pool.has(this.active) ? this.grid.setAttribute("aria-activedescendant", `trial-${this.active}`) : this.grid.removeAttribute("aria-activedescendant");
  }

  #signature(row) { return JSON.stringify([row.kind, row.values, row.chance, row.plan, row.seconds, noteOf(row), this.#isOutside(row)]); }

  #isOutside(row) { return row.state === "complete" && isBounded(this.view.bounds) && !isInside(row, this.view.bounds); }

  #row(row) {
    const cells = this.columns.map((column) => {
      const small = column.small?.(row);
      const cell = el("div", { role: "gridcell", classes: column.classes, "data-label": column.classes.includes("number") && column.name !== "trial" ? column.name : null });
      if (column.name === "state") cell.append(el("i", { classes: `dot ${row.kind}` }));
      cell.append(column.text(row));
      if (small) cell.append(" ", el("small", { text: small }));
      cell.title = small ? `${column.text(row)} ${small}` : column.text(row);
      return cell;
    });
    return el("div", { classes: `row${this.#isOutside(row) ? " outside" : ""}`, role: "row", id: `trial-${row.number}`, "data-n": row.number }, cells);
  }

  #key(event) {
    if (event.target !== this.grid || !this.sorted.length) return;
    const page = Math.max(1, Math.floor(this.grid.clientHeight / this.height) - 2);
    const at = this.sorted.findIndex((row) => row.number === this.active);
    const moves = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: this.sorted.length - 1 };
    if (event.key === "Enter" && at >= 0) { event.preventDefault(); this.open(this.active, this.grid); return; }
    if (!(event.key in moves)) return;
    event.preventDefault();
    const index = Math.min(this.sorted.length - 1, Math.max(0, moves[event.key]));
    this.active = this.sorted[index].number;
    const top = index * this.height, head = narrow.matches ? 0 : ROW;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    const room = this.grid.clientHeight - head - this.height;
    if (top > this.grid.scrollTop + room) this.grid.scrollTop = top - room;
    this.#paint();
  }
}
