"use strict";
// Without this all pages work, but for opening a tree in place and for renewing themselves.

// A tree's node opens what hangs on it when it is opened for the first time.
document.addEventListener("toggle", async (event) => {
  const branch = event.target;
  const from = branch.dataset && branch.dataset.from;
  if (!from || !branch.open || branch.dataset.loaded) return;
  branch.dataset.loaded = "yes";
  const list = branch.querySelector("ul");
  list.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(from);
    if (!answer.ok) throw new Error(await answer.text());
    list.innerHTML = await answer.text();
  } catch (error) {
    delete branch.dataset.loaded;
    list.textContent = "This could not be read: " + error.message;
  }
  list.removeAttribute("aria-busy");
}, true);

// A page that lives is renewed when the daemon says that there is something new, while somebody looks at it.
let events = null;
let isRenewing = false;

// What was just done is said for so many milliseconds, and not again when the page is loaded anew.
const SAID_FOR = 20000;
const address = new URL(location.href);
if (address.searchParams.has("done")) {
  address.searchParams.delete("done");
  history.replaceState(null, "", address);
  setTimeout(() => { document.querySelector(".done").textContent = ""; }, SAID_FOR);
}

// Whoever fills in a form, has opened a branch, or has selected some text, is not disturbed.
function isInHand(content) {
  const fields = [...content.querySelectorAll("input, select")];
  return fields.some((one) => one.value !== (one.defaultValue ?? chosen(one)))
    || content.querySelector("form.filter:focus-within, details.branch[open]") || !getSelection().isCollapsed;
}

function chosen(select) {
  return ([...select.options].find((one) => one.defaultSelected) ?? select.options[0])?.value;
}

async function renew(event) {
  const content = document.querySelector("#content[data-live]");
  if (!content || isRenewing || isInHand(content)) return;
  if (event.data === "time" && content.dataset.live !== "always") return;
  isRenewing = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const open = [...content.querySelectorAll("details[open][id]")].map((one) => one.id);
      const focused = [...content.querySelectorAll("a, button, summary, .wide")].indexOf(document.activeElement);
      const scrolled = [...content.querySelectorAll(".wide")].map((one) => one.scrollLeft);
      content.innerHTML = page.querySelector("#content").innerHTML;
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      content.querySelectorAll(".wide").forEach((one, place) => { one.scrollLeft = scrolled[place] || 0; });
      if (focused >= 0) content.querySelectorAll("a, button, summary, .wide")[focused]?.focus({ preventScroll: true });
    }
  } catch (_) {
    // The daemon is away: the stream of events tries again by itself.
  }
  isRenewing = false;
}

function listen() {
  const isWanted = document.visibilityState === "visible" && document.querySelector("#content[data-live]");
  if (isWanted && !events) {
    events = new EventSource("/events");
    events.onmessage = renew;
    // A refusal, as a proxy's while the daemon restarts, ends it for good.
    events.onerror = () => {
      if (events?.readyState !== EventSource.CLOSED) return;
      events = null;
      setTimeout(listen, 10000);
    };
  }
  if (!isWanted && events) {
    events.close();
    events = null;
  }
}

document.addEventListener("visibilitychange", listen);
window.addEventListener("pagehide", () => { if (events) events.close(); events = null; });
window.addEventListener("pageshow", listen);
listen();
