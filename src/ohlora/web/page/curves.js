// Learning curves while both networks train, drawn by uPlot.

import uPlot from "/vendor/uPlot.js";
import { say } from "/words.js";

const LINES = [["ohlora", 1], ["human", 1], ["human", 2]];
const COLOURS = { "ohlora 1": "--hers", "human 1": "--yours", "human 2": "--yours-2" };

function colour(name) { // uPlot draws on a canvas, which knows no variables
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export const lineName = (who, number) => (who === "ohlora" ? say("ohlora") : say("your_attempt", { number }));

export class Curves {
  constructor(element, key) {
    Object.assign(this, { element, key });
    this.lines = new Map();
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(element);
  }

  size() { return { width: Math.max(this.element.clientWidth, 200), height: 210 }; }

  clear() {
    this.lines.clear();
    this.draw();
  }

  // A point at a share of the training, 0 to 100: networks take different numbers of steps.
  add(who, number, share, value) {
    const name = `${who} ${number}`;
    if (!this.lines.has(name)) this.lines.set(name, []);
    this.lines.get(name).push([share, value]);
    this.draw();
  }

  draw() {
    const there = LINES.filter(([who, number]) => this.lines.has(`${who} ${number}`));
    const x = [...new Set([...this.lines.values()].flatMap((points) => points.map(([share]) => share)))].sort((a, b) => a - b);
    const rows = there.map(([who, number]) => {
      const known = new Map(this.lines.get(`${who} ${number}`));
      return x.map((share) => (known.has(share) ? known.get(share) : undefined)); // undefined: no gap in the line
    });
    const ink = colour("--soft"), faint = colour("--line");
    const axis = { stroke: ink, grid: { stroke: faint, width: 1 }, ticks: { stroke: faint, width: 1 }, font: "12px system-ui" };
    const f1 = this.key === "val_f1";
    this.plot?.destroy();
    this.plot = new uPlot(
      {
        ...this.size(),
        cursor: { show: false },
        legend: { show: false },
        scales: { x: { time: false, range: [0, 100] }, y: { range: (_, low, high) => this.range(f1, low, high) } },
        axes: [{ ...axis, values: (_, ticks) => ticks.map((tick) => `${tick} %`) }, { ...axis, size: 46 }],
        series: [{}, ...there.map(([who, number]) => {
          const stroke = colour(COLOURS[`${who} ${number}`]);
          return { label: lineName(who, number), stroke, width: 2.5, dash: number === 2 ? [8, 5] : [], points: { show: true, size: 6, fill: stroke, stroke } };
        })],
      },
      [x, ...rows],
      this.element,
    );
    this.element.ariaLabel = there
      .map(([who, number]) => `${lineName(who, number)}: ${this.lines.get(`${who} ${number}`).at(-1)?.[1]?.toFixed(3) ?? "-"}`)
      .join("; ");
  }

  range(f1, low, high) {
    if (low === null || low === undefined) return [0, 1];
    if (f1) return [Math.max(0, Math.floor(low * 10 - 1) / 10), 1.02];
    return [0, Math.max(high * 1.05, 0.1)];
  }
}
