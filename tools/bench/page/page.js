// The page: sections filled from the JSON document that stands in it.

const $ = id => document.getElementById(id);

// What the charts need, computed once from the document.
function prepare(document_) {
  const data = document_;
  data.names = data.allocators.map(allocator => allocator.name);
  data.index = Object.fromEntries(data.names.map((name, index) => [name, index]));
  data.shown = new Set(VERDICTS);
  data.domain = "middle";
  data.drift = [];
  for (const row of data.rows) {
    row.name = row.row.name;
    row.good = row.runs.filter(run => run.figure !== null);
    row.good.sort((a, b) => a.position - b.position);
    row.comparisons = data.comparisons.filter(comparison => comparison.row === row.name);
    for (const run of row.good) {
      const middle = row.allocators[run.allocator].figure.median;
      if (middle) {
        const percent = (run.figure / middle - 1) * 100 * (row.row.better === "higher" ? 1 : -1);
        data.drift.push({...run, row: row.name, percent});
      }
    }
  }
  data.drift.sort((a, b) => a.position - b.position);
  // Rows in the order of their worst comparison; the document has its comparisons sorted like that.
  const rank = row => data.comparisons.findIndex(comparison => comparison.row === row.name);
  data.rows.sort((a, b) => (rank(a) < 0) - (rank(b) < 0) || rank(a) - rank(b));
  return data;
}

function section(id, title, ...content) {
  if ($(id).childElementCount) $(id).replaceChildren();
  $(id).append(element("h2", {}, title), ...content.flat().filter(Boolean));
  if (!$(`link-${id}`)) $("contents").append(element("a", {href: `#${id}`, id: `link-${id}`}, title));
}
function numeric(text) { return element("td", {class: "number"}, text); }
function table(heads, rows) {
  const isNumber = index => rows.length && rows[0][index] instanceof Node && rows[0][index].className === "number";
  return element("div", {class: "scroll"}, element("table", {},
    element("thead", {}, element("tr", {}, heads.map((head, index) =>
      element("th", {scope: "col", class: isNumber(index) ? "number" : null}, head)))),
element("tbody", {}, rows.map(row => element("tr", {}, row.map(value =>
      value instanceof Node && value.nodeName === "TD" ? value : element("td", {}, value)))))));
}
function intervalText(comparison) {
  return comparison.interval ? `${ratio(comparison.interval.low)} to ${ratio(comparison.interval.high)}`
                             : "too few runs";
}
function percentText(share) { return `${Number((share * 100).toPrecision(3))} %`; }
function figureText(row, name) {
  const figure = row.allocators[name].figure;
  return figure ? `${number(figure.median)} ${row.row.unit}` : "–";
}

function showHead(data) {
  const losses = data.counts.slower, total = data.comparisons.length;
  $("headline").textContent = total === 0 ? "Nothing could be compared"
    : losses > 0 ? `${losses} of ${total} comparisons lost`
    : data.counts.inconclusive > 0 ? `No loss shown, ${data.counts.inconclusive} of ${total} comparisons inconclusive`
    : `No loss in ${total} comparisons`;
  const facts = Object.fromEntries(data.machine.map(fact => [fact.name, fact.value]));
  $("subtitle").textContent = `hakmem ${data.hakmem_version} beside ${data.names.slice(1).join(", ")}: ` +
    `${data.rows.length} rows, ${data.drift.length} runs in ${seconds(data.seconds)}, ` +
    `${data.started.replace("T", " ").replace("Z", " UTC")}, ${facts.processor || facts.architecture}`;
  if (data.interrupted) {
    $("banner").append(element("p", {class: "warning"},
      "The measurement was interrupted. These are partial results."));
  }
  const rounds = Math.max(...data.rows.map(row => row.rounds));
  if (total && rounds < data.rounds_for_a_verdict) {
    $("banner").append(element("p", {class: "warning"}, `With ${total} comparisons no verdict but inconclusive is ` +
      `possible before round ${data.rounds_for_a_verdict}; there were ${rounds}.`));
  }
  const meaning = {slower: "hakmem is worse", inconclusive: "the runs do not tell",
                   equivalent: `within ${percentText(data.settings.margin)}`, faster: "hakmem is better"};
  for (const verdict of VERDICTS) {
    $("tiles").append(element("button", {
      class: "tile", type: "button", style: `--mark: var(--${verdict})`, "aria-pressed": "true",
      click: event => {
        const tile = event.currentTarget, on = tile.getAttribute("aria-pressed") !== "true";
        tile.setAttribute("aria-pressed", String(on));
        data.shown[on ? "add" : "delete"](verdict);
        showForest(data);
      }}, element("b", {}, data.counts[verdict]), verdictLabel(verdict),
      element("span", {}, ` ${meaning[verdict]}`)));
  }
}

