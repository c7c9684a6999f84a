// Sends the token to the server, which answers with a cookie that no script can read.
// The token may stand behind `#` in the address: browsers do not send that part.

const form = document.getElementById("login");
const field = document.getElementById("token");
const problem = document.getElementById("problem");

async function logIn(token) {
  problem.textContent = "";
  let response;
  try {
    response = await fetch("/login", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) });
  } catch {
    problem.textContent = "The server does not answer. Is `paretune serve` still running?";
    return;
  }
  if (response.ok) {
    location.reload();
    return;
  }
  const value = await response.json().catch(() => null);
  problem.textContent = value?.error ?? `The server answers ${response.status}.`;
  field.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  logIn(field.value.trim());
});

const token = decodeURIComponent(location.hash.slice(1)).replace(/^token=/, "");
history.replaceState(null, "", location.pathname);
if (token) logIn(token);
else field.focus();
