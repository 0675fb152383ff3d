// Exchanges what has changed on the page every few seconds, and sends its forms without leaving it.
"use strict";

const PERIOD = 3000;
const live = document.getElementById("live");
const said = document.getElementById("said");
const following = () => live.getAttribute("aria-pressed") === "true";

async function refresh() {
  const answer = await fetch("/", { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(`syncd answers ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (document.querySelectorAll("article").length !== fresh.querySelectorAll("article").length) location.reload();
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(old.id);
    if (now && now.outerHTML !== old.dataset.seen) exchange(old, now);
  }
  document.title = fresh.title;
}

// The reader's place stays: what is open stays open, what has the focus keeps it, what is being selected waits.
function exchange(old, now) {
  const selection = document.getSelection();
  if (!selection.isCollapsed && old.contains(selection.anchorNode)) return;
  const seen = now.outerHTML;
  for (const open of old.querySelectorAll("details[open]")) now.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  const put = document.importNode(now, true);
  put.dataset.seen = seen;
  old.replaceWith(put);
  if (focused) (document.getElementById(focused) ?? said).focus({ preventScroll: true });
}

async function tick() {
  if (following() && !document.hidden) {
    try {
      await refresh();
      document.body.classList.remove("away");
    } catch {
      document.body.classList.add("away");
      document.getElementById("updated").textContent = "syncd does not answer; what you see is old.";
    }
  }
  setTimeout(tick, PERIOD);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("quiet" in form.dataset)) return;
  event.preventDefault();
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    const body = await answer.json();
    said.textContent = body.detail;
    await refresh();
  } catch {
    said.textContent = "syncd does not answer; nothing was done.";
  }
});

live.hidden = false;
live.addEventListener("click", () => live.setAttribute("aria-pressed", String(!following())));
setTimeout(tick, PERIOD);
