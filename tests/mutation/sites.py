#!/usr/bin/env python3
"""Where src/ must have a mutant: each state edge, each write of a bitmap, each step of lists and messages, each memory
order stronger than relaxed.

    sites.py            every site without a row of mutants.py and without an entry of exempt.py; exits 1 when there
                        are any, or an entry that names nothing
    sites.py --list     every site, and what is done about it

So whoever adds such a line to src/ adds a row, or says why there is none. A row has a site when what it replaces
there differs; an order is only had by a row that is about an order.
"""
import os
import pathlib
import re
import sys

from exempt import EXEMPT, RULES
from mutants import MUTANTS

SRC = pathlib.Path(__file__).resolve().parents[2] / "src"

# Kind, where, what.
SITES = (
    ("order", "", r"memory_order_(?:acquire|release|acq_rel|seq_cst|consume)"),
    ("edge", "superslab/superslab.h", r"masks_\[[^=;()]*\] = |masks_\[static_cast<uint32_t>\(to\)\] \|= |source &= "),
    ("edge", "pool/", r"(?:->|\.)move\(PoolKey\(\)|set_tags\(PoolKey\(\)|refused_purge = |index\.occupied [&|]= "),
    ("bit", "superslab/slab", r"bitmap\[\w+\] [|&^]?= |word \|= |bits \^= |free_count [-+]= |\+\+put_|purged_pages [|&]= "
                              r"|has_purged_pages = "),
    ("bit", "pool/", r"bitmap\[[^]]*\] = |free_count = |purged_pages = "),
    ("step", "front/slab_list.h", r"listed = (?:true|false)|(?:first_|last_|\w+_? : last_\)|first_\)) = slab(?:->\w+)?;"),
    ("step", "front/", r"(?<![\w:])(?:un)?list\(slab\b|(?<!\w)list\(got\.slab|adopter->list\(|state\.kept = |pool\(\)\.(?:adopt|detach|release|change_owner)\("),
    ("step", "front/cache_list.cpp", r"(?<!::)(?:link_parked|note_unlinked|note_left_mail|note_mail)\((?!const|ThreadCache)"
                                     r"|set_parked\(|parked_first_ = |parked_next = |->retire\(\)|unowned_\.fetch_add"),
    ("step", "front/", r"take_all\(\);|inbox_\.push\(|cache_list\(\)\.note_\w+\(|return_strays\((?!Message)|count = strays"),
)


def sites():
    """(kind, file, begin, end) of each, in the order of files."""
    for path in sorted(SRC.rglob("*")):
        if path.suffix not in (".h", ".cpp"):
            continue
        name = str(path.relative_to(SRC))
        text = path.read_text()
        found = {}
        for kind, where, pattern in SITES:
            if name.startswith(where):
                for match in re.finditer(pattern, text):
                    line = text[text.rfind("\n", 0, match.start()) + 1:match.start()]
                    if "//" not in line:
                        found.setdefault((match.start(), kind), match.end())
        for (begin, kind), end in sorted(found.items()):
            yield kind, name, begin, end


def changed(text, row):
    """The part of the file that a row replaces with something else."""
    begin = text.find(row.old)
    head = os.path.commonprefix([row.old, row.new])
    old, new = row.old[len(head):], row.new[len(head):]
    tail = os.path.commonprefix([old[::-1], new[::-1]])
    return begin + len(head), begin + len(row.old) - len(tail)


def main():
    texts = {str(path.relative_to(SRC)): path.read_text() for path in SRC.rglob("*") if path.suffix in (".h", ".cpp")}
    rows = {}
    for row in MUTANTS:
        rows.setdefault(row.file, []).append((changed(texts[row.file], row), row))
    needed = {entry: False for entry in EXEMPT}
    problems, listed, counts = [], [], {"row": 0, "exempt": 0}
    for kind, name, begin, end in sites():
        text = texts[name]
        where = f"src/{name}:{text.count(chr(10), 0, begin) + 1}"
        line = text[text.rfind("\n", 0, begin) + 1:text.find("\n", begin)].strip()
        if kind != "order":  # the whole line, as it has one step
            begin, end = text.rfind("\n", 0, begin) + 1, text.find("\n", end)
        mine = [row for (first, last), row in rows.get(name, ())
                if first < end and begin < last and (kind != "order" or row.name.startswith("order:"))]
        entries = [entry for entry in EXEMPT
                   if entry.file == name and text.find(entry.text) < end and begin < text.find(entry.text) + len(entry.text)]
        rule = next((rule for rule in RULES if re.search(rule.pattern, line)), None)
        if mine:
            counts["row"] += 1
            listed.append((where, kind, mine[0].name))
            continue
        for entry in entries:
            needed[entry] = True
        if entries or rule:
            counts["exempt"] += 1
            listed.append((where, kind, "no row: " + (entries[0] if entries else rule).reason))
        else:
            problems.append(f"{where}: {kind} without a mutant: {line}")
    for entry, was_needed in needed.items():
        times = texts.get(entry.file, "").count(entry.text)
        if times != 1:
            problems.append(f"exempt.py: {entry.file}: {entry.text!r} is there {times} times")
        elif not was_needed:
            problems.append(f"exempt.py: {entry.file}: {entry.text!r} is not needed")
    if "--list" in sys.argv[1:]:
        for where, kind, what in listed:
            print(f"{where:42} {kind:6} {what}")
    print("\n".join(problems) or f"{counts['row']} sites with a mutant, {counts['exempt']} exempt")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
