// A page that somebody is leaving does not load itself again: the browser would drop the click of
// a link for it, and whoever clicked would be called back.

// A download asks to leave too and then stays; what was put off comes with a later answer.
const GIVEN_UP_MS = 10_000;

let leftAt = -Infinity;

export function isLeaving() {
  return performance.now() - leftAt < GIVEN_UP_MS;
}

export function start() {
  addEventListener("beforeunload", () => (leftAt = performance.now()));
  document.body.addEventListener("htmx:beforeOnLoad", (event) => {
    if (isLeaving() && event.detail.xhr.getResponseHeader("HX-Refresh")) event.preventDefault();
  });
}
