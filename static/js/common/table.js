// Tables: the whole row opens its link; j and k move between rows unless shortcuts are switched off.

const opens = (event) => event.button === 0 && !event.defaultPrevented && !event.target.closest("a, button, input, select, label, summary");

function openRow(event) {
  const row = event.target.closest?.("tr[data-href]");
  if (!row || !opens(event) || String(getSelection())) return;
  if (event.metaKey || event.ctrlKey) window.open(row.dataset.href, "_blank", "noopener");
  else location.assign(row.dataset.href);
}

function move(event) {
  if (document.documentElement.dataset.shortcuts === "off") return;
  if (event.ctrlKey || event.metaKey || event.altKey || !["j", "k"].includes(event.key)) return;
  if (event.target.closest("input, select, textarea, [contenteditable], dialog, [data-chart-canvas]")) return;
  const links = [...document.querySelectorAll("table[data-table] tbody tr > :first-child a")].filter((a) => a.offsetParent);
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)));
  links[next].focus();
  event.preventDefault();
}

export function start() {
  document.addEventListener("click", openRow);
  document.addEventListener("keydown", move);
}
