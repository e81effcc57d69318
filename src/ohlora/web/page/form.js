// Hyperparameters as sliders and pickers, as the space has them.

import { TAB, keep, kept } from "/browser.js";
import { has, language, make, say } from "/words.js";

const STEPS = 1000;
const VALUES = "ohlora-params"; // as the tab keeps them

export const nameOf = (name) => (has(`axis_${name}`) ? say(`axis_${name}`) : name.replaceAll("_", " "));

export function shown(value) {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return Math.abs(value) < 1e-3 ? value.toExponential(2).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(3)));
}

const axisAt = (axis, u) => {
  const raw = axis.log ? axis.low * (axis.high / axis.low) ** u : axis.low + u * (axis.high - axis.low);
  return Math.min(Math.max(Number(raw.toPrecision(3)), axis.low), axis.high);
};
const position = (axis, value) =>
  axis.log ? Math.log(value / axis.low) / Math.log(axis.high / axis.low) : (value - axis.low) / (axis.high - axis.low);

const allows = ({ options, low, high }, value) =>
  options ? options.includes(value) : typeof value === "number" && value >= low && value <= high;

function earlier() {
  try { return JSON.parse(kept(VALUES, TAB)) ?? {}; } catch { return {}; }
}

export class Form {
  constructor(element, axes) {
    const before = earlier();
    const values = axes.map((axis) => [axis.name, allows(axis, before[axis.name]) ? before[axis.name] : axis.start]);
    Object.assign(this, { element, axes, values: Object.fromEntries(values) });
  }

  set(name, value) {
    this.values[name] = value;
    keep(VALUES, JSON.stringify(this.values), TAB);
  }

  // `buttons`: [{word, main, act}] below the hyperparameters.
  draw(buttons) {
    const fields = this.axes.map((axis) => (axis.options ? this.picker(axis) : this.slider(axis)));
    const row = make("p", {
      className: "row",
      children: buttons.map(({ word, main, act }) => {
        const button = make("button", { type: main ? "submit" : "button", text: say(word), className: main ? "main" : "", id: `do-${word}` });
        if (!main) button.addEventListener("click", act);
        return button;
      }),
    });
    this.element.replaceChildren(make("div", { className: "axes", children: fields }), row);
    this.element.onsubmit = (event) => {
      event.preventDefault();
      if (this.element.reportValidity()) buttons.find(({ main }) => main).act();
    };
  }

  slider(axis) {
    const { name, low, high } = axis, id = `axis-${name}`;
    const range = make("input", {
      type: "range", id, min: 0, max: STEPS, step: 1, "aria-describedby": `${id}-meaning`,
    });
    const typed = make("input", {
      type: "text", id: `${id}-value`, inputMode: "decimal", autocomplete: "off", className: "value",
      "aria-label": say("value_of", { name: nameOf(name) }),
    });
    const mark = (wrong) => {
      typed.setCustomValidity(wrong ? say("outside", { low: shown(low), high: shown(high) }) : "");
      typed.ariaInvalid = wrong ? "true" : null;
    };
    const slide = (value) => {
      range.value = Math.round(STEPS * position(axis, value));
      range.setAttribute("aria-valuetext", shown(value));
      mark(false);
    };
    range.addEventListener("input", () => {
      this.set(name, axisAt(axis, range.valueAsNumber / STEPS));
      typed.value = shown(this.values[name]);
      slide(this.values[name]);
    });
    typed.addEventListener("input", () => {
      const text = typed.value.trim().replace(",", "."), value = Number(text);
      if (text === "" || !allows(axis, value)) return mark(true);
      this.set(name, value);
      return slide(value);
    });
    typed.value = shown(this.values[name]);
    slide(this.values[name]);
    return make("div", {
      className: "axis",
      children: [
        make("div", { className: "axis-head", children: [make("label", { htmlFor: id, text: nameOf(name) }), typed] }),
        range,
        make("p", {
          className: "hint", id: `${id}-meaning`,
          text: `${axis.meaning[language]} (${say(axis.log ? "range_log" : "range", { low: shown(low), high: shown(high) })})`,
        }),
      ],
    });
  }

  picker(axis) {
    const { name, options } = axis;
    const choices = options.map((option) => {
      const input = make("input", { type: "radio", name, value: String(option), checked: option === this.values[name] });
      input.addEventListener("change", () => this.set(name, option));
      return make("label", { children: [input, make("span", { text: String(option) })] });
    });
    return make("fieldset", {
      className: "axis", id: `axis-${name}`,
      children: [
        make("legend", { text: nameOf(name) }),
        make("div", { className: "segments", children: choices }),
        make("p", { className: "hint", text: axis.meaning[language] }),
      ],
    });
  }
}
