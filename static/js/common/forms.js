// Forms: one submit per click, focus on the error summary, and the number we understood in words.

import { money, quantity } from "./format.js";

function guard(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  const button = event.submitter;
  // After the browser has read the button's name and value.
  setTimeout(() => button?.setAttribute("aria-busy", "true"));
}

function release(form) {
  delete form.dataset.sent;
  form.querySelectorAll('.btn[aria-busy="true"]').forEach((button) => button.removeAttribute("aria-busy"));
}

// Reads what the server would read; "" when it is empty or not clear.
export function parseDecimal(text) {
  const decimal = new Intl.NumberFormat(document.documentElement.dataset.locale || "en-US").formatToParts(1.5).find((p) => p.type === "decimal").value;
  const plain = text.trim().replace("−", "-").replace(/(?<=\d)[\s'’](?=\d)/g, "");
  const sign = plain.startsWith("-") ? "-" : "";
  const digits = plain.replace(/^[-+]/, "");
  if (!/^[\d.,]*\d[\d.,]*$/.test(digits)) return "";
  const marks = digits.replace(/\d/g, "");
  if (!marks) return sign + digits;
  const last = digits[Math.max(digits.lastIndexOf("."), digits.lastIndexOf(","))];
  const group = decimal === "," ? "." : ",";
  const looksGrouped = /^[1-9]\d{0,2}[.,]\d{3}$/.test(digits);
  if (marks.length === 1) {
    if (last === group && looksGrouped) return group === "," ? sign + digits.replace(",", "") : "";
    if (last === "," && decimal === ".") return "";
    return sign + digits.replace(",", ".");
  }
  const mixed = new Set(marks).size === 2;
  const whole = mixed ? digits.slice(0, digits.lastIndexOf(last)) : digits;
  const mark = mixed ? (last === "." ? "," : ".") : last;
  if (!new RegExp(`^\\d{1,3}(\\${mark}\\d{3})+$`).test(whole)) return "";
  return sign + whole.replaceAll(mark, "") + (mixed ? `.${digits.slice(digits.lastIndexOf(last) + 1)}` : "");
}

function echo(event) {
  const input = event.target.closest?.("input[data-echo]");
  if (!input) return;
  const [kind, unit] = input.dataset.echo.split(":");
  let place = input.closest(".field")?.querySelector(".field-echo");
  if (!place) {
    place = document.createElement("div");
    place.className = "field-echo";
    place.setAttribute("aria-live", "polite");
    (input.closest(".affix") ?? input).after(place);
  }
  place.textContent = input.value.trim() ? understood(input.value.trim(), kind, unit) : "";
}

// What a field took from what was typed; a share is told in percent, however it was written.
function understood(text, kind, unit) {
  const isPercent = text.endsWith("%");
  const value = parseDecimal(isPercent ? text.slice(0, -1) : text);
  if (value === "") return "Not clear yet";
  if (kind === "share") return `= ${quantity(isPercent ? value : String(Math.round(Number(value) * 1e8) / 1e6))}%`;
  return `= ${kind === "money" ? money(value, unit || "USD") : `${quantity(value)} ${unit ?? ""}`}`;
}

export function start() {
  document.addEventListener("submit", guard);
  document.addEventListener("input", echo);
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(release));
  document.body.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt?.closest?.("form");
    if (form) release(form);
  });
  const summary = () => document.querySelector("[data-error-summary]")?.focus();
  summary();
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.querySelector?.("[data-error-summary]")) summary();
  });
}
