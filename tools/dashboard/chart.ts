// A chart over time: lines or stacked areas, with a cursor for pointer and keyboard, and a table of its figures.
import {clock, element, hideTip, showTip} from "./dom";
import {colour} from "./colours";

export interface Series { label: string; colour: string; values: number[]; line?: boolean }
export interface ChartOptions { title: string; format: (value: number) => string; stacked?: boolean; height?: number }

const LEFT = 68, RIGHT = 10, TOP = 8, BOTTOM = 20;
const TABLE_ROWS = 60;
const SPAN_MIN_MS = 10_000;  // the first seconds do not fill the chart

// Round steps: of powers of 2 for bytes they would not be, so 1, 2, 5 of what the largest unit is.
function ticksTo(most: number, format: (value: number) => string): number[] {
  const unit = format(1024 * 1024).includes("iB") ? 1024 ** Math.floor(Math.log(Math.max(1, most)) / Math.log(1024)) : 1;
  const rough = most / unit / 4, power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = power * ([1, 2, 2.5, 5, 10].find(factor => factor * power >= rough) ?? 10) * unit;
  const ticks = [];
  for (let tick = 0; tick <= most * 1.0001; tick += step) ticks.push(tick);
  return ticks;
}

export class TimeChart {
  readonly root: HTMLElement;
  private readonly canvas = element("canvas", {tabindex: 0, role: "img"});
  private readonly legend = element("div", {class: "legend"});
  private readonly table = element("div", {class: "scroll short"});
  private readonly details: HTMLDetailsElement;
  private times: number[] = [];
  private series: Series[] = [];
  private cursor = -1;
  private most = 1;

