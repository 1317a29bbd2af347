// The ticket shows only the prices its order type uses.

const NEEDS = {
  limit: new Set(["LIMIT", "STOP_LIMIT"]),
  stop: new Set(["STOP_MARKET", "STOP_LIMIT"]),
};

function arrange(form) {
  const type = form.elements.order_type.value;
  form.querySelector("[data-ticket-limit]").hidden = !NEEDS.limit.has(type);
  form.querySelector("[data-ticket-stop]").hidden = !NEEDS.stop.has(type);
}

document.querySelectorAll("form[data-ticket]").forEach((form) => {
  form.elements.order_type.addEventListener("change", () => arrange(form));
  arrange(form);
});