function showLosses(data) {
  const losses = data.comparisons.filter(comparison => comparison.verdict === "slower");
  if (!losses.length) return;
  section("losses", "Losses", table(
    ["row", "against", "hakmem", "theirs", "ratio", "95 % interval", "peak RSS", "theirs"],
    losses.map(loss => {
      const row = data.rows.find(candidate => candidate.name === loss.row);
      const peak = name => row.allocators[name].peak_rss_mib ? `${number(row.allocators[name].peak_rss_mib.median)} MiB` : "–";
      return [element("a", {href: `#row-${loss.row}`}, loss.row), allocatorKey(data, loss.against),
              numeric(figureText(row, "hakmem")), numeric(figureText(row, loss.against)),
              numeric(ratio(loss.ratio)), numeric(intervalText(loss)), numeric(peak("hakmem")),
              numeric(peak(loss.against))];
    })));
}

// Where the instructions of lost rows are, hakmem's beside those of the allocator that beat it most.
function profileColumn(data, name, profile) {
  if (profile.error) return element("figure", {}, element("figcaption", {}, allocatorKey(data, name)), element("p", {}, profile.error));
  return element("figure", {},
    element("figcaption", {}, allocatorKey(data, name), ` ${number(profile.instructions)} instructions, ` +
      `${number(profile.system_calls)} system calls, ${number(profile.system_ns)} ns in the kernel for one operation`),
    table(["function", "in", "instructions", "share"], profile.functions.map(({function: name_, object, instructions}) =>
      [element("code", {}, name_), object, numeric(number(instructions)),
       numeric(percentText(instructions / profile.instructions))])));
}
function showProfiles(data) {
  if (!data.loss_profiles.length) return;
  section("profiles", "Where the time goes in lost rows",
    element("p", {}, "Each lost row once more under callgrind, with fewer operations; start and warm-up are included. " +
      "Instructions are not time: a row with fewer of them that loses waits for memory, for the kernel, or for its own results."),
    data.loss_profiles.map(profile => element("article", {class: "card"},
      element("header", {}, element("h3", {}, element("a", {href: `#row-${profile.row}`}, profile.row))),
      element("div", {class: "charts"}, profileColumn(data, "hakmem", profile.hakmem),
              profileColumn(data, profile.against, profile.other)))));
}

const DOMAINS = {near: [1 / 1.18, 1.18], middle: [0.47, 2.12], all: null};
function forestDomain(data) {
  if (DOMAINS[data.domain]) return DOMAINS[data.domain];
  const ends = data.comparisons.flatMap(({ratio, interval}) => interval ? [interval.low, interval.high] : [ratio]);
  return [Math.min(0.5, ...ends) / 1.1, Math.max(2, ...ends) * 1.1];
}

function showForest(data) {
  const domain = forestDomain(data);
  const choice = element("div", {class: "choice", role: "group", "aria-label": "Range of the axis"},
    [["near", "0.85 to 1.18"], ["middle", "0.5 to 2"], ["all", "everything"]].map(([name, text]) =>
      element("button", {type: "button", "aria-pressed": String(data.domain === name), id: `domain-${name}`,
                         click: () => { data.domain = name; showForest(data); $(`domain-${name}`).focus(); }}, text)));
  const bodies = data.rows.map(row => {
    const shown = row.comparisons.filter(comparison => data.shown.has(comparison.verdict));
    if (!shown.length) return null;
    return element("tbody", {},
      element("tr", {}, element("th", {colspan: 5, scope: "rowgroup"},
        element("a", {href: `#row-${row.name}`}, row.name), ` ${figureText(row, "hakmem")} `,
        element("span", {class: "quiet", style: "font-weight: 400"}, row.row.title))),
      shown.map(comparison => element("tr", {},
        element("td", {}, allocatorKey(data, comparison.against)),
        element("td", {class: "plot"}, forestLine(comparison, domain, data.settings.margin)),
        numeric(ratio(comparison.ratio)), numeric(intervalText(comparison)),
        element("td", {}, verdictLabel(comparison.verdict)))));
  });
  section("forest", "Ratios",
    element("p", {}, "How many times better hakmem is, within one round: median and 95 % interval. " +
      "To the right of 1 hakmem wins. The band is the margin in which differences do not matter."),
    element("div", {class: "controls"}, choice),
    element("div", {class: "scroll"}, element("table", {class: "forest"},
      element("thead", {}, element("tr", {}, element("th", {scope: "col"}, "against"),
        element("th", {class: "plot", scope: "col", "aria-label": "plot"}, forestAxis(domain)),
        element("th", {class: "number", scope: "col"}, "ratio"),
        element("th", {class: "number", scope: "col"}, "95 % interval"),
        element("th", {scope: "col"}, "verdict"))), bodies.filter(Boolean))),
    bodies.some(Boolean) ? null : element("p", {class: "quiet"}, "No comparison has one of the chosen verdicts."));
}

