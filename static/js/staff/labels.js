// Names that Django's admin leaves out for assistive technology: the two halves of a moment, and help signs.

function nameParts() {
  document.querySelectorAll("p.datetime input:not([aria-label])").forEach((input) => {
    const legend = input.closest("fieldset, .form-row")?.querySelector("legend, label")?.textContent.trim() ?? "";
    const part = input.classList.contains("vTimeField") ? "time" : "date";
    input.setAttribute("aria-label", `${legend.replace(/:$/, "")} ${part}`.trim());
  });
  document.querySelectorAll("span.help-tooltip[aria-label]:not([role])").forEach((sign) => sign.setAttribute("role", "img"));
}

nameParts();
// The two-column selectors are built when everything has loaded.
addEventListener("load", () => setTimeout(nameParts));
