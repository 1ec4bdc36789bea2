// Elements and numbers, as all views make them.

type Child = Node | string | null | undefined;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: any) => void)>;

// element("td", {class: "number"}, "12", child)
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, String(value));
  }
  made.append(...children.filter((child): child is Node | string => child !== null && child !== undefined));
  return made;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(value: number): string {
  let size = Math.abs(value), unit = 0;
  while (size >= 1023.95 && unit + 1 < UNITS.length) { size /= 1024; ++unit; }
  return `${value < 0 ? "−" : ""}${unit === 0 ? size : size.toFixed(1)} ${UNITS[unit]}`;
}

export function count(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

// "1 slot", "2 slots".
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${Math.round(value) === 1 ? one : many}`;
}

export function rate(value: number): string {
  return value >= 10 || value === 0 ? count(value) : value.toFixed(1);
}

export function percent(part: number, whole: number): string {
  if (whole <= 0) return "–";
  const share = part * 100 / whole;
  return `${share < 0 ? "−" : ""}${Math.abs(share).toFixed(Math.abs(share) < 10 && part !== 0 ? 1 : 0)} %`;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.round(seconds / 60) % 60} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.round(seconds / 3600) % 24} h`;
}

export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString([], {hour12: false});
}

// A bar of `share` of its cell. Widths are set on the object: the page allows no style attributes.
export function bar(share: number, colour: string, title = ""): HTMLElement {
  const fill = element("span", {class: "fill"});
  fill.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  fill.style.background = colour;
  return element("span", {class: "bar", title}, fill);
}

export interface ColumnOf<Row> {
  title: string;
  help?: string;
  number?: boolean;
  cell: (row: Row) => Child;
  order?: (row: Row) => number;
}

// A table whose headings sort it, by mouse and keyboard.
export class SortedTable<Row> {
  readonly root: HTMLElement;
  private readonly body = element("tbody");
  private readonly headings: HTMLElement[];
  private rows: Row[] = [];

  constructor(caption: string, private readonly columns: ColumnOf<Row>[], private by = -1, private down = true,
              private readonly mark?: (row: Row, line: HTMLTableRowElement) => void) {
    this.headings = columns.map((column, index) => {
      const label: Child = column.order === undefined ? column.title
        : element("button", {type: "button", click: () => this.sort(index)}, column.title);
      return element("th", {scope: "col", class: column.number ? "number" : null, title: column.help}, label);
    });
    this.root = element("div", {class: "scroll"},
      element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...this.headings)), this.body));
  }

  show(rows: Row[]): void {
    this.rows = rows;
    const order = this.columns[this.by]?.order;
    const sorted = order === undefined ? rows
      : [...rows].sort((a, b) => (this.down ? order(b) - order(a) : order(a) - order(b)));
    this.headings.forEach((heading, index) => {
      if (index === this.by) heading.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    });
    const focused = [...this.body.querySelectorAll("button")].indexOf(document.activeElement as HTMLButtonElement);
    this.body.replaceChildren(...sorted.map(row => {
      const line = element("tr", {}, ...this.columns.map(column =>
        element("td", {class: column.number ? "number" : null}, column.cell(row))));
      this.mark?.(row, line);
      return line;
    }));
    if (focused >= 0) this.body.querySelectorAll("button")[focused]?.focus();
  }

  private sort(index: number): void {
    this.down = this.by === index ? !this.down : true;
    this.by = index;
    this.show(this.rows);
  }
}

// A note that follows the pointer.
const tip = element("div", {id: "tip", role: "status", hidden: true});
export function showTip(text: string, x: number, y: number): void {
  if (!tip.isConnected) document.body.append(tip);
  tip.textContent = text;
  tip.hidden = false;
  const width = tip.offsetWidth, height = tip.offsetHeight;
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${y + 18 + height > innerHeight ? y - height - 12 : y + 18}px`;
}
export function hideTip(): void { tip.hidden = true; }
