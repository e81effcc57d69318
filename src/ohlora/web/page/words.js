// Every string of the page, in the language that is chosen: words.json has them.

import { keep, languageOf } from "/browser.js";

let table = {};
export let language = "en";

export async function loadWords(first) {
  table = await (await fetch("/words.json")).json();
  language = languageOf(first);
}

export function switchLanguage() {
  language = language === "ko" ? "en" : "ko";
  keep("ohlora-language", language);
}

// The phrase in the language that is chosen, its {gaps} filled.
export function say(key, values = {}) {
  const phrase = table[key]?.[language];
  if (phrase === undefined) throw new Error(`words.json has no ${key}`);
  return phrase.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

// What a dataset is called, where it is one of ours; else as whoever made it says.
export const titleOf = (dataset, title) => (has(`title_${dataset}`) ? say(`title_${dataset}`) : title);

// Why something was refused or ended: the phrases that the server and its processes name for it.
export const whyNot = ({ phrases }) => phrases?.map(([key, values]) => say(key, values)).join("; ");

export const moment = (time) => new Date(time).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });

export const has = (key) => key in table;

// An element with text and children. Text is only ever set as text.
export function make(tag, { text, children = [], ...properties } = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value);
  }
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

// A bar from 0 to 1, as <meter> is, which browsers draw in ways of their own.
export function meter(value, properties) {
  const share = Math.min(Math.max(value, 0), 1);
  const fill = make("span", {});
  fill.style.width = `${100 * share}%`;
  const spoken = properties.ariaLabel ? { role: "meter", "aria-valuemin": 0, "aria-valuemax": 1, "aria-valuenow": share.toFixed(3) } : { "aria-hidden": "true" };
  const bar = make("span", { ...spoken, ...properties, children: [fill] });
  bar.classList.add("meter");
  return bar;
}

export const at = (id) => document.getElementById(id);
