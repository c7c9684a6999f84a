"use strict";
(() => {
  const { axes, trials, figures } = JSON.parse(document.getElementById("data").textContent);
  const byNumber = new Map(trials.map((trial) => [trial.n, trial]));
  const escape = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  // -- plots: each is drawn when it scrolls into view, and gets the texts of its points -----------
  const hover = new Map();
  function hoverText(number) {
    if (!hover.has(number)) {
      const trial = byNumber.get(number);
      const lines = [`<b>${number ? "trial " + number : "baseline"}</b>`];
      lines.push(...escape(trial.plan).split(" · "));
      trial.values.forEach(([, text, spread, better], i) => {
        lines.push(`${escape(axes[i])} <b>${escape(text)}</b> ${escape(spread)}${better ? ", " + escape(better) : ""}`);
      });
      if (trial.chance) lines.push(`P(front) ${escape(trial.chance)}`);
      if (trial.note) lines.push(escape(trial.note.slice(0, 90)));
      hover.set(number, lines.join("<br>"));
    }
    return hover.get(number);
  }
  function draw(element) {
    const { data, layout } = figures[element.id];
    for (const trace of data) if (trace.customdata) trace.text = trace.customdata.map(hoverText);
    if (element.clientWidth < 500) {
      layout.margin = { ...layout.margin, l: 52, r: 6 };
      layout.font = { ...layout.font, size: 11 };
      if (layout.scene) for (const axis of "xyz") layout.scene.camera.eye[axis] *= 1.35;
    }
    Plotly.newPlot(element, data, layout, { responsive: true, displaylogo: false, displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] });
  }
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { observer.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "400px" });
  for (const element of document.querySelectorAll(".plot")) observer.observe(element);
  addEventListener("beforeprint", () => {
    for (const element of document.querySelectorAll(".plot:empty")) draw(element);
  });

  // -- the table of trials: sorted, filtered, shown in pages --------------------------------------
  const PAGE = 100;
  const columns = [
    { name: "trial", key: (t) => t.n, show: (t) => t.n || "base" },
    { name: "state", key: (t) => t.state, show: (t) => `<span class="dot ${t.state}"></span>${t.state}` },
    ...axes.map((name, i) => ({ name: escape(name), key: (t) => t.values[i][0], style: "number",
      show: (t) => `${escape(t.values[i][1])} <small>${escape(t.values[i][3])}</small>` })),
    ...(trials.some((t) => t.chance) ? [{ name: "P(front)", key: (t) => t.odds, style: "number", show: (t) => escape(t.chance) }] : []),
    { name: "model", style: "model", key: (t) => t.plan, show: (t) => escape(t.plan) + (t.note ? `<br><small>${escape(t.note)}</small>` : "") },
    { name: "seconds", key: (t) => t.seconds, style: "number", show: (t) => t.seconds ?? "" },
  ];
  const [head, body] = [document.querySelector("#trials thead"), document.querySelector("#trials tbody")];
  const [filter, state] = [document.getElementById("filter"), document.getElementById("state")];
  const [count, more] = [document.getElementById("count"), document.getElementById("more")];
  let sortColumn = 0, descending = false, shown = PAGE;

  for (const name of [...new Set(trials.map((t) => t.state))]) state.add(new Option(name, name));
  head.innerHTML = `<tr>${columns.map((c) => `<th tabindex="0">${c.name}</th>`).join("")}</tr>`;
  const texts = new Map(trials.map((t) => [t, `${t.n} ${t.state} ${t.plan} ${t.note} ${JSON.stringify(t.params)}`.toLowerCase()]));

  function compare(a, b) {
    const [x, y] = [columns[sortColumn].key(a), columns[sortColumn].key(b)];
    if (x === null || y === null) return (x === null) - (y === null); // trials without a value stay last
    const order = x < y ? -1 : x > y ? 1 : a.n - b.n;
    return descending ? -order : order;
  }
  function fill() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matching = trials.filter((t) => (!state.value || t.state === state.value) && words.every((w) => texts.get(t).includes(w)));
    matching.sort(compare);
    body.innerHTML = matching.slice(0, shown).map((t) =>
      `<tr data-n="${t.n}">${columns.map((c) => `<td${c.style ? ` class="${c.style}"` : ""}>${c.show(t)}</td>`).join("")}</tr>`).join("");
    count.textContent = `${matching.length} of ${trials.length}`;
    more.hidden = matching.length <= shown;
    [...head.rows[0].cells].forEach((th, i) => th.setAttribute("aria-sort", i === sortColumn ? (descending ? "descending" : "ascending") : "none"));
  }
  function sort(index) { descending = index === sortColumn && !descending; sortColumn = index; fill(); }
  head.addEventListener("click", (event) => sort(event.target.cellIndex));
  head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(event.target.cellIndex); });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-n]");
    if (!row) return;
    if (row.nextElementSibling?.className === "params") { row.nextElementSibling.remove(); return; }
    const params = Object.entries(byNumber.get(Number(row.dataset.n)).params);
    const text = params.map(([name, value]) => `${escape(name)} = ${escape(value)}`).join("<br>") || "no parameters";
    row.insertAdjacentHTML("afterend", `<tr class="params"><td colspan="${columns.length}">${text}</td></tr>`);
  });
  for (const input of [filter, state]) input.addEventListener("input", () => { shown = PAGE; fill(); });
  more.addEventListener("click", () => { shown += 500; fill(); });
  fill();
})();
