// Theme and up/down colors. Loaded before the first paint and not as a module, so nothing flashes.
// Signed-in readers: the server writes data-theme from the profile. Others: kept in this browser.
(() => {
  const root = document.documentElement;
  const announce = () => document.dispatchEvent(new CustomEvent("elson:theme"));
  const keep = !root.dataset.signedIn;

  const setPreference = (name, value, store) => {
    root.dataset[name] = value;
    if (store) {
      try {
        localStorage.setItem(`elson.${name}`, value);
      } catch {
        // Storage may be switched off; the choice then lasts for this page.
      }
    }
    announce();
  };

  if (keep) {
    try {
      const theme = localStorage.getItem("elson.theme");
      if (["auto", "light", "dark"].includes(theme)) root.dataset.theme = theme;
    } catch {
      // Storage may be switched off; the page then follows the system.
    }
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announce);

  // Any input with data-preference="theme" or "updown" shows its value at once.
  document.addEventListener("change", (event) => {
    const input = event.target.closest?.("[data-preference]");
    if (!input || (input.type === "radio" && !input.checked)) return;
    const value = input.value.toLowerCase().replaceAll("_", "-");
    setPreference(input.dataset.preference, value, keep && input.dataset.preference === "theme");
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-set]");
    if (button) setPreference("theme", button.dataset.themeSet, keep);
  });
})();
