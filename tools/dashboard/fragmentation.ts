// Which slabs are how full, and what a few blocks keep from going back.
import {Kind, MapFrame, SLOT_BYTES, Store, fetchMap} from "./api";
import {SortedTable, bar, bytes, count, element, hideTip, percent, showTip} from "./dom";
import {colour} from "./colours";
import {View} from "./view";

// As `hakmem map` has it.
export const nearlyEmpty = (taken: number, blocks: number): boolean => taken > 0 && taken * 16 <= blocks;
const BINS = 20;

interface Sum { block: number; slabs: number; blocks: number; taken: number; pinned: number; pinnedBytes: number; bins: number[] }

export class Fragmentation implements View {
  readonly id = "fragmentation";
  readonly title = "Fragmentation";
  private readonly note = element("p", {class: "quiet"});
  private readonly bars = element("div", {class: "histogram"});
  private most = 1;
  private readonly table = new SortedTable<Sum>("Slabs by class and by how full they are", [
    {title: "block", number: true, cell: row => bytes(row.block), order: row => row.block},
    {title: "slabs", number: true, cell: row => count(row.slabs), order: row => row.slabs},
    {title: "taken", number: true, cell: row => percent(row.taken, row.blocks), order: row => row.taken / row.blocks},
    {title: "below a quarter", number: true, cell: row => count(row.bins.slice(0, 5).reduce(add, 0)), order: row => row.bins.slice(0, 5).reduce(add, 0)},
    {title: "below half", number: true, cell: row => count(row.bins.slice(0, 10).reduce(add, 0)), order: row => row.bins.slice(0, 10).reduce(add, 0)},
    {title: "full", number: true, cell: row => count(row.bins[BINS]), order: row => row.bins[BINS]},
    {title: "free in slabs", number: true, cell: row => bytes(free(row)), order: free},
    {title: "", cell: row => bar(free(row) / this.most, colour("free"))},
    {title: "pinned", number: true, help: "free memory of slabs of which one block in sixteen or fewer is taken",
     cell: row => (row.pinned > 0 ? `${bytes(row.pinnedBytes)} in ${count(row.pinned)}` : "–"), order: row => row.pinnedBytes},
  ], 6);
  readonly root = element("section", {},
    element("div", {class: "panel"}, element("h3", {}, "How full the slabs are"), this.note, this.bars),
    element("div", {class: "panel"}, element("h3", {}, "By class"), this.table.root));

  async update(store: Store): Promise<void> {
    const frame = await fetchMap(store.at);
    const sums = [...sumsOf(frame).values()];
    this.most = Math.max(1, ...sums.map(free));
    this.table.show(sums);
    const pinned = sums.reduce((sum, row) => sum + row.pinnedBytes, 0);
    this.note.textContent = `${bytes(sums.reduce((sum, row) => sum + free(row), 0))} are free inside slabs; ${bytes(pinned)} of that are in slabs ` +
      `of which one block in sixteen or fewer is taken. Each bar is the memory of the slabs that are that full; blocks in thread caches count as taken.`;
    this.showBars(frame);
  }

  private showBars(frame: MapFrame): void {
    const bins = new Array<number>(BINS + 1).fill(0);
    let head = 0;
    for (let slot = 0; slot < frame.slots; ++slot) {
      const kind = frame.kind(slot);
      if (kind === Kind.Slab) head = binOf(frame, slot);
      if (kind === Kind.Slab || kind === Kind.Tail) bins[head] += SLOT_BYTES;
    }
    const most = Math.max(1, ...bins);
    this.bars.replaceChildren(...bins.map((value, bin) => {
      const label = bin === BINS ? "full" : `${bin * 5}–${bin * 5 + 5} %`;
      const fill = element("span", {class: "fill"});
      fill.style.height = `${value / most * 100}%`;
      const tip = `${label} taken: ${bytes(value)} of slabs`;
      return element("div", {class: "bin", tabindex: 0, "aria-label": tip,
        mousemove: (event: MouseEvent) => showTip(tip, event.clientX, event.clientY), mouseleave: hideTip},
        element("span", {class: "column"}, fill), element("small", {}, bin === BINS ? "full" : bin % 2 === 0 ? `${bin * 5} %` : ""));
    }));
  }
}

const add = (a: number, b: number): number => a + b;
const free = (row: Sum): number => (row.blocks - row.taken) * row.block;

function binOf(frame: MapFrame, slot: number): number {
  const blocks = frame.blocksOfSlab[frame.sizeClass(slot)] || 1;
  return Math.min(BINS, Math.floor(frame.taken(slot) / blocks * BINS));
}

export function sumsOf(frame: MapFrame): Map<number, Sum> {
  const sums = new Map<number, Sum>();
  for (let slot = 0; slot < frame.slots; ++slot) {
    if (frame.kind(slot) !== Kind.Slab) continue;
    const size = frame.sizeClass(slot), blocks = frame.blocksOfSlab[size], block = frame.blockBytes[size], taken = frame.taken(slot);
    let sum = sums.get(size);
    if (sum === undefined) {
      sum = {block, slabs: 0, blocks: 0, taken: 0, pinned: 0, pinnedBytes: 0, bins: new Array<number>(BINS + 1).fill(0)};
      sums.set(size, sum);
    }
    ++sum.slabs;
    sum.blocks += blocks;
    sum.taken += taken;
    ++sum.bins[binOf(frame, slot)];
    if (nearlyEmpty(taken, blocks)) {
      ++sum.pinned;
      sum.pinnedBytes += (blocks - taken) * block;
    }
  }
  return sums;
}
