// Where the memory is: rows that sum to the resident size, and the few figures to know first.
import {Reading, Store, fetchReading} from "./api";
import {SortedTable, bar, bytes, count, counted, duration, element, percent} from "./dom";
import {colour, rowColour} from "./colours";
import {View} from "./view";

type Row = Reading["ledger"][number];

export class Overview implements View {
  readonly id = "overview";
  readonly title = "Overview";
  private readonly tiles = element("div", {class: "tiles"});
  private readonly strip = element("div", {class: "strip", role: "img"});
  private readonly sum = element("p", {class: "quiet"});
  private readonly events = element("ol", {class: "events"});
  private readonly facts = element("dl", {class: "facts"});
  private rss = 1;
  private readonly ledger = new SortedTable<Row>("Where the resident memory is", [
    {title: "part", cell: row => element("span", {}, swatch(row.id), row.label)},
    {title: "bytes", number: true, cell: row => bytes(row.bytes), order: row => row.bytes},
    {title: "share", number: true, cell: row => percent(row.bytes, this.rss)},
    {title: "", cell: row => bar(Math.abs(row.bytes) / this.rss, rowColour(row.id))},
  ], -1, true, (row, line) => line.classList.toggle("zero", row.bytes === 0));
  readonly root = element("section", {class: "overview"}, this.tiles,
    element("div", {class: "columns wide-left"},
      element("div", {class: "panel"}, element("h3", {}, "Resident memory"), this.strip, this.sum, this.ledger.root),
      element("div", {class: "stack"},
        element("div", {class: "panel"}, element("h3", {}, "Slots and caches"), this.facts),
        element("div", {class: "panel"}, element("h3", {}, "Events"), this.events))));

  async update(store: Store): Promise<void> {
    const reading = await fetchReading(store.at);
    this.rss = Math.max(1, reading.rss_bytes);
    this.ledger.show(reading.ledger);
    this.showStrip(reading);
    this.showTiles(reading, store);
    this.showFacts(reading.totals);
    this.showEvents(reading);
  }

  // As long as what the rows above zero sum to; the line shows where the resident memory ends.
  private showStrip(reading: Reading): void {
    const rows = reading.ledger.filter(row => row.bytes > 0);
    const whole = rows.reduce((sum, row) => sum + row.bytes, 0) || 1;
    this.strip.replaceChildren(...rows.map(row => {
      const part = element("span", {title: `${row.label}: ${bytes(row.bytes)}`});
      part.style.flexGrow = String(row.bytes / whole);
      part.style.background = rowColour(row.id);
      return part;
    }));
    const end = element("b", {title: `resident: ${bytes(this.rss)}`});
    end.style.left = `${Math.min(1, this.rss / whole) * 100}%`;
    this.strip.append(end);
    this.strip.setAttribute("aria-label", `Parts of ${bytes(this.rss)} resident memory; the table below has them.`);
    const absent = -(reading.ledger.find(row => row.id === "absent")?.bytes ?? 0);
    this.sum.textContent = `The rows sum to ${bytes(this.rss)}, which is what the kernel counts.` +
      (absent > 0 ? ` ${bytes(absent)} of the heap have no pages; they lie right of the mark.` : "");
  }

  private showTiles(reading: Reading, store: Store): void {
    const part = (id: string): number => reading.ledger.find(row => row.id === id)?.bytes ?? 0;
    const held = part("small_live") + part("huge_live");
    const idle = part("free") + part("cached") + part("tail") + part("empty") + part("huge_retained");
    const before = store.samples.find(sample => sample.t >= (store.shown?.t ?? 0) - 60_000);
    const change = reading.rss_bytes - (before?.rss ?? reading.rss_bytes);
    const tile = (label: string, value: string, note: string, tone = ""): HTMLElement =>
      element("div", {class: `tile ${tone}`}, element("span", {}, label), element("b", {}, value), element("small", {}, note));
    const failed = reading.totals.shared_fail ?? 0;
    this.tiles.replaceChildren(
      tile("resident", bytes(reading.rss_bytes), `${change < 0 ? "" : "+"}${bytes(change)} in ${duration(((store.shown?.t ?? 0) - (before?.t ?? 0)) / 1000)}`),
      tile("held by the program", bytes(held), "rounded to size classes"),
      tile("not held", bytes(idle), `${percent(idle, held + idle)} of the heap`, idle > held && idle > 1 << 24 ? "warn" : ""),
      tile("hakmem's own", bytes(part("metadata")), `${percent(part("metadata"), reading.rss_bytes)} of the resident`),
      tile("memory refused", count(failed), failed > 0 ? "shared_fail: see events" : "shared_fail: never", failed > 0 ? "warn" : ""),
      tile("age of the figures", reading.age_ms < 2000 ? `${reading.age_ms} ms` : duration(reading.age_ms / 1000),
           reading.age_ms < 2000 ? "the process is busy" : "idle, or served by its caches"));
  }

  private showFacts(totals: Record<string, number>): void {
    const slots = (totals.active_slots ?? 0) + (totals.empty_slots ?? 0) + (totals.unused_slots ?? 0);
    const facts: [string, string][] = [
      ["slots of 64 KiB", `${count(totals.active_slots ?? 0)} ACTIVE, ${count(totals.empty_slots ?? 0)} EMPTY, ${count(totals.unused_slots ?? 0)} UNUSED of ${count(slots)}`],
      ["committed", `${bytes(totals.committed_bytes ?? 0)} of ${bytes(totals.reserved_bytes ?? 0)} reserved`],
      ["reservations", `${totals.reservations} of ${count(totals.reservations_max ?? 0)}`],
      ["pool", `${counted(totals.pool_acquires ?? 0, "acquire")}, ${counted(totals.pool_releases ?? 0, "release")}, ${count(totals.pool_grows ?? 0)} grown`],
      ["purged", `${bytes((totals.purged_slots ?? 0) * 65536)} so far, ${count(totals.purge_refusals ?? 0)} refused`],
      ["thread caches", `${totals.caches}, ${totals.parked_caches} parked`],
      ["messages", `${count(totals.messages_sent ?? 0)} sent, ${count(totals.messages_received ?? 0)} received`],
      ["slabs adopted", count(totals.slabs_adopted ?? 0)],
    ];
    this.facts.replaceChildren(...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  }

  private showEvents(reading: Reading): void {
    const now = (reading.totals.written_ms ?? 0) + reading.age_ms;
    const events = [...reading.events].sort((a, b) => b.number - a.number).slice(0, 12);
    this.events.replaceChildren(...events.map(event => element("li", {},
      element("time", {}, `${duration(Math.max(0, now - event.time_ms) / 1000)} ago`),
      element("span", {}, element("b", {}, event.unit === "bytes" ? bytes(event.amount) : count(event.amount)), ` ${event.help}`))));
    if (events.length === 0) this.events.append(element("li", {class: "quiet"}, "none yet"));
  }
}

function swatch(id: string): HTMLElement {
  const made = element("i", {class: "swatch"});
  made.style.background = rowColour(id) || colour("quiet");
  return made;
}
