// Logs in with the token; the server answers with a cookie.

import { post } from "./api.js";
import { byId, el } from "./dom.js";

async function login(token) {
  try {
    await post("/login", { token });
    location.replace(location.pathname === "/login" ? "/" : location.pathname);
  } catch (error) {
    byId("errors").replaceChildren(el("p", { classes: "banner error", text: error.message }));
  }
}

byId("login").addEventListener("submit", (event) => { event.preventDefault(); login(byId("token").value.trim()); });

// The address that the command prints may hold the token behind "#", which browsers never send.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) { history.replaceState(null, "", location.pathname); login(given); }
