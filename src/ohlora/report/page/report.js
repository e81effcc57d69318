// Every chart becomes one that answers the pointer; on paper and without scripts its SVG stays.

function colour(element, number) { // uPlot draws on a canvas, which knows no variables
  const probe = element.appendChild(document.createElement("i"));
  probe.style.color = number === null ? "var(--soft)" : `var(--c${number % 8})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function draw(figure, chart) {
  const holder = figure.querySelector(".plot");
  const ink = colour(figure, null), grid = "rgba(128, 140, 170, 0.25)";
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui" };
  holder.querySelector(".uplot")?.remove();
  const plot = new uPlot(
    {
      width: Math.max(holder.clientWidth, 200),
      height: 240,
      scales: {
        x: { time: false, distr: chart.log_x ? 3 : 1 },
        y: { range: chart.y },
      },
      axes: [{ ...axis, label: chart.x, labelFont: "12px system-ui", labelSize: 18 }, { ...axis, size: 52 }],
      series: [
        { label: chart.x },
        ...chart.names.map((label, number) => {
          const stroke = colour(figure, number);
          const value = (_, y) => (y === null || y === undefined ? "–" : y.toPrecision(4));
          const base = { label, stroke, value, spanGaps: true, width: 2 };
          return chart.dots
            ? { ...base, paths: () => null, points: { show: true, size: 4, fill: stroke, stroke } }
            : { ...base, points: { show: chart.columns[0].length < 60, size: 5, fill: stroke, stroke } };
        }),
      ],
    },
    chart.columns,
    holder,
  );
  figure.classList.add("live");
  new ResizeObserver(() => plot.setSize({ width: Math.max(holder.clientWidth, 200), height: 240 })).observe(holder);
}

const charts = JSON.parse(document.getElementById("charts").textContent);
const figures = [...document.querySelectorAll("figure.chart")];
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting || target.classList.contains("live")) continue;
    draw(target, charts[target.dataset.chart]);
  }
}, { rootMargin: "400px" });
figures.forEach((figure) => seen.observe(figure));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  figures.filter((one) => one.classList.contains("live")).forEach((one) => draw(one, charts[one.dataset.chart]));
});
