// The last ten minutes: memory by part, and what the slow paths did. A click shows that moment in every view.
import {Sample, Store} from "./api";
import {TimeChart} from "./chart";
import {bytes, element, rate} from "./dom";
import {colour, rowColour} from "./colours";
import {View} from "./view";

const SHORT: Record<string, string> = {
  small_live: "held", huge_live: "held, huge", free: "free in slabs", cached: "in caches", tail: "ends of slabs", empty: "EMPTY",
  huge_retained: "huge, freed", metadata: "hakmem's own", files: "files", stack: "stack", other: "other", unexplained: "unexplained",
};

export class Timeline implements View {
  readonly id = "timeline";
  readonly title = "Timeline";
  private readonly memory: TimeChart;
  private readonly slots: TimeChart;
  private readonly traffic: TimeChart;
  private readonly pool: TimeChart;
  readonly root: HTMLElement;

  constructor(store: Store) {
    const choose = (time: number): void => store.show(time);
    this.memory = new TimeChart({title: "Memory by part", format: bytes, stacked: true, height: 260}, choose);
    this.slots = new TimeChart({title: "Slots of 64 KiB", format: value => bytes(value * 65536), stacked: true}, choose);
    this.traffic = new TimeChart({title: "Thread caches, a second", format: rate}, choose);
    this.pool = new TimeChart({title: "Pool, a second", format: rate}, choose);
    this.root = element("section", {class: "stack"}, this.memory.root,
      element("div", {class: "columns three"}, this.slots.root, this.traffic.root, this.pool.root));
  }

  update(store: Store): void {
    const {samples} = store, times = samples.map(sample => sample.t);
    const rows = store.head?.rows ?? [];
    // What never was there is no part of the picture.
    const parts = rows.map((row, index) => ({row, values: samples.map(sample => sample.ledger[index] ?? 0)}))
      .filter(({row, values}) => row.id !== "absent" && Math.max(0, ...values) > 0);
    this.memory.show(times, [
      ...parts.map(({row, values}) => ({label: SHORT[row.id] ?? row.label, colour: rowColour(row.id), values})),
      {label: "resident", colour: colour("ink"), values: samples.map(sample => sample.rss), line: true}]);
    this.slots.show(times, [
      {label: "ACTIVE", colour: colour("held"), values: samples.map(sample => sample.active_slots)},
      {label: "EMPTY", colour: colour("free3"), values: samples.map(sample => sample.empty_slots)},
      {label: "UNUSED", colour: colour("grid"), values: samples.map(sample => sample.unused_slots)}]);
    this.traffic.show(times, [
      {label: "refills", colour: colour("held"), values: rates(samples, sample => sample.refills)},
      {label: "flushes", colour: colour("free"), values: rates(samples, sample => sample.flushes)},
      {label: "messages sent", colour: colour("own"), values: rates(samples, sample => sample.messages_sent)}]);
    this.pool.show(times, [
      {label: "acquired", colour: colour("held"), values: rates(samples, sample => sample.pool_acquires)},
      {label: "released", colour: colour("free"), values: rates(samples, sample => sample.pool_releases)},
      {label: "slots purged", colour: colour("own"), values: rates(samples, sample => sample.purged_slots)}]);
  }
}

// By the process's own clock: what it has not written again did not happen since.
function rates(samples: Sample[], counter: (sample: Sample) => number): number[] {
  return samples.map((sample, i) => {
    const before = samples[i - 1];
    const ms = before === undefined ? 0 : sample.written - before.written;
    return ms > 0 ? Math.max(0, counter(sample) - counter(before)) * 1000 / ms : 0;
  });
}
