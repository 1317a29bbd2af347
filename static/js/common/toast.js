// Short news at the edge of the window; also kept in the page's own lists, so it may go away.

const ICONS = document.querySelector("[data-icons]")?.dataset.icons;
const LIFE_MS = 8_000;

const useIcon = (name) => {
  const href = document.querySelector(".icon use")?.getAttribute("href")?.split("#")[0] ?? ICONS;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${href}#${name}`);
  svg.append(use);
  return svg;
};

export function toast(text, { tone = "info", href = "", keep = false } = {}) {
  const place = document.getElementById("toasts");
  if (!place) return;
  const item = document.createElement("div");
  item.className = `toast toast-${tone}`;
  const words = document.createElement(href ? "a" : "span");
  if (href) words.href = href;
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.setAttribute("aria-label", "Dismiss");
  close.append(useIcon("x"));
  close.addEventListener("click", () => item.remove());
  item.append(useIcon(tone), words, close);
  place.append(item);
  while (place.children.length > 4) place.firstElementChild.remove();
  if (keep) return;
  let timer = setTimeout(() => item.remove(), LIFE_MS);
  item.addEventListener("pointerenter", () => clearTimeout(timer));
  item.addEventListener("pointerleave", () => (timer = setTimeout(() => item.remove(), 2_000)));
}
