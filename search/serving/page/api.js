// Requests to the server. Its errors are sentences, which are shown as they are.

export class ServerError extends Error {}

export async function get(path) { return read(path, {}); }

export async function post(path, body) {
  return read(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

async function read(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new ServerError("The server does not answer. Is `paretune serve` still running?");
  }
  let value = null;
  try { value = await response.json(); } catch { /* not JSON: the status says what happened */ }
  if (!response.ok) throw new ServerError(value?.error ?? `The server answers ${response.status} ${response.statusText}.`);
  return value;
}

export const studyPath = (id) => `/api/studies/${encodeURIComponent(id)}`;
