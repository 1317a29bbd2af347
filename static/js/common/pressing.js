// A part of a page is not exchanged while the pointer is down in it: the browser drops the click of
// what is gone when the pointer comes up, and whoever pressed would have to press again.

/* global htmx */

let pressed = null; // what the pointer went down on
const waiting = new Map(); // part → the address it asks

function hold(event) {
  const { elt, target, xhr, requestConfig } = event.detail;
  if (!pressed || requestConfig.verb !== "get") return;
  if (!target.contains(pressed) && !xhr.getResponseHeader("HX-Refresh")) return;
  event.preventDefault();
  waiting.set(elt, requestConfig.path);
}

// What was held back is asked for again: the answer is newer, and comes after the click.
function release() {
  pressed = null;
  waiting.forEach((path, part) => part.isConnected && htmx.ajax("GET", path, { source: part }));
  waiting.clear();
}

export function start() {
  addEventListener("pointerdown", (event) => (pressed = event.target), true);
  for (const name of ["pointerup", "pointercancel", "contextmenu"]) addEventListener(name, release, true);
  addEventListener("blur", release); // the window's: elsewhere it is not told that the pointer comes up
  document.body.addEventListener("htmx:beforeOnLoad", hold);
}
