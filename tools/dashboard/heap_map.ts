// The heap map's view: filters, legend, what lies under the pointer, and the same as a table.
import {Kind, MapFrame, SLOTS, Store, fetchMap} from "./api";
import {SortedTable, bytes, clock, count, counted, duration, element, hideTip, percent, showTip} from "./dom";
import {slabColour} from "./colours";
import {nearlyEmpty} from "./fragmentation";
import {Filter, MapCanvas} from "./map_canvas";
import {View} from "./view";

const KINDS = ["UNUSED: no pages, or given back", "EMPTY: keeps its pages until it decays", "slab", "slab", "huge block", "changing hands"];

interface ClassSum { size: number; block: number; slots: number; slabs: number; blocks: number; taken: number }

export class HeapMap implements View {
  readonly id = "map";
  readonly title = "Heap map";
  private frame: MapFrame | null = null;
  private places: number[] = [];
  private heads: Int32Array = new Int32Array(0);  // of each slot the first one of its slab
  private readonly canvas = element("canvas", {id: "heap", tabindex: 0, role: "application",
    "aria-label": "Heap map. Arrows move from slot to slot, plus and minus zoom, 0 shows all, Enter shows only this class, Escape shows all classes."});
  private readonly picture = new MapCanvas(this.canvas);
  private readonly classChoice = element("select", {id: "class", change: () => this.applyFilter()});
  private readonly stateChoice = element("select", {id: "state", change: () => this.applyFilter()},
    ...[["all", "all slots"], ["pinned", "pinned: one block in sixteen or fewer taken"], ["quarter", "slabs below a quarter"],
        ["half", "slabs below half"], ["full", "full slabs"], ["empty", "EMPTY"], ["unused", "UNUSED"], ["huge", "huge blocks"]]
      .map(([value, text]) => element("option", {value}, text)));
  private readonly matches = element("span", {class: "quiet", id: "matches"});
  private readonly detail = element("dl", {class: "facts", id: "slot", "aria-live": "polite"});
  private readonly note = element("p", {class: "quiet"});
  private readonly sizes = element("span", {class: "ramp"});
  private readonly fullness = element("span", {class: "ramp"});
  private readonly table = new SortedTable<ClassSum>("Slots by class", [
    {title: "block", number: true, cell: row => element("button", {type: "button", click: () => this.choose(row.size)}, bytes(row.block)), order: row => row.block},
    {title: "slots", number: true, cell: row => count(row.slots), order: row => row.slots},
    {title: "taken", number: true, cell: row => percent(row.taken, row.blocks), order: row => row.taken / row.blocks}], 1);
  readonly root: HTMLElement;

