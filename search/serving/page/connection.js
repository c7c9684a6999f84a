// The stream of events. It comes back by itself, and misses nothing: each event has a number.

import { get, ServerError, studyPath } from "./api.js";

const FIRST_WAIT = 1000, LONGEST_WAIT = 15000, HIDDEN_WAIT = 20000;

export class Connection {
  // `handlers`: state(change), replaced(state), notice({error}), status("open" | "lost", text).
  constructor(id, state, handlers) {
    Object.assign(this, { id, epoch: state.epoch, seq: state.seq, handlers, wait: FIRST_WAIT });
    this.#open();
    addEventListener("online", () => this.retry());
    addEventListener("pagehide", () => this.source?.close());
    document.addEventListener("visibilitychange", () => this.#sleep());
    addEventListener("pageshow", (event) => { if (event.persisted) this.retry(); });
  }

  #open() {
    this.source?.close();
    const since = new URLSearchParams({ since: this.seq, epoch: this.epoch ?? "" });
    const source = new EventSource(`${studyPath(this.id)}/events?${since}`);
    this.source = source;
    source.addEventListener("open", () => { this.wait = FIRST_WAIT; this.handlers.status("open"); });
    source.addEventListener("state", (event) => this.#take(JSON.parse(event.data)));
    source.addEventListener("reload", () => this.retry());
    source.addEventListener("notice", (event) => this.handlers.notice(JSON.parse(event.data)));
    source.addEventListener("error", () => { if (this.source === source) this.#lost(); });
  }

  // A browser opens few connections to one server: a page that nobody sees gives its own back.
  #sleep() {
    clearTimeout(this.sleep);
    if (document.hidden) this.sleep = setTimeout(() => { this.source?.close(); clearTimeout(this.timer); this.asleep = true; }, HIDDEN_WAIT);
    else if (this.asleep) { this.asleep = false; this.retry(); }
  }

  #take(change) {
    if (change.epoch !== undefined && change.epoch !== this.epoch) { this.retry(); return; }
    if (change.seq !== undefined && change.seq <= this.seq) return;  // seen before
    if (change.seq !== undefined) this.seq = change.seq;
    this.handlers.state(change);
  }

  #lost(reason = "") {
    this.source?.close();
    clearTimeout(this.timer);
    this.handlers.status("lost", ["The connection to the server is lost.", reason, `Trying again in ${Math.round(this.wait / 1000)} s. The study itself goes on.`].filter(Boolean).join(" "));
    this.timer = setTimeout(() => this.retry(), this.wait);
    this.wait = Math.min(LONGEST_WAIT, 2 * this.wait);
  }

  // Reads the whole state, then listens again from there.
  async retry() {
    clearTimeout(this.timer);
    this.source?.close();
    try {
      const state = await get(studyPath(this.id));
      [this.epoch, this.seq] = [state.epoch, state.seq];
      this.handlers.replaced(state);
      this.#open();
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      this.#lost(error.message);
    }
  }
}
