// Logs in with the token; the server answers with a cookie.

import { post } from "./api.js";
import { byId, el } from "./dom.js";

async function login(token) {
  try {
    await post("/login", { token });
    location.reload();
  } catch (error) {
    byId("errors").replaceChildren(el("p", { classes: "banner error", text: error.message }));
  }
}

byId("login").addEventListener("submit", (event) => { event.preventDefault(); login(byId("token").value.trim()); });

// The address that the command prints holds the token behind "#", which browsers never send.
const given = decodeURIComponent(location.hash.slice(1));
if (given) { history.replaceState(null, "", location.pathname); login(given); }
