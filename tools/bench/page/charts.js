// The charts. Each takes its data and returns an <svg>; colours are the page's variables.

const VERDICTS = ["slower", "inconclusive", "equivalent", "faster"];
// The verdict's shape is told apart without its colour.
const VERDICT_SHAPES = {slower: 4, inconclusive: 0, equivalent: 1, faster: 2};

function verdictMark(verdict, x, y, r = 5) {
  const hollow = verdict === "inconclusive";
  return mark(VERDICT_SHAPES[verdict], x, y, r,
              {fill: hollow ? "var(--ground)" : `var(--${verdict})`,
               stroke: `var(--${verdict})`, "stroke-width": 1.6});
}
function verdictLabel(verdict) {
  return element("span", {class: "verdict", style: `color: var(--${verdict})`},
                 shape("svg", {width: 14, height: 14, "aria-hidden": "true"},
                       verdictMark(verdict, 7, 7, 4.5)), verdict);
}
function allocatorMark(data, name, x, y, r, attributes) {
  const index = data.index[name];
  return mark(index, x, y, r, {fill: `var(--a${index % 8})`, ...attributes});
}
function allocatorKey(data, name) {
  return element("span", {class: "key"},
                 shape("svg", {width: 12, height: 12, "aria-hidden": "true"},
                       allocatorMark(data, name, 6, 6, 4)), name);
}

// One line of the forest plot: the interval and its median, in percent of the cell's width, so that
// it fits every column. What lies beyond the axis is drawn at its end, hollow.
function forestLine(comparison, domain, margin) {
  const place = logScale(domain[0], domain[1], 2, 98);
  const inside = value => Math.min(Math.max(value, domain[0]), domain[1]);
  const x = value => `${place(inside(value)).toFixed(2)}%`;
  const svg = shape("svg", {"aria-hidden": "true"});
  svg.append(shape("rect", {x: x(1 / (1 + margin)), y: 0, height: "100%", fill: "var(--band)",
                            width: `${place(inside(1 + margin)) - place(inside(1 / (1 + margin)))}%`}));
  for (const tick of forestTicks(domain)) {
    svg.append(shape("line", {x1: x(tick), x2: x(tick), y1: 0, y2: "100%",
                              class: tick === 1 ? "axis" : "grid",
                              "stroke-width": tick === 1 ? 2 : 1}));
  }
  const stroke = `var(--${comparison.verdict})`;
  const {low, high} = comparison.interval || {low: comparison.ratio, high: comparison.ratio};
  svg.append(shape("line", {x1: x(low), x2: x(high), y1: "50%", y2: "50%", stroke, "stroke-width": 2.4}));
  const beyond = comparison.ratio !== inside(comparison.ratio);
  const holder = shape("svg", {x: x(comparison.ratio), y: "50%", overflow: "visible"});
  holder.append(beyond
    ? shape("path", {d: comparison.ratio > 1 ? "M-4 -5L3 0L-4 5" : "M4 -5L-3 0L4 5", fill: "none", stroke,
                     "stroke-width": 2.4})
    : verdictMark(comparison.verdict, 0, 0, 4.6));
  svg.append(holder);
  return svg;
}
function forestAxis(domain) {
  const place = logScale(domain[0], domain[1], 2, 98);
  return shape("svg", {"aria-hidden": "true"}, forestTicks(domain).map(tick =>
    shape("text", {x: `${place(tick)}%`, y: 16, "text-anchor": "middle"}, tickLabel(tick))));
}
function forestTicks([low, high]) {
  const steps = high / low < 1.5 ? [0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15]
    : high / low < 6 ? [0.5, 0.6, 0.8, 1, 1.25, 1.6, 2]
    : [1 / 1000, 1 / 100, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32, 100, 1000];
  return steps.filter(step => step >= low * 0.999 && step <= high * 1.001);
}
function tickLabel(tick) {
  return tick < 0.2 ? `1/${Math.round(1 / tick)}` : String(tick);
}

