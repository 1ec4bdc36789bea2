// The size classes in use: slabs, blocks, and the memory in them that nobody holds.
import {ClassRow, Store, fetchReading} from "./api";
import {SortedTable, bar, bytes, count, counted, element, percent} from "./dom";
import {colour} from "./colours";
import {View} from "./view";

const live = (row: ClassRow): number => row.blocks - row.free_blocks - row.cached_blocks;
const idle = (row: ClassRow): number => (row.free_blocks + row.cached_blocks) * row.block_bytes;

export class Classes implements View {
  readonly id = "classes";
  readonly title = "Classes";
  private readonly note = element("p", {class: "quiet"});
  private most = 1;
  private readonly table = new SortedTable<ClassRow>("Size classes in use", [
    {title: "block", number: true, cell: row => bytes(row.block_bytes), order: row => row.block_bytes},
    {title: "slabs", number: true, cell: row => count(row.slabs), order: row => row.slabs},
    {title: "blocks in use", number: true, cell: row => count(live(row)), order: live},
    {title: "in use", number: true, cell: row => percent(live(row), row.blocks), order: row => live(row) / row.blocks},
    {title: "", cell: row => bar(live(row) / row.blocks, colour("held"))},
    {title: "free in slabs", number: true, cell: row => count(row.free_blocks), order: row => row.free_blocks},
    {title: "in caches", number: true, cell: row => count(row.cached_blocks), order: row => row.cached_blocks},
    {title: "held", number: true, cell: row => bytes(live(row) * row.block_bytes), order: row => live(row) * row.block_bytes},
    {title: "not held", number: true, cell: row => bytes(idle(row)), order: idle},
    {title: "", cell: row => bar(idle(row) / this.most, colour("free"))},
  ], 8);
  readonly root = element("section", {}, element("div", {class: "panel"}, element("h3", {}, "Size classes"), this.note, this.table.root));

  async update(store: Store): Promise<void> {
    const {classes} = await fetchReading(store.at);
    this.most = Math.max(1, ...classes.map(idle));
    const sum = classes.reduce((bytesSoFar, row) => bytesSoFar + idle(row), 0);
    this.note.textContent = `${counted(classes.length, "class has", "classes have")} slabs; ${bytes(sum)} in them are held by nobody. Headings sort.`;
    this.table.show(classes);
  }
}
