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
  const options = { responsive: true, displaylogo: false, displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };
  function draw(element) {
    const { data, layout } = figures[element.id];
    for (const trace of data) if (trace.customdata) trace.hovertext = trace.customdata.map(hoverText);
    if (element.clientWidth < 640 && data[0].type === "parcoords") { drawPanels(element, data[0], layout); return; }
    if (element.clientWidth < 500) {
      layout.margin = { ...layout.margin, l: 52, r: 6 };
      layout.font = { ...layout.font, size: 11 };
      if (layout.scene) narrowScene(element, layout);
    }
    Plotly.newPlot(element, data, layout, options);
  }
  function narrowScene(element, layout) {
    layout.margin = { l: 0, r: 0, t: 0, b: 0 };
    layout.height = 340;
    element.style.height = "340px";
    for (const axis of "xyz") layout.scene.camera.eye[axis] *= 1.3;
    layout.scene.camera.center.z = -0.05;
  }
  // A narrow screen has no room for all axes side by side: each panel has a few choices and the first result.
  function drawPanels(element, trace, layout) {
    const all = trace.dimensions, results = all.slice(-axes.length), choices = all.slice(0, -axes.length);
    const panels = [];
    for (let i = 0; i < choices.length; i += 3) panels.push([...choices.slice(i, i + 3), results[0]]);
    if (results.length > 1) panels.push(results);
    element.style.height = "auto";
    for (const dimensions of panels) {
      const panel = element.appendChild(document.createElement("div"));
      Plotly.newPlot(panel, [{ ...trace, dimensions, labelfont: { ...trace.labelfont, size: 11 }, tickfont: { ...trace.tickfont, size: 10 } }],
        { ...layout, height: 300, margin: { l: 70, r: 56, t: 70, b: 16 } }, options);
    }
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
      `<tr data-n="${t.n}">${columns.map((c) => `<td${c.style ? ` class="${c.style}"` : ""} data-label="${c.name}">${c.show(t)}</td>`).join("")}</tr>`).join("");
    count.textContent = `${matching.length} of ${trials.length}`;
    more.hidden = matching.length <= shown;
    [...head.rows[0].cells].forEach((th, i) => th.setAttribute("aria-sort", i === sortColumn ? (descending ? "descending" : "ascending") : "none"));
  }
  function sort(index) { descending = index === sortColumn && !descending; sortColumn = index; fill(); }
  // A narrow screen shows no headings to sort by: a list has both orders of each column instead.
  const order = document.getElementById("order");
  columns.forEach((c, i) => ["ascending", "descending"].forEach((way) => order.add(new Option(`by ${c.name}, ${way}`, `${i} ${way}`))));
  order.addEventListener("input", () => {
    const [index, way] = order.value.split(" ");
    [sortColumn, descending] = [Number(index), way === "descending"];
    fill();
  });
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
