"use strict";
// Small tools: elements, numbers, scales, and marks that can be pointed at or stepped through.

const SVG = "http://www.w3.org/2000/svg";

// element("td", {class: "number"}, "12", child, ...)
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  return furnish(made, attributes, children);
}
function shape(name, attributes, ...children) {
  return furnish(document.createElementNS(SVG, name), attributes, children);
}
function furnish(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter(child => child !== null && child !== undefined));
  return made;
}

function median(values) { return quantile(values, 0.5); }
function quantile(values, at) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = at * (sorted.length - 1), below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  if (size >= 1) return value.toFixed(2);
  return size === 0 ? "0" : String(Number(value.toPrecision(3)));
}
function ratio(value) { return value >= 100 ? value.toFixed(0) : value.toFixed(3); }
function probability(value) { return value < 0.0001 ? value.toExponential(1) : value.toFixed(4); }
function seconds(value) {
  if (value < 60) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.round(value / 60) % 60} min`;
}

// Values to pixels, with a few round ticks.
function linearScale(values, from, to, {zero = false, pad = 0.06} = {}) {
  let low = Math.min(...values), high = Math.max(...values);
  const room = (high - low) * pad || Math.abs(high) * 0.05 || 1;
  low = zero ? Math.min(0, low) : low - room;
  high += room;
  const scale = value => from + (value - low) / (high - low) * (to - from);
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find(factor => factor * power >= rough);
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9), String(step / power).includes(".") ? 1 - Math.log10(power) : 0);
  scale.label = tick => tick.toFixed(Math.min(places, 6));
  scale.ticks = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) {
    scale.ticks.push(Math.abs(tick) < step * 1e-9 ? 0 : tick);
  }
  return scale;
}
function logScale(low, high, from, to) {
  const span = Math.log(high / low);
  return value => from + Math.log(value / low) / span * (to - from);
}

// A mark of one of eight shapes around (x, y).
const OUTLINES = [
  r => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  r => `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  r => `M0 ${-1.25 * r}L${1.15 * r} ${0.9 * r}H${-1.15 * r}z`,
  r => `M0 ${-1.35 * r}L${1.35 * r} 0L0 ${1.35 * r}L${-1.35 * r} 0z`,
  r => `M0 ${1.25 * r}L${1.15 * r} ${-0.9 * r}H${-1.15 * r}z`,
  r => `M${-0.4 * r} ${-1.2 * r}h${0.8 * r}v${0.8 * r}h${0.8 * r}v${0.8 * r}h${-0.8 * r}v${0.8 * r}h${-0.8 * r}v${-0.8 * r}h${-0.8 * r}v${-0.8 * r}h${0.8 * r}z`,
  r => `M${-1.3 * r} 0L${-0.65 * r} ${-1.1 * r}H${0.65 * r}L${1.3 * r} 0L${0.65 * r} ${1.1 * r}H${-0.65 * r}z`,
  r => `M${-r} ${-1.2 * r}L${1.3 * r} 0L${-r} ${1.2 * r}z`,
];
function mark(kind, x, y, r, attributes) {
  return shape("path", {d: OUTLINES[kind % OUTLINES.length](r),
                        transform: `translate(${x.toFixed(2)} ${y.toFixed(2)})`, ...attributes});
}

// Marks with a text: shown to the pointer, and to the arrow keys when the chart has the focus.
function explain(svg, marks, label) {
  const tip = document.getElementById("tip");
  let chosen = -1;
  const hide = () => {
    if (chosen >= 0) marks[chosen].node.classList.remove("selected");
    chosen = -1;
    tip.hidden = true;
  };
  const show = index => {
    hide();
    chosen = index;
    const {node, text} = marks[index];
    node.classList.add("selected");
    tip.textContent = text;
    tip.hidden = false;
    const box = node.getBoundingClientRect();
    const left = box.left + box.width / 2 - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(4, Math.min(left, innerWidth - tip.offsetWidth - 4)) + scrollX}px`;
    const above = box.top - tip.offsetHeight - 6;
    tip.style.top = `${(above > 0 ? above : box.bottom + 6) + scrollY}px`;
  };
  marks.forEach(({node}, index) => {
    node.addEventListener("pointerenter", () => show(index));
    node.addEventListener("pointerleave", hide);
  });
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${label} The arrow keys step through its points.`);
  svg.addEventListener("keydown", event => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (event.key === "Escape") hide();
    if (!step || !marks.length) return;
    event.preventDefault();
    show(chosen < 0 ? (step > 0 ? 0 : marks.length - 1)
                    : (chosen + step + marks.length) % marks.length);
  });
  svg.addEventListener("blur", hide);
}
