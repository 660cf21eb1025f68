// On a desk the drawn lines become ones that answer to the pointer; elsewhere they stay as they are.

const DESK = "(min-width: 1024px)";
const COLOURS = ["--brand", "--ok", "--warn-ink", "--focus", "--ink", "--hold"];
const DASHES = ["solid", [10, 4], [3, 4], [12, 4, 3, 4], [6, 6], [2, 8]];
const MARKS = ["circle", "rect", "triangle", "diamond", "pin", "arrow"];

const NAME_PX = 20;

let loading;

function loadLibrary(address) {
  loading = loading || new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => resolve(window.echarts);
    script.onerror = () => reject(new Error(`${address} could not be loaded`));
    document.head.append(script);
  });
  return loading;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function optionsOf(plot) {
  const ink = { color: colour("--muted"), fontSize: 14 };
  const rule = { lineStyle: { color: colour("--line") } };
  return {
    animation: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
    color: COLOURS.map(colour),
    grid: { left: 48, right: 150, top: 24, bottom: 40 },
    tooltip: {
      trigger: "axis",
      renderMode: "richText", // drawn: the page allows no style in markup
      backgroundColor: colour("--card"),
      borderColor: colour("--control"),
      textStyle: { color: colour("--ink") },
    },
    xAxis: { type: "category", data: plot.names, axisLabel: ink, axisLine: rule },
    yAxis: { type: "value", scale: true, axisLabel: ink, splitLine: rule },
    series: plot.series.map(({ name, values }, number) => ({
      name,
      type: "line",
      data: values.map((value) => value ?? "-"),
      symbol: MARKS[number],
      symbolSize: 9,
      lineStyle: { width: 2.5, type: DASHES[number] },
      endLabel: { show: true, formatter: "{a}", color: colour("--ink"), fontSize: 15, fontWeight: "bold" },
    })),
  };
}

// Names at the ends of lines that lie close are moved apart.
function keepApart(chart, plot) {
  const ends = plot.series
    .map(({ values }, number) => ({ number, value: [...values].reverse().find((one) => one !== null) }))
    .filter(({ value }) => value !== undefined)
    .map(({ number, value }) => ({ number, y: chart.convertToPixel({ yAxisIndex: 0 }, Number(value)) }))
    .sort((one, other) => one.y - other.y);
  let last = -Infinity;
  const series = plot.series.map(() => ({}));
  for (const { number, y } of ends) {
    last = Math.max(y, last + NAME_PX);
    series[number] = { endLabel: { offset: [0, last - y] } };
  }
  chart.setOption({ series });
}

async function draw(box) {
  const plot = JSON.parse(document.getElementById(box.dataset.plot).textContent);
  if (!plot.series.length) {
    return;
  }
  const library = await loadLibrary(box.dataset.echarts);
  const label = box.querySelector("svg").getAttribute("aria-label");
  const place = document.createElement("div");
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", label);
  box.textContent = "";
  box.append(place);
  const chart = library.init(place);
  const repaint = () => {
    chart.setOption(optionsOf(plot), true);
    keepApart(chart, plot);
  };
  repaint();
  window.addEventListener("resize", () => {
    chart.resize();
    keepApart(chart, plot);
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

if (window.matchMedia(DESK).matches) {
  for (const box of document.querySelectorAll("[data-plot]")) {
    // Without the library the lines of the page stay, with the same numbers beside them.
    draw(box).catch((error) => console.warn(error.message));
  }
}
