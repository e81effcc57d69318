// What a browser keeps from visit to visit, and the language of its reader.

const LANGUAGES = ["ko", "en"];

export const TAB = "sessionStorage"; // of one tab, which finds it again when it is loaded again

export function keep(name, value, where = "localStorage") {
  try { window[where].setItem(name, value); } catch { /* a browser that keeps nothing */ }
}

export function kept(name, where = "localStorage") {
  try { return window[where].getItem(name); } catch { return null; }
}

// The one that was chosen on any page, else `first`, else what the browser asks for.
export function languageOf(first) {
  const chosen = kept("ohlora-language");
  const spoken = (navigator.languages ?? [navigator.language]).map((one) => one.slice(0, 2).toLowerCase());
  return [chosen, first, ...spoken].find((one) => LANGUAGES.includes(one)) ?? "en";
}
