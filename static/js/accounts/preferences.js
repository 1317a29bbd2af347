// Shows preferences while they are chosen; the server stores them.

const root = document.documentElement;

for (const input of document.querySelectorAll('input[name="up_down"]')) {
  input.addEventListener("change", () => {
    root.dataset.updown = input.dataset.css;
    document.dispatchEvent(new CustomEvent("elson:theme"));
  });
}
for (const input of document.querySelectorAll('input[name="theme"]')) {
  input.addEventListener("change", () => {
    root.dataset.theme = input.value.toLowerCase();
    document.dispatchEvent(new CustomEvent("elson:theme"));
  });
}

// A first visit starts with the browser's own zone and the format of its language.
const form = document.querySelector("[data-prefill]");
if (form) {
  const { timeZone, locale } = Intl.DateTimeFormat().resolvedOptions();
  const zones = form.elements.time_zone;
  const formats = form.elements.number_format;
  const offers = (select, value) => [...select.options].some((option) => option.value === value);
  if (zones.value === "UTC" && offers(zones, timeZone)) zones.value = timeZone;
  const language = locale.split("-")[0];
  const format = offers(formats, locale)
    ? locale
    : [...formats.options].map((option) => option.value).find((value) => value.startsWith(`${language}-`));
  if (format) formats.value = format;
  // htmx listens from DOMContentLoaded on; only then the sample can follow.
  addEventListener("load", () => formats.dispatchEvent(new Event("change", { bubbles: true })));
}
