// The page: header, views, and the bar that goes back in time.
import {Store} from "./api";
import {Classes} from "./classes";
import {colour} from "./colours";
import {bytes, clock, counted, duration, element, hideTip} from "./dom";
import {Flame} from "./flame";
import {Fragmentation} from "./fragmentation";
import {HeapMap} from "./heap_map";
import {Latency} from "./latency";
import {Options} from "./options";
import {Overview} from "./overview";
import {Timeline} from "./timeline";
import {View} from "./view";

const store = new Store();
const views: View[] = [new Overview(), new HeapMap(), new Classes(), new Fragmentation(), new Timeline(store), new Latency(), new Flame(), new Options()];

const name = element("h1");
const about = element("p", {class: "quiet about"});
const status = element("span", {id: "status", role: "status"});
const banner = element("div", {id: "banner", role: "alert", hidden: true});
const main = element("main", {id: "content"});
const tabs = views.map((view, index) =>
  element("a", {href: `#${view.id}`, title: `key ${index + 1}`}, view.title));

const spark = element("canvas", {"aria-hidden": "true"});
const slider = element("input", {type: "range", id: "moment", min: 0, max: 0, step: 1, "aria-label": "Moment that is shown",
  input: () => {
    const index = Number(slider.value), last = store.samples.length - 1;
    store.show(index >= last && !store.head?.ended_ms ? null : store.samples[index].t);
  }});
const live = element("button", {type: "button", id: "live", click: () => store.show(null)}, "Live");
const momentText = element("output", {for: "moment"});

document.body.append(
  element("a", {class: "skip", href: "#content"}, "Skip to the figures"),
  element("header", {}, element("div", {class: "title"}, element("span", {class: "brand"}, "hakmem"), name, about), status),
  element("nav", {"aria-label": "Views"}, ...tabs),
  banner, main,
  element("footer", {}, live, element("div", {class: "track"}, spark, slider), momentText));

function current(): View { return views.find(view => `#${view.id}` === location.hash) ?? views[0]; }

function showView(): void {
  const view = current();
  tabs.forEach((tab, index) => {
    if (views[index] === view) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  });
  main.replaceChildren(view.root);
  hideTip();
  refresh();
}

// One request at a time; what was asked for meanwhile is asked once more. A moment of the past does not change.
let busy = false, again = false, done = "";
async function refresh(): Promise<void> {
  const wanted = `${location.hash} ${store.at} ${store.at !== null && current().id !== "timeline" ? "" : store.samples[store.samples.length - 1]?.t}`;
  if (store.samples.length === 0 || (!busy && wanted === done)) return;
  if (busy) { again = true; return; }
  busy = true;
  do {
    again = false;
    const view = current();
    try {
      await view.update(store);
      view.root.dataset.ready = "yes";
      done = wanted;
    } catch (error) {
      if (!store.lost) showBanner(`${view.title}: ${(error as Error).message}`);
    }
  } while (again);
  busy = false;
}

function showBanner(text: string): void {
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = text === "";
}

function showFrame(): void {
  const {head, samples} = store;
  if (head !== null) {
    document.title = `${head.name}[${head.pid}] – hakmem`;
    name.textContent = `${head.name}[${head.pid}]`;
    about.textContent = `${head.command || head.name}  ·  ${head.user}  ·  up ${duration(head.age_s)}  ·  ${counted(head.threads, "thread")}`;
    about.title = head.command;
  }
  const ended = head?.ended_ms ?? 0;
  const [state, text] = store.lost ? ["lost", "no connection"] : ended ? ["ended", `ended ${clock(ended)}`]
    : store.at !== null ? ["replay", `at ${clock(store.at)}`] : ["live", "live"];
  status.dataset.state = state;
  status.textContent = text;
  const old = head !== null && !ended && head.trouble;
  showBanner(store.lost ? `${store.lost}. What was seen so far stays on this page.`
    : ended ? `Process ${head!.pid} ended at ${clock(ended)}. What was seen of it stays here until hakmem serve is stopped.`
    : old ? `No new figures: ${head!.trouble}` : "");
  showTrack(samples.length - 1);
}

function showTrack(last: number): void {
  slider.max = String(Math.max(0, last));
  const shown = store.shown;
  slider.value = String(store.at === null ? last : store.samples.findIndex(sample => sample === shown));
  momentText.textContent = shown === undefined ? "" : `${clock(shown.t)}  ${bytes(shown.rss)}`;
  slider.setAttribute("aria-valuetext", momentText.textContent);
  live.setAttribute("aria-pressed", String(store.at === null));
  live.textContent = store.head?.ended_ms ? "Last" : "Live";
  drawSpark();
}

function drawSpark(): void {
  const width = spark.clientWidth, height = spark.clientHeight, ratio = devicePixelRatio;
  if (width === 0) return;
  spark.width = width * ratio;
  spark.height = height * ratio;
  const pen = spark.getContext("2d")!;
  pen.scale(ratio, ratio);
  const {samples} = store, most = Math.max(1, ...samples.map(sample => sample.rss));
  // The ends of the track are where the middle of the slider's thumb can go.
  const x = (i: number): number => 8 + (samples.length > 1 ? i / (samples.length - 1) : 1) * (width - 16);
  pen.fillStyle = colour("faint");
  pen.strokeStyle = colour("held");
  pen.beginPath();
  samples.forEach((sample, i) => pen.lineTo(x(i), height - 2 - sample.rss / most * (height - 6)));
  pen.stroke();
  pen.lineTo(width - 8, height);
  pen.lineTo(8, height);
  pen.fill();
}

addEventListener("hashchange", showView);
addEventListener("resize", drawSpark);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  done = "";
  store.changed();
});
addEventListener("keydown", event => {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
  const view = views[Number(event.key) - 1];
  if (view !== undefined) location.hash = view.id;
});
store.onChange(() => {
  showFrame();
  refresh();
});
showView();
store.follow();
