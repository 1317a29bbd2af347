// What every page does: live connection, forms, tables, menus, dialogs, copy buttons, countdowns.

import { duration } from "./format.js";
import * as forms from "./forms.js";
import * as leaving from "./leaving.js";
import * as pressing from "./pressing.js";
import * as stream from "./stream.js";
import * as table from "./table.js";
import { toast } from "./toast.js";

function onClick(event) {
  const target = event.target;
  const opener = target.closest("[data-dialog]");
  const dialog = opener && document.getElementById(opener.dataset.dialog);
  if (dialog) {
    // What opens it may be a submit button: without this script it acts, or asks on a page of its own.
    event.preventDefault();
    dialog.showModal();
  }
  const shower = target.closest("[data-toast]");
  if (shower) toast(shower.dataset.toast, { tone: shower.dataset.toastTone });
  const copier = target.closest("[data-copy]");
  if (copier) copy(copier);
  document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
    if (!menu.contains(target)) menu.open = false;
  });
}

async function copy(button) {
  await navigator.clipboard.writeText(button.closest("[data-code]").querySelector("code").textContent);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2_000);
}

function onKey(event) {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details[data-menu][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
}

function count() {
  document.querySelectorAll("[data-countdown]").forEach((element) => {
    const left = Math.max(0, (Date.parse(element.dataset.countdown) - Date.now()) / 1000);
    const text = duration(left);
    if (element.textContent !== text) element.textContent = text;
  });
}

document.addEventListener("click", onClick);
document.addEventListener("keydown", onKey);
document.querySelectorAll("[data-copy]").forEach((button) => (button.hidden = !navigator.clipboard));
document.querySelectorAll("[data-preference]").forEach((input) => {
  const chosen = document.documentElement.dataset[input.dataset.preference];
  if (input.type === "radio" && !input.form && input.value === chosen) input.checked = true;
});
document.body.addEventListener("htmx:sendError", () => toast("The server did not answer. Try again.", { tone: "warn" }));
document.body.addEventListener("htmx:responseError", (event) => {
  toast(`The server answered with an error (${event.detail.xhr.status}).`, { tone: "crit" });
});
document.body.addEventListener("toast", (event) => toast(event.detail.text, event.detail));
leaving.start();
pressing.start();
forms.start();
table.start();
stream.start();
setInterval(count, 1_000);
