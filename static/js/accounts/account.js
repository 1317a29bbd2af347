// Small comforts of the account pages. Everything works without this file.

// A button to look at a password while typing it.
for (const input of document.querySelectorAll('input[type="password"]')) {
  const box = document.createElement("div");
  box.className = "reveal";
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-controls", input.id);
  const show = (visible) => {
    input.type = visible ? "text" : "password";
    button.textContent = visible ? "Hide" : "Show";
    button.setAttribute("aria-label", visible ? "Hide password" : "Show password");
    button.setAttribute("aria-pressed", String(visible));
  };
  input.replaceWith(box);
  box.append(input, button);
  input.spellcheck = false;
  input.autocapitalize = "off";
  show(false);
  button.addEventListener("click", () => show(input.type === "password"));
  // A visible password would be offered by the browser as ordinary form history.
  input.form?.addEventListener("submit", () => show(false));
}

// Where the person is, so that nobody has to look for it in a list of 400.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const input of document.querySelectorAll('input[type="hidden"][name="time_zone"]')) {
  if (zone) input.value = zone;
}

// Passkeys: offered only where the browser and the address allow them.
const isNumericAddress = /^[\d.]+$|^\[/.test(location.hostname);
const canUsePasskeys = window.isSecureContext && "PublicKeyCredential" in window && !isNumericAddress;
for (const block of document.querySelectorAll("[data-passkey]")) block.hidden = !canUsePasskeys;
for (const text of document.querySelectorAll("[data-passkey-missing]")) text.hidden = canUsePasskeys;

document.addEventListener("allauth.error", (event) => {
  const place = document.querySelector("[data-passkey-error]");
  if (!place) return;
  event.preventDefault();
  const name = event.detail?.exception?.name;
  place.textContent = {
    NotAllowedError: "The browser was not allowed to use a passkey, or the request was closed. Try again, or sign in another way.",
    InvalidStateError: "This key is already registered with your account.",
    SecurityError: "Passkeys need https, or http://localhost, as the address of the site.",
  }[name] ?? "The passkey could not be used. Try again, or sign in another way.";
  place.hidden = false;
});
