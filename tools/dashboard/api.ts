// What the server gives, and how the page keeps up with it.

export interface Row { id: string; label: string }
export interface Sample {
  t: number; rss: number; age: number; written: number; ledger: number[];
  active_slots: number; empty_slots: number; unused_slots: number; purged_slots: number; refills: number; flushes: number;
  messages_sent: number; pool_acquires: number; pool_releases: number; pool_grows: number; shared_fail: number;
}
export interface History {
  pid: number; name: string; command: string; user: string; threads: number; age_s: number; now_ms: number;
  ended_ms: number; trouble: string; map_trouble: string; version: string; rows: Row[]; samples: Sample[];
}
export interface ClassRow {
  block_bytes: number; slab_bytes: number; slabs: number; blocks: number; free_blocks: number; cached_blocks: number;
}
export interface EventRow { number: number; time_ms: number; kind: string; unit: string; help: string; amount: number }
// Counts of durations below a bound, and not below the one before; the last bound is no bound. null: beyond it.
export interface Cause {
  cause: string; help: string; count: number; p50_ns: number | null; p99_ns: number | null; total_ns: number;
  buckets: {below_ns: number; count: number}[];
}
export interface Reading {
  pid: number; name: string; age_ms: number; answered: boolean; rss_bytes: number;
  ledger: {id: string; label: string; bytes: number}[];
  totals: Record<string, number>; classes: ClassRow[]; events: EventRow[];
  latency?: {causes: Cause[]};
}
export interface OptionRow { name: string; variable: string; value: string; source: string; default: boolean; help: string }
export interface Explanation {
  options: OptionRow[]; ignored: string[]; others: {setting: string; equivalent: string; note: string}[];
}

export const enum Kind { Unused, Empty, Slab, Tail, Huge, Moving }
export const SLOTS = 32;
export const SLOT_BYTES = 65536;

// A heap map: two words a slot, see tools/serve/map_film.h.
export class MapFrame {
  readonly superslabs: number;
  readonly neverOpened: number;
  private readonly now: number;
  readonly blockBytes: number[] = [];
  readonly blocksOfSlab: number[] = [];
  private readonly places: Uint32Array;
  readonly cells: Uint32Array;

  constructor(buffer: ArrayBuffer, readonly time: number) {
    const words = new Uint32Array(buffer);
    const [superslabs, classes, neverOpened, now] = words;
    this.superslabs = superslabs;
    this.neverOpened = neverOpened;
    this.now = now;
    for (let i = 0; i < classes; ++i) {
      this.blockBytes.push(words[4 + 2 * i]);
      this.blocksOfSlab.push(words[5 + 2 * i]);
    }
    const places = 4 + 2 * classes;
    this.places = words.subarray(places, places + 2 * superslabs);
    this.cells = words.subarray(places + 2 * superslabs);
  }

  get slots(): number { return this.superslabs * SLOTS; }
  kind(slot: number): Kind { return this.cells[3 * slot] & 0xff; }
  sizeClass(slot: number): number { return this.cells[3 * slot] >> 8 & 0xff; }
  taken(slot: number): number { return this.cells[3 * slot] >>> 16; }
  owner(slot: number): number { return this.cells[3 * slot + 1]; }
  // Seconds since the slab was taken for its class; null: the library does not say.
  age(slot: number): number | null { return this.now === 0 ? null : Math.max(0, this.now - this.cells[3 * slot + 2]); }
  place(slot: number): string {
    const superslab = Math.floor(slot / SLOTS);
    return `${this.places[2 * superslab]}/${this.places[2 * superslab + 1]} slot ${slot % SLOTS}`;
  }
}

async function get(path: string): Promise<Response> {
  const response = await fetch(path, {cache: "no-store", credentials: "same-origin"});
  if (!response.ok) throw new Error((await response.text()).trim() || `${response.status}`);
  return response;
}
const moment = (at: number | null): string => (at === null ? "" : `?at=${at}`);
export async function fetchReading(at: number | null): Promise<Reading> { return (await get(`/api/reading${moment(at)}`)).json(); }
export async function fetchOptions(): Promise<Explanation> { return (await get("/api/options")).json(); }
export async function fetchMap(at: number | null): Promise<MapFrame> {
  const response = await get(`/api/map${moment(at)}`);
  return new MapFrame(await response.arrayBuffer(), Number(response.headers.get("X-Hakmem-Time")));
}

const SPAN_MS = 600_000;

// The time line so far; `at` is the moment that is shown, null: the newest.
export class Store {
  head: History | null = null;
  samples: Sample[] = [];
  at: number | null = null;
  lost = "";  // why the server does not answer
  private readonly listeners: (() => void)[] = [];

  onChange(listener: () => void): void { this.listeners.push(listener); }
  changed(): void { for (const listener of this.listeners) listener(); }

  show(at: number | null): void {
    this.at = at;
    this.changed();
  }

  get shown(): Sample | undefined {
    if (this.at === null) return this.samples[this.samples.length - 1];
    const at = this.at;
    return [...this.samples].reverse().find(sample => sample.t <= at) ?? this.samples[0];
  }

  async follow(): Promise<void> {
    for (;;) {
      try {
        const since = this.samples.length > 0 ? this.samples[this.samples.length - 1].t : 0;
        const head: History = await (await get(`/api/history?since=${since}`)).json();
        this.head = head;
        this.samples.push(...head.samples);
        const newest = this.samples.length > 0 ? this.samples[this.samples.length - 1].t : 0;
        while (this.samples.length > 0 && this.samples[0].t + SPAN_MS < newest) this.samples.shift();
        this.lost = "";
      } catch (error) {
        this.lost = error instanceof TypeError ? "hakmem serve has stopped, or does not answer" : String((error as Error).message);
      }
      this.changed();
      await new Promise(done => setTimeout(done, document.hidden ? 3000 : 1000));
    }
  }
}
