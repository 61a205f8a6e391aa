// The plot below a scan's preview: the thinned curve with the channels one chooses, linear or logarithmic.
// uPlot wants ascending x: a downward scan is sorted, one that turns round or repeats is drawn over the point.

let place = document.getElementById("plot");
const INKS = [
  ["#0072b2", "#56b4e9"], ["#9a4a00", "#e69f00"], ["#007a5a", "#2fc79a"],
  ["#a3407a", "#e090c0"], ["#6b6200", "#f0e442"], ["#555b63", "#b3bac2"],
];
const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3], [10, 5], [3, 6]];
const MOST = INKS.length;

const dark = window.matchMedia("(prefers-color-scheme: dark)");
// A custom property as the colour it stands for now: a canvas does not understand light-dark().
function colour(name) {
  place.style.setProperty("text-decoration-color", `var(${name})`);
  return getComputedStyle(place).textDecorationColor;
}
const named = (one) => (one.unit ? `${one.name} (${one.unit})` : one.name);

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// Which order of the points makes x ascend without repeating; null where there is none.
function ascending(values) {
  const finite = values.every((one) => one !== null);
  if (!finite || values.length < 2) return null;
  const order = values.map((_, place) => place);
  if (values[0] > values[values.length - 1]) order.reverse();
  return order.every((point, place) => place === 0 || values[point] > values[order[place - 1]]) ? order : null;
}

function columns(curve, axis, chosen, log) {
  const order = ascending(axis.values);
  const x = order ? order.map((point) => axis.values[point]) : axis.values.map((_, point) => point);
  const rows = order ?? x;
  const shown = (value) => (value === null || (log && value <= 0) ? null : value);
  return {
    label: order ? named(axis) : `${curve.thinned ? "kept point" : "point"}, as ${axis.name} does not run one way`,
    data: [x, ...chosen.map((one) => rows.map((point) => shown(one.values[point])))],
  };
}

function options(label, chosen, log, width) {
  const [ink, line] = [colour("--soft"), colour("--line")];
  const font = "12px system-ui, sans-serif";
  const side = (more) => ({ stroke: ink, font, labelFont: font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, ...more });
  const units = [...new Set(chosen.map((one) => one.unit ?? ""))];
  const up = chosen.length === 1 ? named(chosen[0]) : units.length === 1 ? units[0] : "";
  const few = (_, splits) => splits.map((one) => (one === null ? "" : short(one)));
  return {
    width, height: Math.round(Math.min(420, Math.max(260, width * 0.5))),
    scales: { x: { time: false }, y: log ? { distr: 3, log: 10 } : {} },
    axes: [side({ label, labelSize: 20, size: 36, values: few }), side({ label: up || undefined, labelSize: 20, size: 64, values: log ? powers : few })],
    cursor: { drag: { x: true, y: false } },
    series: [
      { label, value: (_, value) => (value === null ? "–" : String(value)) },
      ...chosen.map((one, place) => ({
        label: named(one), stroke: INKS[place % MOST][dark.matches ? 1 : 0], dash: DASHES[place % MOST], width: 1.5,
        points: { show: one.values.length <= 120, size: 4 }, spanGaps: false,
        value: (_, value) => (value === null ? "–" : short(value)),
      })),
    ],
  };
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const powers = (_, splits) => splits.map((one) => {
  const power = one === null ? 0.5 : Math.log10(one);
  if (Math.abs(power - Math.round(power)) > 1e-9) return "";
  return `10${power < 0 ? "⁻" : ""}${[...String(Math.abs(Math.round(power)))].map((digit) => RAISED[digit]).join("")}`;
});

const short = (value) => {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e6 || size < 1e-3) ? value.toExponential(3).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(6)));
};

class Plot {
  constructor(curve) {
    this.curve = curve;
    this.log = curve.log;
    const order = JSON.parse(place.dataset.signals);
    const rank = (one) => order.indexOf(one.name) >>> 0; // what is not named comes last
    this.chosen = curve.channels.filter((one) => one.signal).sort((a, b) => rank(a) - rank(b)).slice(0, MOST);
    if (!this.chosen.length) this.chosen = curve.channels.slice(-1);
    this.axis = curve.axis;
    this.stage = make("div", { className: "stage" });
    place.append(this.controls(), this.stage);
    if (curve.thinned) place.append(make("p", { className: "who", textContent: `${curve.axis.values.length} of ${curve.points} points are drawn; the highest and lowest are always among them.` }));
    place.hidden = false;
    this.draw();
    new ResizeObserver(() => this.resize()).observe(this.stage);
    dark.addEventListener("change", () => { if (this.stage.isConnected) this.draw(); });
  }

  controls() {
    const over = make("select", { id: "plot-axis" }, ...this.axes().map((one, number) => make("option", { value: number, textContent: named(one) })));
    over.addEventListener("change", () => { this.axis = this.axes()[over.value]; this.draw(); });
    const log = make("input", { type: "checkbox", checked: this.log });
    log.addEventListener("change", () => { this.log = log.checked; this.draw(); });
    const many = make("details", { className: "channels" }, make("summary", { textContent: "Channels" }), this.boxes());
    return make("div", { className: "toolrow" },
      make("label", {}, "over ", over), make("label", { className: "check" }, log, " logarithmic"), many);
  }

  axes() {
    const point = { name: "point", unit: null, values: this.curve.axis.values.map((_, number) => number) };
    const others = this.curve.channels.filter((one) => one.name !== this.curve.axis.name);
    return [this.curve.axis, ...(this.curve.axis.name === "point" ? [] : [point]), ...others];
  }

  boxes() {
    const list = make("div", { className: "boxes" });
    for (const channel of this.curve.channels) {
      const tick = make("input", { type: "checkbox", checked: this.chosen.includes(channel) });
      tick.addEventListener("change", () => {
        const kept = this.chosen.filter((one) => one !== channel);
        this.chosen = tick.checked ? [...kept, channel].slice(-MOST) : kept;
        for (const [number, one] of [...list.querySelectorAll("input")].entries()) one.checked = this.chosen.includes(this.curve.channels[number]);
        this.draw();
      });
      list.append(make("label", { className: "check" }, tick, ` ${channel.name}`));
    }
    return list;
  }

  draw() {
    this.plot?.destroy();
    this.plot = null;
    this.stage.replaceChildren();
    if (!this.chosen.length) { this.note("Choose a channel."); return; }
    const { label, data } = columns(this.curve, this.axis, this.chosen, this.log);
    if (data.slice(1).every((values) => values.every((one) => one === null))) {
      this.note(this.log ? "Nothing here is above zero: a logarithmic scale cannot show it." : "There are no numbers in these channels.");
      return;
    }
    this.plot = new uPlot(options(label, this.chosen, this.log, this.width()), data, this.stage);
  }

  note(text) { this.stage.append(make("p", { className: "soft", textContent: text })); }

  width() { return Math.max(240, this.stage.clientWidth); }

  resize() {
    const width = this.width();
    if (this.plot && this.plot.width !== width) this.plot.setSize({ width, height: this.plot.height });
  }
}

async function start() {
  try {
    const here = place;
    const answer = await fetch(here.dataset.curve);
    if (!answer.ok) return; // the preview above stays
    const curve = await answer.json();
    if (here !== place) return; // live.js put another in its place meanwhile
    if (curve.axis.values.length > 1 && curve.channels.length) new Plot(curve);
  } catch {
    return;
  }
}

document.addEventListener("catalogue:swapped", () => {
  place = document.getElementById("plot");
  if (place && window.uPlot) start();
});
if (place && window.uPlot) start();
