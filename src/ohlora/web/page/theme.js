// Before anything is shown: the look that was chosen last time.
try {
  const chosen = localStorage.getItem("ohlora-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // a browser that keeps nothing
}
