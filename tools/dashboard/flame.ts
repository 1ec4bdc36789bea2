// Which call sites hold the heap: the flame graph of `hakmem profile`, a page of its own in a frame.
import {element} from "./dom";
import {View} from "./view";

export class Flame implements View {
  readonly id = "flame";
  readonly title = "Flame graph";
  private shown = false;
  private readonly frame = element("iframe", {title: "Flame graph of what is live", class: "flame"});
  readonly root = element("section", {class: "stack"}, element("div", {class: "panel"},
    element("div", {class: "controls"},
      element("button", {type: "button", click: () => this.read()}, "Read again"),
      element("a", {href: "/debug/pprof/heap"}, "heap.pb.gz"),
      element("span", {class: "quiet"}, "What is live now, by samples; it does not follow the time line.")),
    this.frame));

  private read(): void { this.frame.src = `/flame?at=${Date.now()}`; }

  // Names are looked up for each reading, so only when somebody asks.
  update(): void {
    if (this.shown) return;
    this.shown = true;
    this.read();
  }
}