  constructor() {
    const zoom = (label: string, name: string, action: () => void): HTMLElement =>
      element("button", {type: "button", class: "small", "aria-label": name, title: name, click: action}, label);
    const middle = (factor: number) => () => this.picture.zoomAt(factor, this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
    this.root = element("section", {class: "map"},
      element("div", {class: "controls"},
        element("label", {}, "class ", this.classChoice), element("label", {}, "show ", this.stateChoice), this.matches,
        element("span", {class: "group"}, zoom("−", "Zoom out", middle(1 / 1.5)), zoom("+", "Zoom in", middle(1.5)), zoom("all", "Show all", () => this.picture.fit()))),
      element("div", {class: "columns map-right"},
        element("div", {class: "panel flush"}, this.canvas, this.legend()),
        element("div", {class: "stack"},
          element("div", {class: "panel"}, element("h3", {}, "Slot"), this.detail),
          element("div", {class: "panel"}, element("h3", {}, "Table"), this.note, this.table.root))));
    this.listen();
    this.describe(-1);
  }

  private legend(): HTMLElement {
    const swatch = (name: string, text: string): HTMLElement => element("span", {}, element("i", {class: `swatch ${name}`}), text);
    return element("div", {class: "legend"}, element("span", {}, "small blocks ", this.sizes, " large"),
      element("span", {}, "empty ", this.fullness, " full"),
      swatch("hatched", "UNUSED, no pages"), swatch("hollow", "EMPTY"), swatch("huge", "huge block"));
  }

  private listen(): void {
    this.canvas.addEventListener("wheel", event => {
      event.preventDefault();
      this.picture.zoomAt(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
    }, {passive: false});
    let dragged = 0;
    this.canvas.addEventListener("pointerdown", event => { dragged = 0; this.canvas.setPointerCapture(event.pointerId); });
    this.canvas.addEventListener("pointermove", event => {
      if (event.buttons === 1) {
        dragged += Math.abs(event.movementX) + Math.abs(event.movementY);
        this.picture.move(event.movementX, event.movementY);
      }
      this.hover(this.picture.slotAt(event.offsetX, event.offsetY), event);
    });
    this.canvas.addEventListener("pointerleave", () => this.hover(-1, null));
    this.canvas.addEventListener("click", event => {
      const slot = this.picture.slotAt(event.offsetX, event.offsetY);
      if (dragged < 4 && slot >= 0) this.select(() => this.picture.select(slot));
    });
    this.canvas.addEventListener("dblclick", event => this.picture.zoomAt(2, event.offsetX, event.offsetY));
    this.canvas.addEventListener("keydown", event => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => this.picture.step(-1, 0), ArrowRight: () => this.picture.step(1, 0),
      ArrowUp: () => this.picture.step(0, -1), ArrowDown: () => this.picture.step(0, 1),
      "+": () => this.picture.zoomAt(1.5, x, y), "=": () => this.picture.zoomAt(1.5, x, y),
      "-": () => this.picture.zoomAt(1 / 1.5, x, y), "0": () => this.picture.fit(),
      Enter: () => { if (this.isSlab(this.picture.selected)) this.choose(this.frame!.sizeClass(this.picture.selected)); },
      Escape: () => this.choose(-1),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in actions)) return;
    event.preventDefault();
    event.stopPropagation();
    this.select(actions[event.key]);
  }
  private select(action: () => void): void {
    action();
    this.describe(this.picture.selected);
  }

  async update(store: Store): Promise<void> {
    const frame = await fetchMap(store.at);
    this.frame = frame;
    this.indexHeads(frame);
    const sums = this.sum(frame);
    this.places = [];
    sums.forEach((sum, index) => { this.places[sum.size] = sums.length > 1 ? index / (sums.length - 1) : 0; });
    this.picture.show(frame, this.places);
    this.table.show(sums);
    this.showChoices(sums);
    const ramp = (colourAt: (at: number) => string): string => `linear-gradient(90deg, ${[0, 0.2, 0.4, 0.6, 0.8, 1].map(colourAt).join(", ")})`;
    this.sizes.style.background = ramp(at => slabColour(at, 0.85));
    this.fullness.style.background = ramp(at => slabColour(0.2, at));
    this.note.textContent = `${counted(frame.superslabs, "SuperSlab")} of 32 slots` +
      (frame.neverOpened > 0 ? `, ${count(frame.neverOpened)} more committed and never used` : "") + `, at ${clock(frame.time)}`;
    this.applyFilter();
    this.describe(this.picture.selected);
  }

  private indexHeads(frame: MapFrame): void {
    this.heads = new Int32Array(frame.slots);
    let head = 0;
    for (let slot = 0; slot < frame.slots; ++slot) {
      if (frame.kind(slot) !== Kind.Tail) head = slot;
      this.heads[slot] = head;
    }
  }
  private sum(frame: MapFrame): ClassSum[] {
    const sums = new Map<number, ClassSum>();
    for (let slot = 0; slot < frame.slots; ++slot) {
      if (!this.isSlab(slot)) continue;
      const size = frame.sizeClass(slot);
      let sum = sums.get(size);
      if (sum === undefined) sums.set(size, sum = {size, block: frame.blockBytes[size], slots: 0, slabs: 0, blocks: 0, taken: 0});
      ++sum.slots;
      if (frame.kind(slot) !== Kind.Slab) continue;
      ++sum.slabs;
      sum.blocks += frame.blocksOfSlab[size];
      sum.taken += frame.taken(slot);
    }
    return [...sums.values()].sort((a, b) => a.block - b.block);
  }

  private showChoices(sums: ClassSum[]): void {
    const before = this.classChoice.value || "-1";
    // An open list that is filled anew would close.
    const wanted = ["-1", ...sums.map(sum => String(sum.size))];
    if ([...this.classChoice.options].map(option => option.value).join() === wanted.join()) return;
    this.classChoice.replaceChildren(element("option", {value: "-1"}, "all classes"),
      ...sums.map(sum => element("option", {value: sum.size}, bytes(sum.block))));
    this.classChoice.value = wanted.includes(before) ? before : "-1";
  }
  private choose(size: number): void {
    this.classChoice.value = String(size);
    this.applyFilter();
  }

  private isSlab(slot: number): boolean {
    const kind = slot >= 0 && this.frame !== null ? this.frame.kind(slot) : Kind.Unused;
    return kind === Kind.Slab || kind === Kind.Tail;
  }
  private applyFilter(): void {
    const size = Number(this.classChoice.value || -1), state = this.stateChoice.value, frame = this.frame;
    if (frame === null) return;
    const share = (slot: number): number => frame.taken(slot) / (frame.blocksOfSlab[frame.sizeClass(slot)] || 1);
    const states: Record<string, Filter> = {
      all: () => true,
      pinned: slot => this.isSlab(slot) && nearlyEmpty(frame.taken(slot), frame.blocksOfSlab[frame.sizeClass(slot)]),
      quarter: slot => this.isSlab(slot) && share(slot) < 0.25,
      half: slot => this.isSlab(slot) && share(slot) < 0.5,
      full: slot => this.isSlab(slot) && share(slot) >= 1,
      empty: slot => frame.kind(slot) === Kind.Empty,
      unused: slot => frame.kind(slot) === Kind.Unused,
      huge: slot => frame.kind(slot) === Kind.Huge,
    };
    const inState = states[state];
    const filter: Filter | null = size < 0 && state === "all" ? null
      : slot => inState(slot) && (size < 0 || (this.isSlab(slot) && frame.sizeClass(slot) === size));
    this.picture.setFilter(filter);
    let found = 0;
    for (let slot = 0; filter !== null && slot < frame.slots; ++slot) found += filter(slot) ? 1 : 0;
    this.matches.textContent = filter === null ? counted(frame.slots, "slot") : `${count(found)} of ${counted(frame.slots, "slot")}`;
  }

  private hover(slot: number, event: PointerEvent | null): void {
    this.picture.hovered = slot;
    this.picture.schedule();
    if (slot < 0 || event === null) return hideTip();
    showTip(this.facts(slot).map(([name, value]) => `${name}: ${value}`).join("\n"), event.clientX, event.clientY);
  }
  private facts(slot: number): [string, string][] {
    const frame = this.frame;
    if (frame === null || slot < 0 || slot >= frame.slots) return [];
    const list: [string, string][] = [["place", frame.place(slot)]];
    if (!this.isSlab(slot)) return [...list, ["state", KINDS[frame.kind(slot)]]];
    const head = this.heads[slot], size = frame.sizeClass(slot), blocks = frame.blocksOfSlab[size], taken = frame.taken(slot);
    const age = frame.age(slot);
    let slots = 1;
    while ((head + slots) % SLOTS !== 0 && frame.kind(head + slots) === Kind.Tail) ++slots;
    return [...list, ["blocks of", bytes(frame.blockBytes[size])], ["taken", `${count(taken)} of ${count(blocks)}, ${percent(taken, blocks)}`],
      ["free", bytes((blocks - taken) * frame.blockBytes[size])], ["slab", counted(slots, "slot")],
      ...(age === null ? [] : [["age", duration(age)] as [string, string]]), ["owner", `thread cache ${frame.owner(slot)}`]];
  }
  private describe(slot: number): void {
    const facts = this.facts(slot);
    this.detail.replaceChildren(...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    if (facts.length === 0) this.detail.append(element("dd", {class: "quiet"}, "Click a slot, or go there with the arrow keys."));
  }
}
