// The heap map as a picture: every slot of every SuperSlab. Hue is the size class, lightness how much of the slab is
// taken, hatching memory without pages. Pixels are written one by one: a hundred thousand slots are one image.
import {Kind, MapFrame, SLOTS} from "./api";
import {colour, pixel, slabPixel} from "./colours";

export type Filter = (slot: number) => boolean;

const LEVELS = 16;
const STRIP = SLOTS + 1;  // in slots: a SuperSlab and the gap behind it
const CELL_MAX = 22, ZOOM_MAX = 40, TALL_MAX = 2;
const GAP_FROM = 5;  // device pixels of a slot from which on slots are set apart

export class MapCanvas {
  frame: MapFrame | null = null;
  hovered = -1;
  selected = -1;
  zoom = 1;
  private filter: Filter | null = null;
  private originX = 0;
  private originY = 0;
  private columns = 1;
  private cell = 1;
  private tall = 1;  // height of a slot, in its widths
  private colours = new Uint32Array(256 * (LEVELS + 1));
  private scheduled = false;
  private image: ImageData | null = null;

  constructor(readonly canvas: HTMLCanvasElement) {
    new ResizeObserver(() => this.fit()).observe(canvas);
    canvas.dataset.draws = "0";
  }

  // `places`: of each class among those in use, 0 to 1.
  show(frame: MapFrame, places: number[]): void {
    const isNew = this.frame === null || this.frame.superslabs !== frame.superslabs;
    this.frame = frame;
    for (let size = 0; size < 256; ++size) {
      for (let level = 0; level <= LEVELS; ++level) {
        this.colours[size * (LEVELS + 1) + level] = slabPixel(places[size] ?? 0, level / LEVELS);
      }
    }
    if (isNew) this.layOut();
    this.schedule();
  }
  setFilter(filter: Filter | null): void {
    this.filter = filter;
    this.schedule();
  }

  // The largest slots with which all SuperSlabs are in sight.
  private layOut(): void {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight, strips = this.frame?.superslabs ?? 0;
    if (width === 0 || strips === 0) return;
    let best = 0;
    for (let columns = 1; columns <= strips; ++columns) {
      const widest = Math.min(CELL_MAX, width / (columns * STRIP - 1)), high = Math.min(height / Math.ceil(strips / columns), widest * TALL_MAX);
      const cell = Math.min(widest, high);
      if (cell * high <= best) continue;
      best = cell * high;
      this.columns = columns;
      this.cell = cell;
      this.tall = high / cell;
    }
    this.clamp();
  }
  fit(): void {
    this.zoom = 1;
    this.originX = this.originY = 0;
    this.layOut();
    this.schedule();
  }
  private clamp(): void {
    const scale = this.cell * this.zoom, rows = Math.ceil((this.frame?.superslabs ?? 0) / this.columns);
    const wide = (this.columns * STRIP - 1) * scale - this.canvas.clientWidth, high = rows * scale * this.tall - this.canvas.clientHeight;
    this.originX = Math.max(0, Math.min(this.originX, wide));
    this.originY = Math.max(0, Math.min(this.originY, high));
  }
  // So that what is under (x, y) stays there.
  zoomAt(factor: number, x: number, y: number): void {
    const zoom = Math.max(1, Math.min(ZOOM_MAX, this.zoom * factor));
    this.originX = (this.originX + x) * zoom / this.zoom - x;
    this.originY = (this.originY + y) * zoom / this.zoom - y;
    this.zoom = zoom;
    this.clamp();
    this.schedule();
  }
  move(dx: number, dy: number): void {
    this.originX -= dx;
    this.originY -= dy;
    this.clamp();
    this.schedule();
  }

  slotAt(x: number, y: number): number {
    const scale = this.cell * this.zoom;
    const across = Math.floor((x + this.originX) / scale), row = Math.floor((y + this.originY) / scale / this.tall);
    const column = Math.floor(across / STRIP), slot = across % STRIP;
    const superslab = row * this.columns + column;
    const there = this.frame !== null && column < this.columns && slot < SLOTS && superslab < this.frame.superslabs && row >= 0;
    return there ? superslab * SLOTS + slot : -1;
  }
  // In CSS pixels, and scrolled into sight.
  placeOf(slot: number): {x: number; y: number; wide: number; high: number} {
    const scale = this.cell * this.zoom, superslab = Math.floor(slot / SLOTS);
    return {x: ((superslab % this.columns) * STRIP + slot % SLOTS) * scale - this.originX,
            y: Math.floor(superslab / this.columns) * scale * this.tall - this.originY, wide: scale, high: scale * this.tall};
  }
  select(slot: number): void {
    this.selected = slot;
    const {x, y, wide, high} = this.placeOf(slot);
    this.move(x < 0 ? -x : Math.min(0, this.canvas.clientWidth - wide - x), y < 0 ? -y : Math.min(0, this.canvas.clientHeight - high - y));
  }
  step(dx: number, dy: number): void {
    const slots = this.frame?.slots ?? 0;
    if (slots === 0) return;
    if (this.selected < 0) return this.select(0);
    const to = this.selected + dx + dy * this.columns * SLOTS;
    if (to >= 0 && to < slots) this.select(to);
  }

  schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  private draw(): void {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight, ratio = devicePixelRatio;
    if (this.frame === null || width === 0) return;
    const begin = performance.now();
    const wide = Math.round(width * ratio), high = Math.round(height * ratio);
    const pen = this.canvas.getContext("2d", {alpha: false})!;
    if (this.image === null || this.image.width !== wide || this.image.height !== high) {
      this.canvas.width = wide;
      this.canvas.height = high;
      this.image = pen.createImageData(wide, high);
    }
    this.paint(new Uint32Array(this.image.data.buffer), wide, high, ratio);
    pen.putImageData(this.image, 0, 0);
    this.outline(pen, this.hovered, ratio, 1);
    this.outline(pen, this.selected, ratio, 2);
    this.canvas.dataset.drawMs = (performance.now() - begin).toFixed(1);
    this.canvas.dataset.draws = String(Number(this.canvas.dataset.draws) + 1);
    this.canvas.dataset.zoom = this.zoom.toFixed(2);
  }

  private outline(pen: CanvasRenderingContext2D, slot: number, ratio: number, thick: number): void {
    if (slot < 0 || slot >= (this.frame?.slots ?? 0)) return;
    const {x, y, wide, high} = this.placeOf(slot);
    pen.lineWidth = thick * ratio;
    pen.strokeStyle = colour("ink");
    pen.strokeRect(x * ratio - 1, y * ratio - 1, Math.max(3, wide * ratio) + 1, Math.max(3, high * ratio) + 1);
  }

  private paint(out: Uint32Array, wide: number, high: number, ratio: number): void {
    const frame = this.frame!, scale = this.cell * this.zoom * ratio, height = scale * this.tall;
    const left = this.originX * ratio, top = this.originY * ratio;
    const palette = {ground: pixel("panel"), faint: pixel("faint"), hatch: pixel("hatch"), hole: pixel("grid"),
                     huge: pixel("grey"), moving: pixel("quiet"), edge: pixel("line")};
    const gap = scale >= GAP_FROM ? Math.max(1, Math.round(ratio)) : 0;
    out.fill(palette.ground);
    const rowFirst = Math.max(0, Math.floor(top / height)), rowLast = Math.ceil((top + high) / height);
    const columnFirst = Math.max(0, Math.floor(left / scale / STRIP)), columnLast = Math.min(this.columns - 1, Math.floor((left + wide) / scale / STRIP));
    for (let row = rowFirst; row <= rowLast; ++row) {
      const y0 = Math.max(0, Math.round(row * height - top)), y1 = Math.min(high, Math.round((row + 1) * height - top) - gap);
      for (let column = columnFirst; column <= columnLast; ++column) {
        const superslab = row * this.columns + column;
        if (superslab >= frame.superslabs) return;
        for (let i = 0; i < SLOTS; ++i) {
          const start = (column * STRIP + i) * scale - left;
          const x1 = Math.min(wide, Math.round(start + scale) - gap);
          let x0 = Math.round(start);
          if (x1 <= 0 || x0 >= wide) continue;
          const slot = superslab * SLOTS + i;
          const kind = frame.kind(slot);
          if (kind === Kind.Tail && i > 0) x0 -= gap;  // one with the slot before it
          x0 = Math.max(0, x0);
          if (this.filter !== null && !this.filter(slot)) this.fill(out, wide, x0, x1, y0, y1, palette.faint);
          else if (kind === Kind.Slab || kind === Kind.Tail) {
            // What a filter found has an edge: nearly empty slabs are as pale as what it hides.
            const edge = this.filter !== null && gap > 0 ? gap : 0;
            if (edge > 0) this.fill(out, wide, x0, x1, y0, y1, palette.moving);
            this.fill(out, wide, kind === Kind.Tail ? x0 : x0 + edge, x1 - edge, y0 + edge, y1 - edge, this.colourOf(slot));
          }
          else if (kind === Kind.Unused) this.hatch(out, wide, x0, x1, y0, y1, palette.hole, palette.hatch);
          else if (kind === Kind.Empty) {
            this.fill(out, wide, x0, x1, y0, y1, palette.edge);
            if (gap > 0) this.fill(out, wide, x0 + gap, x1 - gap, y0 + gap, y1 - gap, palette.ground);
          } else this.fill(out, wide, x0, x1, y0, y1, kind === Kind.Huge ? palette.huge : palette.moving);
        }
      }
    }
  }

  private colourOf(slot: number): number {
    const size = this.frame!.sizeClass(slot), blocks = this.frame!.blocksOfSlab[size] || 1;
    return this.colours[size * (LEVELS + 1) + Math.min(LEVELS, Math.ceil(this.frame!.taken(slot) / blocks * LEVELS))];
  }
  private fill(out: Uint32Array, wide: number, x0: number, x1: number, y0: number, y1: number, value: number): void {
    for (let y = y0; y < y1; ++y) {
      for (let at = y * wide + x0; at < y * wide + x1; ++at) out[at] = value;
    }
  }
  private hatch(out: Uint32Array, wide: number, x0: number, x1: number, y0: number, y1: number, value: number, line: number): void {
    for (let y = y0; y < y1; ++y) {
      for (let x = x0; x < x1; ++x) out[y * wide + x] = (x + y) % 5 === 0 ? line : value;
    }
  }
}