function showGates(data) {
  if (!data.gates.length) return;
  section("gates", "Gates", table(["gate", "verdict", "why"], data.gates.map(gate =>
    [gate.name, element("b", {style: `color: var(--${gate.verdict === "PASS" ? "faster" : "slower"})`}, gate.verdict),
     gate.reason])));
}

function chartFigure(title, svg) {
  return svg && element("figure", {}, element("figcaption", {}, title), svg);
}
function summaryTable(data, row) {
  return table(["allocator", "runs", "min", "quartile", "median", "quartile", "max", "peak RSS, MiB", "ratio",
                "95 % interval", "p, corrected", "verdict"],
    data.names.map(name => {
      const {figure, peak_rss_mib: peak} = row.allocators[name];
      const comparison = row.comparisons.find(candidate => candidate.against === name);
      return [allocatorKey(data, name), numeric(figure ? figure.count : 0),
              ...["min", "q1", "median", "q3", "max"].map(key => numeric(figure ? number(figure[key]) : "–")),
              numeric(peak ? number(peak.median) : "–"),
              ...(comparison ? [numeric(ratio(comparison.ratio)), numeric(intervalText(comparison)),
                                numeric(probability(comparison.p_adjusted)), verdictLabel(comparison.verdict)]
                             : ["", "", "", ""])];
    }));
}
// Long and seldom read: made when it is opened.
function runsTable(data, row) {
  const details = element("details", {toggle: () => {
    if (details.childElementCount > 1) return;
    const runs = [...row.runs].sort((a, b) => a.position - b.position);
    details.append(table(["run", "round", "allocator", "start", row.row.unit, "peak RSS, MiB", "error"],
      runs.map(run => [numeric(run.position), numeric(run.round), allocatorKey(data, run.allocator),
                       numeric(seconds(run.start_s)), numeric(number(run.figure)), numeric(number(run.peak_rss_mib)),
                       run.error || ""])));
  }}, element("summary", {}, `every run of ${row.name}`));
  return details;
}
function showRows(data) {
  const stops = {precision: "its intervals are narrow enough", rounds: "the rounds were made",
                 budget: "the budget was spent", interrupted: "it was interrupted", "gave up": "runs kept failing"};
  section("rows", "Row by row",
    element("p", {}, "Point at a mark, or give a chart the focus and use the arrow keys."),
    element("div", {class: "keys"}, data.names.map(name => allocatorKey(data, name))),
    data.rows.map(row => element("article", {class: "card", id: `row-${row.name}`},
      element("header", {}, element("h3", {}, row.name), element("span", {class: "quiet"}, row.row.title)),
      element("p", {class: "quiet"}, element("code", {}, [row.row.program, ...row.row.args].join(" ")),
        ` ${row.rounds} rounds; ended because ${stops[row.stopped_by]}.`),
      element("div", {class: "charts"},
        chartFigure("Figure against peak RSS", costChart(data, row)),
        chartFigure("Distribution: each run, median, middle half", distributionChart(data, row)),
        chartFigure("In the order of rounds", orderChart(data, row))),
      element("details", {}, element("summary", {}, `the numbers of ${row.name}`), summaryTable(data, row)),
      runsTable(data, row))));
}