  constructor(private readonly options: ChartOptions, private readonly choose: (time: number) => void) {
    this.canvas.style.height = `${options.height ?? 180}px`;
    this.details = element("details", {toggle: () => this.fillTable()}, element("summary", {}, "Table"), this.table);
    this.root = element("figure", {class: "panel"},
      element("figcaption", {}, element("h3", {}, options.title), this.legend), this.canvas, this.details);
    this.canvas.addEventListener("mousemove", event => this.point(this.indexAt(event.offsetX), event.clientX, event.clientY));
    this.canvas.addEventListener("mouseleave", () => this.leave());
    this.canvas.addEventListener("blur", () => this.leave());
    this.canvas.addEventListener("click", event => this.pick(this.indexAt(event.offsetX)));
    this.canvas.addEventListener("keydown", event => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  show(times: number[], series: Series[]): void {
    // The cursor stays at its moment while old ones leave.
    const moment = this.times[this.cursor];
    this.times = times;
    this.series = series;
    this.cursor = this.cursor < 0 ? -1 : times.indexOf(moment);
    this.most = Math.max(1, ...times.map((_, i) => Math.max(this.stackOf(i), ...series.map(one => one.values[i] ?? 0)))) * 1.05;
    this.legend.replaceChildren(...series.map(one => {
      const swatch = element("i", {class: one.line ? "swatch line" : "swatch"});
      swatch.style.background = one.colour;
      return element("span", {}, swatch, one.label);
    }));
    const last = times.length - 1;
    this.canvas.setAttribute("aria-label", `${this.options.title}. ` + (last < 0 ? "No figures yet." : `Now ${this.text(last).replace(/\n/g, ", ")}. ` +
      "Left and right step through it, Enter shows that moment."));
    this.draw();
    this.fillTable();
  }

  private stackOf(i: number): number {
    return this.options.stacked ? this.series.reduce((sum, one) => sum + (one.line ? 0 : Math.max(0, one.values[i] ?? 0)), 0) : 0;
  }
  private text(i: number): string {
    return [clock(this.times[i]), ...this.series.filter(one => one.values[i] !== 0 || one.line || !this.options.stacked)
      .map(one => `${one.label}  ${this.options.format(one.values[i] ?? 0)}`)].join("\n");
  }
  private get begin(): number { return Math.min(this.times[0] ?? 0, (this.times[this.times.length - 1] ?? 0) - SPAN_MIN_MS); }
  private x(time: number): number {
    const end = this.times[this.times.length - 1] ?? 1;
    return LEFT + (time - this.begin) / Math.max(1, end - this.begin) * (this.canvas.clientWidth - LEFT - RIGHT);
  }
  private y(value: number): number {
    const height = this.canvas.clientHeight;
    return height - BOTTOM - value / this.most * (height - TOP - BOTTOM);
  }
  private indexAt(x: number): number {
    let best = -1;
    this.times.forEach((time, i) => { if (best < 0 || Math.abs(this.x(time) - x) < Math.abs(this.x(this.times[best]) - x)) best = i; });
    return best;
  }

  private point(index: number, clientX: number, clientY: number): void {
    if (index < 0) return;
    this.cursor = index;
    this.draw();
    showTip(this.text(index), clientX, clientY);
  }
  private leave(): void {
    this.cursor = -1;
    this.draw();
    hideTip();
  }
  private pick(index: number): void { if (index >= 0) this.choose(this.times[index]); }
  private key(event: KeyboardEvent): void {
    const last = this.times.length - 1;
    const from = this.cursor < 0 ? last : this.cursor;
    const to: Record<string, number> = {ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 30, PageDown: from + 30, Home: 0, End: last};
    if (event.key === "Enter") this.pick(from);
    else if (event.key === "Escape") this.leave();
    else if (event.key in to) {
      const place = this.canvas.getBoundingClientRect();
      const index = Math.max(0, Math.min(last, to[event.key]));
      if (last >= 0) this.point(index, place.left + this.x(this.times[index]), place.top + 20);
    } else return;
    event.preventDefault();
  }

  private draw(): void {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight, ratio = devicePixelRatio;
    if (width === 0) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const pen = this.canvas.getContext("2d")!;
    pen.scale(ratio, ratio);
    this.drawAxes(pen, width, height);
    const below = this.times.map(() => 0);
    for (const one of this.series) {
      if (this.options.stacked && !one.line) this.drawArea(pen, one, below);
    }
    for (const one of this.series) {
      if (!this.options.stacked || one.line) this.drawLine(pen, one);
    }
    if (this.cursor < 0) return;
    pen.strokeStyle = colour("ink");
    pen.beginPath();
    pen.moveTo(this.x(this.times[this.cursor]), TOP);
    pen.lineTo(this.x(this.times[this.cursor]), height - BOTTOM);
    pen.stroke();
  }

  private drawAxes(pen: CanvasRenderingContext2D, width: number, height: number): void {
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = colour("quiet");
    pen.strokeStyle = colour("grid");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of ticksTo(this.most, this.options.format)) {
      const y = Math.round(this.y(tick)) + 0.5;
      pen.beginPath();
      pen.moveTo(LEFT, y);
      pen.lineTo(width - RIGHT, y);
      pen.stroke();
      pen.fillText(tick === 0 ? "0" : this.options.format(tick).replace(".0 ", " "), LEFT - 6, y);
    }
    const end = this.times[this.times.length - 1];
    if (end === undefined) return;
    const step = [2_000, 5_000, 10_000, 30_000, 60_000, 120_000].find(one => (end - this.begin) / one <= 8) ?? 120_000;
    pen.textAlign = "center";
    for (let back = 0; end - back >= this.begin; back += step) {
      const x = this.x(end - back);
      const label = back === 0 ? (x > width - 40 ? "now" : "") : back % 60_000 === 0 ? `−${back / 60_000} min` : `−${back / 1000} s`;
      if (x > LEFT + 16) pen.fillText(label, Math.min(x, width - RIGHT - 12), height - BOTTOM / 2 + 1);
    }
  }

  private drawArea(pen: CanvasRenderingContext2D, one: Series, below: number[]): void {
    pen.fillStyle = one.colour;
    pen.beginPath();
    this.times.forEach((time, i) => pen.lineTo(this.x(time), this.y(below[i])));
    for (let i = this.times.length - 1; i >= 0; --i) {
      below[i] += Math.max(0, one.values[i] ?? 0);
      pen.lineTo(this.x(this.times[i]), this.y(below[i]));
    }
    pen.fill();
  }

  private drawLine(pen: CanvasRenderingContext2D, one: Series): void {
    pen.strokeStyle = one.colour;
    pen.lineWidth = 1.75;
    pen.lineJoin = "round";
    pen.beginPath();
    this.times.forEach((time, i) => pen.lineTo(this.x(time), this.y(one.values[i] ?? 0)));
    pen.stroke();
    pen.lineWidth = 1;
  }

  private fillTable(): void {
    if (!this.details.open) return;
    const step = Math.max(1, Math.ceil(this.times.length / TABLE_ROWS));
    const rows = this.times.map((_, i) => i).filter(i => (this.times.length - 1 - i) % step === 0).reverse();
    this.table.replaceChildren(element("table", {}, element("caption", {}, this.options.title),
      element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "time"),
        ...this.series.map(one => element("th", {scope: "col", class: "number"}, one.label)))),
      element("tbody", {}, ...rows.map(i => element("tr", {}, element("td", {}, clock(this.times[i])),
        ...this.series.map(one => element("td", {class: "number"}, this.options.format(one.values[i] ?? 0))))))));
  }
}
