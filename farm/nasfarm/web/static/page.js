// Elements that have changed come as events and replace the old ones; buttons are pressed without
// leaving the page. Without this file the page shows the same, and reloads every ten seconds.
"use strict";

const SAID_MS = 8000;
const AGAIN_MS = 3000;

const act = document.getElementById("act");
const said = document.getElementById("said");
const live = document.getElementById("live");
const where = document.body.dataset.events;
let version = document.body.dataset.version;
let stream = null;

function replace(id, html) {
  const old = document.getElementById(id);
  if (!old) return;
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = holder.content.firstElementChild;
  for (const open of old.querySelectorAll("details[open]")) {
    const same = holder.content.getElementById(open.id);
    if (same) same.open = true;
  }
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(fresh);
  if (focused) {
    const same = document.getElementById(focused) || document.getElementById("main");
    same.focus({ preventScroll: true });
  }
}

function listen() {
  const joint = where.includes("?") ? "&" : "?";
  stream = new EventSource(`${where}${joint}v=${encodeURIComponent(version)}`);
  stream.addEventListener("open", () => { live.textContent = "Live."; });
  stream.addEventListener("change", (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) replace(id, html);
    version = event.lastEventId;
  });
  stream.addEventListener("gone", () => location.reload());
  stream.addEventListener("error", () => {
    quit();
    live.textContent = "Not live: the server does not answer. Trying again …";
    setTimeout(reload, AGAIN_MS);
  });
}

function quit() {
  if (stream) stream.close();
  stream = null;
}

// A server that is back may be another release, so the whole page is asked for.
function reload() {
  fetch("/health/live", { cache: "no-store" }).then(
    (answer) => (answer.ok ? location.reload() : setTimeout(reload, AGAIN_MS)),
    () => setTimeout(reload, AGAIN_MS),
  );
}

function tell(text) {
  said.textContent = text;
  setTimeout(() => { if (said.textContent === text) said.textContent = ""; }, SAID_MS);
}

async function press(button) {
  button.setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch(button.formAction, {
      method: "POST",
      body: new URLSearchParams(new FormData(act)),
      headers: { Accept: "application/json" },
    });
    if (answer.status === 401) location.reload();
    else tell((await answer.json()).said);
  } catch {
    tell("The server did not answer. Try again.");
  }
  button.removeAttribute("aria-disabled");
}

act.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button) return;
  event.preventDefault();
  if (button.getAttribute("aria-disabled") !== "true") press(button);
});

if (where) {
  // A page in the background asks for nothing: browsers open few connections to one server.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) quit();
    else if (!stream) listen();
  });
  if (!document.hidden) listen();
}
