// What every page has: its words in a language, the light and the dark look, and the buttons that change them.

import { keep } from "/browser.js";
import { at, language, say, switchLanguage } from "/words.js";

export const isDark = () => {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
};

export function drawLooks() {
  document.documentElement.lang = language;
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = say(place.dataset.word);
  at("face").ariaLabel = say("face_alt");
  const other = at("language");
  other.textContent = say("other_language");
  other.lang = language === "ko" ? "en" : "ko";
  at("theme").textContent = say(isDark() ? "light" : "dark");
}

export function wireLooks(redraw) {
  at("language").addEventListener("click", () => {
    switchLanguage();
    redraw();
  });
  at("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    keep("ohlora-theme", document.documentElement.dataset.theme);
    redraw();
  });
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", redraw);
}

export function tell(id, text) { // a line that is there while it says something
  at(id).textContent = text;
  at(id).hidden = !text;
}