function showDrift(data) {
  const chart = driftChart(data);
  if (!chart) return;
  const third = Math.floor(data.drift.length / 3);
  const middle = part => median(part.map(point => point.percent));
  const shift = middle(data.drift.slice(-third)) - middle(data.drift.slice(0, third));
  const spread = quantile(data.drift.map(point => Math.abs(point.percent)), 0.5);
  const details = element("details", {toggle: () => {
    if (details.childElementCount > 1) return;
    details.append(table(["run", "start", "row", "allocator", "% from own median"], data.drift.map(point =>
      [numeric(point.position), numeric(seconds(point.start_s)), point.row, allocatorKey(data, point.allocator),
       numeric(point.percent.toFixed(2))])));
  }}, element("summary", {}, "the points of this chart"));
  section("drift", "Did the machine hold still?",
    element("p", {}, "Every run in the order it was made, as its distance from the median of its own row and " +
      `allocator; up is better. The line is a running median. From the first third to the last it moved by ` +
      `${shift >= 0 ? "+" : ""}${shift.toFixed(2)} %; half of all runs lie within ${spread.toFixed(2)} % of their ` +
      "median. Ratios are taken within a round, so a slow drift does not touch them."),
    element("figure", {}, chart), details);
}

function showFailures(data) {
  const failures = data.rows.flatMap(row => data.names.flatMap(name =>
    row.allocators[name].errors.map(error => [row.name, allocatorKey(data, name), error])));
  if (failures.length) section("failures", "Runs that do not count", table(["row", "allocator", "why"], failures));
}

function factList(pairs) {
  return element("dl", {class: "facts"}, pairs.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value)]));
}
function showMachine(data) {
  section("machine", "Machine",
    factList([...data.machine.map(({name, value}) => [name, value]),
              ["load before", data.load.before], ["load after", data.load.after]]),
    element("h3", {style: "margin-top: 1.25rem"}, "Allocators"),
    table(["name", "file", "build id"], data.allocators.map(({name, path, build_id}) =>
      [allocatorKey(data, name), path || "the system's malloc", element("code", {}, build_id || "–")])),
    data.missing.length ? element("p", {class: "quiet"}, `Not there: ${data.missing.join("; ")}.`) : null);
}

function showReproduce(data, source) {
  const save = () => {
    const link = element("a", {href: URL.createObjectURL(new Blob([source], {type: "application/json"})),
                               download: "hakmem-bench-compare.json"});
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const copy = event => navigator.clipboard.writeText(data.command).then(
    () => { event.target.textContent = "Copied"; }, () => getSelection().selectAllChildren($("command")));
  section("reproduce", "Do it again",
    element("pre", {tabindex: 0}, element("code", {id: "command"}, data.command)),
    element("p", {style: "margin-top: 0.6rem"}, element("button", {class: "button", type: "button", click: copy}, "Copy the command"),
      " ", element("button", {class: "button", type: "button", click: save}, "Save the data as JSON")));
}

function showMethod(data) {
  const {settings} = data, percent = percentText;
  section("method", "How it is judged",
    element("p", {}, "In each round every allocator runs each row once, in random order, preloaded into the measured program " +
      "alone. A run counts only when the program reports that its malloc came from the file asked for. The ratio is taken " +
      "within the round and turned so that above 1 hakmem is better, also where less is better."),
    element("p", {}, "The interval's ends are order statistics of the ratios (exact binomial, no assumption on their " +
      "distribution). “Faster” and “slower”: the sign test rejects a median of 1. “Equivalent”: two one-sided sign tests show " +
      `that it lies within ${percent(settings.margin)}. Both families of tests are corrected by Holm's method over all ` +
      `${data.comparisons.length} comparisons at ${percent(1 - settings.confidence)}. “Inconclusive” says that the runs do not ` +
      "tell; it never means that there is no difference. A row ends by the width of its intervals, not by what they say."),
    factList([["seed", settings.seed], ["warm-up rounds", settings.warmup],
              ["rounds", settings.rounds === null ? `at most ${settings.rounds_max}` : settings.rounds],
              ["interval wanted", settings.rounds === null ? percent(settings.precision) : "does not matter"],
              ["budget", seconds(settings.budget_s)], ["timeout of a run", seconds(settings.timeout_s)]]
             .map(([name, value]) => [name, String(value)])));
}

const source = $("data").textContent;
const data = prepare(JSON.parse(source));
showHead(data);
showLosses(data);
showProfiles(data);
showForest(data);
showGates(data);
showRows(data);
showDrift(data);
showFailures(data);
showMachine(data);
showReproduce(data, source);
showMethod(data);
