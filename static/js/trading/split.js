// A slider beside a date: either moves the other. Without this script the date alone does it.

const DAY_MS = 86_400_000;

const dayOf = (first, n) => new Date(Date.parse(`${first}T00:00:00Z`) + n * DAY_MS).toISOString().slice(0, 10);

function show(slider) {
  const day = dayOf(slider.dataset.first, Number(slider.value));
  slider.setAttribute("aria-valuetext", day);
  slider.labels[0].querySelector("output").value = day;
  return day;
}

document.addEventListener("input", (event) => {
  const slider = event.target.closest?.("[data-split-slider] input[type=range]");
  if (slider) document.getElementById(slider.dataset.target).value = show(slider);
});

// In the capture phase, so that whoever reads the form on this event finds the date in place.
document.addEventListener(
  "change",
  (event) => {
    const slider = event.target.closest?.("[data-split-slider] input[type=range]");
    if (slider) {
      const date = document.getElementById(slider.dataset.target);
      date.value = show(slider);
      date.dispatchEvent(new Event("change", { bubbles: true }));
    }
    // A share that somebody chooses replaces the day they chose before.
    if (event.target.id === "id_out_of_sample_share") document.getElementById("id_out_of_sample_from").value = "";
  },
  true,
);

const reveal = (root) => root.querySelectorAll?.("[data-split-slider][hidden]").forEach((box) => (box.hidden = false));
document.addEventListener("htmx:afterSwap", () => reveal(document));
reveal(document);
