// How long slow paths took, by cause: a histogram of one cause, and a table of all of them.
import {Cause, Store, fetchReading} from "./api";
import {SortedTable, bar, count, element, hideTip, percent, showTip} from "./dom";
import {colour} from "./colours";
import {View} from "./view";

// Buckets above this have no end: 2 seconds and more.
const NO_BOUND = 2 ** 32;

interface Bin { label: string; value: number }

export class Latency implements View {
  readonly id = "latency";
  readonly title = "Latency";
  private readonly note = element("p", {class: "quiet"});
  private readonly choice = element("select", {id: "cause", change: () => this.showCause()});
  private readonly help = element("span", {class: "quiet"});
  private readonly bars = element("div", {class: "histogram"});
  private bins: Bin[] = [];
  private causes: Cause[] = [];
  private most = 1;
  private readonly binTable = new SortedTable<Bin>("Slow paths of this cause by duration", [
    {title: "took", cell: row => row.label},
    {title: "count", number: true, cell: row => count(row.value)},
    {title: "share", number: true, cell: row => percent(row.value, this.bins.reduce((sum, one) => sum + one.value, 0))},
  ]);
  private readonly table = new SortedTable<Cause>("Slow paths by cause", [
    {title: "cause", cell: row => row.cause},
    {title: "count", number: true, cell: row => count(row.count), order: row => row.count},
    {title: "half below", number: true, help: "the end of the bucket in which the median lies",
     cell: row => bound(row.p50_ns), order: row => row.p50_ns ?? Infinity},
    {title: "99 % below", number: true, help: "the end of the bucket in which the 99th percentile lies",
     cell: row => bound(row.p99_ns), order: row => row.p99_ns ?? Infinity},
    {title: "mean", number: true, cell: row => duration(row.total_ns / row.count), order: row => row.total_ns / row.count},
    {title: "together", number: true, cell: row => duration(row.total_ns), order: row => row.total_ns},
    {title: "", cell: row => bar(row.total_ns / this.most, colour("held"))},
    {title: "what it is", cell: row => row.help},
  ], 5);
  private readonly chart = element("figure", {class: "panel"},
    element("figcaption", {}, element("h3", {}, "How long they take"),
      element("span", {}, this.help, " ", element("label", {for: "cause"}, "Cause "), this.choice)),
    this.bars, element("details", {}, element("summary", {}, "Table"), this.binTable.root));
  private readonly all = element("div", {class: "panel"}, element("h3", {}, "By cause"), this.table.root);
  readonly root = element("section", {}, element("div", {class: "panel"}, element("h3", {}, "Slow paths"), this.note),
    this.chart, this.all);

  async update(store: Store): Promise<void> {
    const reading = await fetchReading(store.at);
    this.causes = (reading.latency?.causes ?? []).filter(row => row.count > 0).sort((a, b) => b.total_ns - a.total_ns);
    const none = this.causes.length === 0;
    this.chart.hidden = this.all.hidden = none;
    this.note.textContent = none
      ? `No slow path has been timed: a process reads no clock for it until it is asked. hakmem serve ${reading.pid} --latency has it ` +
        `done while the page is served, hakmem stat ${reading.pid} --latency 5 for five seconds.`
      : "All that was timed since the process began. A time includes what its path calls and waits for: a refill's that of its acquire. " +
        "A bar grows with the logarithm of its count. Most calls of malloc and free pass no slow path.";
    if (none) return;
    this.most = Math.max(1, ...this.causes.map(row => row.total_ns));
    this.table.show(this.causes);
    const chosen = this.choice.value;
    if (this.choice.options.length !== this.causes.length || document.activeElement !== this.choice) {
      this.choice.replaceChildren(...this.causes.map(row => element("option", {value: row.cause}, row.cause)));
      if (this.causes.some(row => row.cause === chosen)) this.choice.value = chosen;
    }
    this.showCause();
  }

  private showCause(): void {
    const row = this.causes.find(one => one.cause === this.choice.value) ?? this.causes[0];
    this.help.textContent = row.help;
    this.bins = binsOf(row, this.causes);
    this.binTable.show(this.bins.filter(bin => bin.value > 0));
    const most = Math.log2(1 + Math.max(1, ...this.bins.map(bin => bin.value)));
    const focused = [...this.bars.children].indexOf(document.activeElement as Element);
    this.bars.replaceChildren(...this.bins.map(({label, value}) => {
      const fill = element("span", {class: "fill"});
      fill.style.height = `${Math.log2(1 + value) / most * 100}%`;
      const tip = `${label}: ${count(value)} of ${row.cause}`;
      return element("div", {class: "bin", tabindex: 0, "aria-label": tip,
        mousemove: (event: MouseEvent) => showTip(tip, event.clientX, event.clientY), mouseleave: hideTip},
        element("span", {class: "column"}, fill), element("small", {}, label.split("–").pop() ?? ""));
    }));
    (this.bars.children[focused] as HTMLElement | undefined)?.focus();
  }
}

// Those of all causes together, so that causes can be compared.
function binsOf(row: Cause, causes: Cause[]): Bin[] {
  const ends = causes.flatMap(cause => cause.buckets.map(bucket => Math.min(NO_BOUND, bucket.below_ns)));
  const counts = new Map(row.buckets.map(bucket => [Math.min(NO_BOUND, bucket.below_ns), bucket.count]));
  const bins = [];
  for (let end = Math.min(...ends); end <= Math.max(...ends); end *= 2) {
    const label = end >= NO_BOUND ? `from ${duration(end / 2)}` : `${duration(end / 2)} – ${duration(end)}`;
    bins.push({label, value: counts.get(end) ?? 0});
  }
  return bins;
}

function bound(ns: number | null): string { return ns === null || ns >= NO_BOUND ? "–" : duration(ns); }

function duration(ns: number): string {
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]] as const) {
    if (ns >= size) return `${(ns / size).toFixed(ns / size < 100 ? 1 : 0)} ${unit}`;
  }
  return `${Math.round(ns)} ns`;
}
