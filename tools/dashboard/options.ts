// What `hakmem explain` knows: options in force, where they came from, what was ignored.
import {Explanation, OptionRow, fetchOptions} from "./api";
import {SortedTable, element} from "./dom";
import {View} from "./view";

export class Options implements View {
  readonly id = "options";
  readonly title = "Options";
  private shown = false;
  private readonly findings = element("div", {class: "stack"});
  private readonly table = new SortedTable<OptionRow>("Options in force", [
    {title: "option", cell: row => element("code", {}, row.name)},
    {title: "value", cell: row => element("b", {}, row.value)},
    {title: "from", cell: row => row.source},
    {title: "what it does", cell: row => element("span", {class: "quiet"}, row.help)},
  ], -1, true, (row, line) => line.classList.toggle("changed", !row.default));
  readonly root = element("section", {class: "stack"}, this.findings,
    element("div", {class: "panel"}, element("h3", {}, "Options in force"),
      element("p", {class: "quiet"}, "They are read once, when the process starts. Changed ones are marked."), this.table.root));

  // They do not change while the process runs.
  async update(): Promise<void> {
    if (this.shown) return;
    this.shown = true;
    const explanation = await fetchOptions();
    this.table.show(explanation.options);
    this.findings.replaceChildren(...findings(explanation));
  }
}

function findings(explanation: Explanation): HTMLElement[] {
  const list: HTMLElement[] = [];
  if (explanation.ignored.length > 0) {
    list.push(element("div", {class: "panel warn"}, element("h3", {}, "Ignored"),
      element("ul", {}, ...explanation.ignored.map(line => element("li", {}, element("code", {}, line))))));
  }
  if (explanation.others.length > 0) {
    const table = new SortedTable<Explanation["others"][number]>("Settings of other allocators", [
      {title: "setting", cell: row => element("code", {}, row.setting)},
      {title: "the same for hakmem", cell: row => (row.equivalent ? element("code", {}, row.equivalent) : "–")},
      {title: "", cell: row => element("span", {class: "quiet"}, row.note)}]);
    table.show(explanation.others);
    list.push(element("div", {class: "panel"}, element("h3", {}, "Settings of other allocators, which hakmem does not read"), table.root));
  }
  return list;
}
