// Builds elements. All text is set as text, never as markup.

export function el(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name === "classes" ? "class" : name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

export const note = (text) => el("p", { classes: "note", text });

// Replaces an element's children only if what they show has changed, so that focus and selection stay.
const shown = new WeakMap();
export function refresh(element, facts, build) {
  const key = JSON.stringify(facts);
  if (shown.get(element) === key) return false;
  shown.set(element, key);
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  element.replaceChildren(...[build()].flat().filter(Boolean));
  if (focused) element.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  return true;
}

// Says news to screen readers.
export function announce(text) {
  const live = byId("live");
  live.textContent = "";
  requestAnimationFrame(() => { live.textContent = text; });
}

// Calls a function soon, and at most once in `wait` milliseconds.
export function throttled(run, wait = 200) {
  let timer = null, last = 0;
  return () => {
    if (timer !== null) return;
    timer = setTimeout(() => { timer = null; last = performance.now(); run(); }, Math.max(0, last + wait - performance.now()));
  };
}