// Axes of a chart of W x H with margins; returns the svg.
const W = 380, H = 250, LEFT = 48, RIGHT = 12, TOP = 12, BOTTOM = 42;
function frame(x, y, xTitle, yTitle, {width = W, height = H} = {}) {
  const svg = shape("svg", {viewBox: `0 0 ${width} ${height}`});
  const bottom = height - BOTTOM, right = width - RIGHT;
  for (const tick of y.ticks) {
    svg.append(shape("line", {x1: LEFT, x2: right, y1: y(tick), y2: y(tick), class: "grid"}),
               shape("text", {x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end"}, y.label(tick)));
  }
  for (const tick of x ? x.ticks : []) {
    svg.append(shape("line", {x1: x(tick), x2: x(tick), y1: TOP, y2: bottom, class: "grid"}),
               shape("text", {x: x(tick), y: bottom + 15, "text-anchor": "middle"}, x.label(tick)));
  }
  svg.append(shape("line", {x1: LEFT, x2: right, y1: bottom, y2: bottom, class: "axis"}),
             shape("text", {x: right, y: height - 4, "text-anchor": "end"}, xTitle),
             shape("text", {x: 10, y: TOP + (bottom - TOP) / 2, "text-anchor": "middle",
                            transform: `rotate(-90 10 ${TOP + (bottom - TOP) / 2})`}, yTitle));
  return svg;
}

// The figure against peak RSS: every run faint, the medians strong and named.
function costChart(data, row) {
  const runs = row.good.filter(run => run.peak_rss_mib !== null);
  if (!runs.length) return null;
  const x = linearScale(runs.map(run => run.peak_rss_mib), LEFT, W - RIGHT, {zero: true});
  const y = linearScale(runs.map(run => run.figure), H - BOTTOM, TOP, {zero: true});
  const better = row.row.better === "higher" ? "higher" : "lower";
  const svg = frame(x, y, "peak RSS, MiB (less is better)", `${row.row.unit} (${better} is better)`);
  const marks = [];
  for (const run of runs) {
    svg.append(allocatorMark(data, run.allocator, x(run.peak_rss_mib), y(run.figure), 2.5, {opacity: 0.35}));
  }
  for (const name of data.names) {
    const own = runs.filter(run => run.allocator === name);
    if (!own.length) continue;
    const px = x(median(own.map(run => run.peak_rss_mib))), py = y(median(own.map(run => run.figure)));
    const node = allocatorMark(data, name, px, py, 6, {stroke: "var(--ground)", "stroke-width": 1.5});
    svg.append(node);
    marks.push({node, text: `${name}, medians\n${number(median(own.map(run => run.figure)))} ` +
      `${row.row.unit}\n${number(median(own.map(run => run.peak_rss_mib)))} MiB peak`});
  }
  explain(svg, marks, `${row.row.unit} against peak RSS by allocator.`);
  return svg;
}

// Every figure of every allocator, with the middle half as a box.
function distributionChart(data, row) {
  const names = data.names.filter(name => row.good.some(run => run.allocator === name));
  if (!names.length) return null;
  const y = linearScale(row.good.map(run => run.figure), H - BOTTOM, TOP);
  const svg = frame(null, y, "", row.row.unit);
  const cell = (W - LEFT - RIGHT) / names.length;
  // Where the names would run into one another.
  const slanted = Math.max(...names.map(name => name.length)) * 6.6 > cell;
  const marks = [];
  names.forEach((name, place) => {
    const own = row.good.filter(run => run.allocator === name).map(run => run.figure);
    const middle = LEFT + cell * (place + 0.5), half = Math.min(16, cell * 0.28);
    const [q1, q2, q3] = [0.25, 0.5, 0.75].map(at => y(quantile(own, at)));
    const colour = `var(--a${data.index[name] % 8})`;
    const box = shape("rect", {x: middle - half, y: q3, width: 2 * half, height: Math.max(q1 - q3, 1),
                               fill: colour, "fill-opacity": 0.18, stroke: colour});
    svg.append(box);
    own.forEach((figure, i) => {
      // Side by side in the order of rounds, so that equal figures do not hide one another.
      const offset = own.length > 1 ? (i / (own.length - 1) - 0.5) * 1.4 * half : 0;
      svg.append(allocatorMark(data, name, middle + offset, y(figure), 2.4, {opacity: 0.75}));
    });
    svg.append(shape("line", {x1: middle - half - 3, x2: middle + half + 3, y1: q2, y2: q2,
                              stroke: colour, "stroke-width": 2.5}),
               nameBelow(name, middle, slanted));
    marks.push({node: box, text: `${name}: ${own.length} runs\nmedian ${number(median(own))} ` +
      `${row.row.unit}\nhalf of them ${number(quantile(own, 0.25))} to ${number(quantile(own, 0.75))}` +
      `\nall ${number(Math.min(...own))} to ${number(Math.max(...own))}`});
  });
  explain(svg, marks, `Distribution of ${row.row.unit} by allocator.`);
  return svg;
}
function nameBelow(name, middle, slanted) {
  const x = slanted ? middle + 6 : middle, y = H - BOTTOM + 14;
  return shape("text", {x, y, "text-anchor": slanted ? "end" : "middle", class: name === "hakmem" ? "strong" : null,
                        transform: slanted ? `rotate(-24 ${x} ${y})` : null}, name);
}

// Figures in the order in which they were measured.
function orderChart(data, row) {
  if (!row.good.length) return null;
  const x = linearScale(row.good.map(run => run.round), LEFT, W - RIGHT, {pad: 0.04});
  x.ticks = x.ticks.filter(tick => Number.isInteger(tick) && tick >= 1);
  x.label = String;
  const y = linearScale(row.good.map(run => run.figure), H - BOTTOM, TOP);
  const svg = frame(x, y, "round", row.row.unit);
  const marks = [];
  for (const name of data.names) {
    const own = row.good.filter(run => run.allocator === name);
    if (!own.length) continue;
    const colour = `var(--a${data.index[name] % 8})`;
    svg.append(shape("polyline", {points: own.map(run => `${x(run.round)},${y(run.figure)}`).join(" "),
                                  fill: "none", stroke: colour, "stroke-width": 1, opacity: 0.6}));
    for (const run of own) {
      const node = allocatorMark(data, name, x(run.round), y(run.figure), 3.2);
      marks.push({node, text: `${name}, round ${run.round}, run ${run.position}\n` +
        `${number(run.figure)} ${row.row.unit} after ${seconds(run.start_s)}`});
    }
  }
  svg.append(...marks.map(({node}) => node));
  explain(svg, marks, `${row.row.unit} by round.`);
  return svg;
}

// All runs of the session on one time line, each as its distance from its own median: what moves
// here moved for everybody, so it was the machine.
function driftChart(data) {
  const width = 1100, height = 300;
  const points = data.drift;
  if (points.length < 4) return null;
  const limit = Math.max(2, quantile(points.map(point => Math.abs(point.percent)), 0.98) * 1.3);
  const [unit, per] = data.seconds < 300 ? ["seconds", 1] : ["minutes", 60];
  const x = linearScale(points.map(point => point.start_s / per), LEFT, width - RIGHT, {pad: 0.01});
  const y = linearScale([-limit, limit], height - BOTTOM, TOP, {pad: 0});
  const svg = frame(x, y, `${unit} since the start`, "% from own median", {width, height});
  const marks = points.map(point => {
    const inside = Math.min(Math.max(point.percent, -limit), limit);
    return {node: allocatorMark(data, point.allocator, x(point.start_s / per), y(inside), 2.6, {opacity: 0.7}),
            text: `${point.row} under ${point.allocator}\nround ${point.round}, run ${point.position}\n` +
              `${point.percent >= 0 ? "+" : ""}${point.percent.toFixed(1)} % from its median`};
  });
  const line = runningMedian(points, Math.max(7, Math.round(points.length / 20)));
  svg.append(shape("line", {x1: LEFT, x2: width - RIGHT, y1: y(0), y2: y(0), class: "axis"}),
             ...marks.map(({node}) => node),
             shape("polyline", {points: line.map(([at, value]) => `${x(at / per)},${y(Math.min(Math.max(value, -limit), limit))}`).join(" "),
                                fill: "none", stroke: "var(--ink)", "stroke-width": 2.2, "stroke-linejoin": "round"}));
  explain(svg, marks, "Every run's distance from its own median, over time.");
  return svg;
}
function runningMedian(points, window) {
  return points.map((point, i) => {
    const near = points.slice(Math.max(0, i - (window >> 1)), i + (window >> 1) + 1);
    return [point.start_s, median(near.map(other => other.percent))];
  });
}
