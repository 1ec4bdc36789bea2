"""tools.py: sqlite3, git, ghostscript, z3, stress-ng and a pipeline of bash, sort and friends."""

from __future__ import annotations

import random

from catalogue import program
from sandbox import Sandbox, StepFailed

SQL = """
pragma journal_mode = memory;
pragma cache_size = -20000;
create table item (id integer primary key, owner integer, name text, price real, note text);
create table owner (id integer primary key, name text);
insert into owner with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
  select i, printf('owner-%05d', i * 7919 % 5000) from n;
insert into item with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000)
  select i, i * 31 % 5000 + 1, printf('item-%x', i * 2654435761 % 4294967296), i * 17 % 9973 / 100.0,
         substr('the quick brown fox jumps over the lazy dog', i % 20 + 1, i % 23) from n;
create index item_name on item (name);
create index item_owner on item (owner, price);
select o.name, count(*), round(sum(i.price), 2), max(i.name) from item i join owner o on o.id = i.owner
  group by o.id order by 3 desc, 1 limit 40;
select a.id, b.id from item a join item b on a.owner = b.owner and b.price > a.price + 99 order by 1, 2 limit 100;
select group_concat(name, ',') from (select name from item where note like '%fox%' order by name limit 2000);
delete from item where id % 3 = 0;
update item set note = note || ' / ' || name where id % 5 = 0;
select count(*), sum(length(note)), min(name), max(name) from item;
vacuum;
pragma integrity_check;
select json_group_array(json_object('id', id, 'name', name)) from (select * from item order by name limit 3000);
"""


@program("sqlite3", needs=["sqlite3"], images=["sqlite3"])
def sqlite3(box: Sandbox) -> None:
    script = box.work / "work.sql"
    script.write_text(SQL)
    box.keep_run("stdout", ["sqlite3", "-batch", "base.db"], stdin=script)
    box.keep_run("dump", ["sqlite3", "-batch", "base.db", ".dump"])
    box.keep("base.db", (box.work / "base.db").read_bytes())


def write_tree(box: Sandbox, generation: int) -> None:
    """2000 small files in 40 folders; each generation changes a third of them."""
    rng = random.Random(generation)
    for number in range(2000):
        if generation and number % 3 != generation % 3:
            continue
        path = box.work / "tree" / f"d{number % 40}" / f"f{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"line {i} of file {number}: {random.Random(number * 997 + i).getrandbits(64):x}" for i in range(30 + number % 50)]
        lines[rng.randrange(len(lines))] = f"changed in generation {generation}: {rng.getrandbits(64):x}"
        path.write_text("\n".join(lines) + "\n")


@program("git", needs=["git"], images=["git"])
def git(box: Sandbox) -> None:
    """The packs themselves may differ (two threads race for delta bases); the objects in them may not."""

    def at(generation: int) -> dict[str, str]:
        date = f"2024-01-0{generation + 1}T00:00:00Z"
        people = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                  for what, value in (("NAME", "Tester"), ("EMAIL", "tester@example.org"), ("DATE", date))}
        return people | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"}

    tree = ["git", "-C", "tree"]
    box.run(["git", "init", "-q", "-b", "main", "tree"], env=at(0))
    for key, value in (("pack.threads", "2"), ("gc.auto", "0"), ("index.threads", "2"), ("gc.aggressiveWindow", "60")):
        box.run([*tree, "config", key, value], env=at(0))
    for generation in range(3):
        write_tree(box, generation)
        box.run([*tree, "add", "-A"], env=at(generation))
        box.keep_run(f"commit {generation}", [*tree, "commit", "-q", "-m", f"generation {generation}"], env=at(generation))
    box.run([*tree, "gc", "--aggressive", "--quiet", "--prune=now"], env=at(0))
    box.keep_run("fsck", [*tree, "fsck", "--full", "--strict", "--no-progress"], env=at(0))
    box.keep_run("log", [*tree, "log", "--stat", "--format=fuller"], env=at(0))
    box.keep_run("diff", [*tree, "diff", "HEAD~2", "HEAD"], env=at(0))
    box.keep_run("objects", [*tree, "cat-file", "--batch-all-objects", "--batch-check"], env=at(0))
    box.keep_run("grep", [*tree, "grep", "-n", "--threads=2", "generation 2"], env=at(0))


POSTSCRIPT = r"""%!PS-Adobe-3.0
/seed 17 def
/next { /seed seed 1103 mul 12345 add 65536 mod def seed 65536 div } def
/text { exch /Helvetica findfont exch scalefont setfont show } def
1 1 12 {
  /page exch def
  1 1 500 {
    pop
    next next next setrgbcolor
    newpath next 595 mul next 842 mul moveto
    next 595 mul next 842 mul next 595 mul next 842 mul next 595 mul next 842 mul curveto
    next 0.5 lt { closepath fill } { next 4 mul setlinewidth stroke } ifelse
  } for
  0 1 60 {
    /row exch def
    next next 0 setrgbcolor
    /Times-Roman findfont 6 row 10 mod add scalefont setfont
    30 820 row 13 mul sub moveto (Page and row: the quick brown fox jumps over the lazy dog ) show
    page 10 string cvs show ( ) show row 10 string cvs show
  } for
  gsave 100 100 translate 200 200 scale
  << /ShadingType 2 /ColorSpace /DeviceRGB /Coords [0 0 1 1] /Extend [true true]
     /Function << /FunctionType 2 /Domain [0 1] /C0 [1 0 page 12 div] /C1 [0 1 0] /N 1 >> >> shfill grestore
  showpage
} for
"""


@program("ghostscript", needs=["gs"], images=["gs"])
def ghostscript(box: Sandbox) -> None:
    """PostScript to PDF, and both to pixels. The PDF itself carries dates and ids; its pixels do not."""
    (box.work / "in.ps").write_text(POSTSCRIPT)
    base = ["gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER"]
    raster = [*base, "-sDEVICE=png16m", "-dTextAlphaBits=4", "-dGraphicsAlphaBits=4"]
    box.keep_run("stdout", [*base, "-sDEVICE=pdfwrite", "-o", "out.pdf", "in.ps"])
    box.keep_run("stdout of the first raster", [*raster, "-r60", "-o", "ps-%02d.png", "in.ps"])
    box.keep_run("stdout of the second raster", [*raster, "-r40", "-dNumRenderingThreads=2", "-dMaxBitmap=500000", "-o", "pdf-%02d.png", "out.pdf"])
    images = sorted(box.work.glob("*.png"))
    if len(images) != 24:
        raise StepFailed(f"gs wrote {len(images)} images, not 24")
    for image in images:
        box.keep(image.name, image.read_bytes())


def bitvector_problems() -> str:
    """Two laws over 16-bit words: both negations are unsatisfiable."""
    return """
(set-option :smt.random_seed 1)
(set-option :sat.random_seed 1)
(declare-const a (_ BitVec 16)) (declare-const b (_ BitVec 16))
(push)
(assert (not (= (bvmul a (bvadd b #x0003)) (bvadd (bvmul a b) (bvadd a (bvadd a a))))))
(check-sat) (pop)
(push)
(assert (not (= (bvadd (bvxor a b) (bvshl (bvand a b) #x0001)) (bvadd a b))))
(check-sat) (pop)
"""


def factor_problem() -> str:
    """Two factors to find in 36 bits; the model is printed, so that it is compared."""
    return """
(declare-const x (_ BitVec 36)) (declare-const y (_ BitVec 36))
(assert (= (bvmul x y) (_ bv32768667497 36))) (assert (bvugt x (_ bv1 36)))
(assert (bvugt y x)) (assert (bvult y (_ bv262144 36)))
(check-sat) (get-model)
"""


def pigeon_problem(holes: int) -> str:
    """Pigeonhole principle: unsat, and hard for resolution: many learned clauses are allocated and dropped."""
    lines = []
    for pigeon in range(holes + 1):
        lines += [f"(declare-const p{pigeon}_{hole} Bool)" for hole in range(holes)]
    for pigeon in range(holes + 1):
        lines.append("(assert (or " + " ".join(f"p{pigeon}_{hole}" for hole in range(holes)) + "))")
    for hole in range(holes):
        for first in range(holes + 1):
            lines += [f"(assert (or (not p{first}_{hole}) (not p{other}_{hole})))" for other in range(first)]
    return "\n".join([*lines, "(check-sat)"]) + "\n"


def arithmetic_problem(count: int) -> str:
    """A job-shop of `count` jobs on two machines over the integers, with a bound that is satisfiable."""
    rng = random.Random(5)
    lines = []
    for job in range(count):
        lines += [f"(declare-const s{job}_{machine} Int)\n(assert (>= s{job}_{machine} 0))" for machine in range(2)]
    lengths = [[rng.randrange(1, 9) for _ in range(2)] for _ in range(count)]
    for job in range(count):
        lines.append(f"(assert (>= s{job}_1 (+ s{job}_0 {lengths[job][0]})))")
        lines.append(f"(assert (<= (+ s{job}_1 {lengths[job][1]}) {max(sum(l[m] for l in lengths) for m in range(2)) + 12}))")
        for other in range(job):
            for machine in range(2):
                mine, theirs = f"s{job}_{machine}", f"s{other}_{machine}"
                lines.append(f"(assert (or (>= {mine} (+ {theirs} {lengths[other][machine]})) "
                             f"(>= {theirs} (+ {mine} {lengths[job][machine]}))))")
    return "\n".join([*lines, "(check-sat)", "(get-model)"]) + "\n"


@program("z3", needs=["z3"], images=["z3"])
def z3(box: Sandbox) -> None:
    """One process for each problem: z3 has a faster solver for those that never pop."""
    problems = {"bitvectors": bitvector_problems(), "factors": factor_problem(), "pigeons": pigeon_problem(8),
                "jobs": arithmetic_problem(28), "more jobs": arithmetic_problem(32)}
    for name, text in problems.items():
        file = box.work / f"{name}.smt2"
        file.write_text(text)
        box.keep_run(name, ["z3", "-smt2", file.name])


@program("stress-ng", needs=["stress-ng"], images=["stress-ng"])
def stress_ng(box: Sandbox) -> None:
    """Its report is all pids and times: what counts is exit code 0, every stressor passed, and no complaint."""
    common = ["stress-ng", "--no-rand-seed", "--verify", "--timeout", "60", "--oomable", "--temp-path", ".", "--metrics-brief"]
    for name, options in (("small", ["--malloc-bytes", "64k", "--malloc-max", "4000", "--malloc-ops", "100000"]),
                          ("threads", ["--malloc-bytes", "256k", "--malloc-max", "2000", "--malloc-pthreads", "3",
                                       "--malloc-touch", "--malloc-ops", "30000"])):
        stdout = box.run([*common, "--malloc", "2", *options])
        report = (stdout + box.running[-1].stderr.read_bytes()).decode(errors="replace")
        if "successful run completed" not in report or "fail" in report.replace("failed: 0", ""):
            raise StepFailed(f"stress-ng {name} complains:\n{report}")
        box.keep(name, b"successful run")


PIPELINE = r"""
set -e -o pipefail
sort --parallel=2 -S 48M -t, -k3,3n -k1,1 input.csv > sorted.csv
cut -d, -f2 sorted.csv | sort --parallel=2 -S 24M | uniq -c | sort -k1,1nr -k2 | sed -n 1,100p
sort --parallel=2 -u -S 24M -t, -k2,2 input.csv | tail -5
tr a-z A-Z < sorted.csv | grep -E '(ab|CD)[0-9]+,' | sed -E 's/([A-Z]+)([0-9]+)/\2\1/g' | awk -F, '{ n[$2] += $3 } END { for (k in n) print k, n[k] }' | sort | md5sum
declare -A seen
for ((i = 0; i < 60000; i++)); do key="k$((i * 7919 % 9973))"; seen[$key]="${seen[$key]:0:40}$i"; done
for key in "${!seen[@]}"; do echo "$key=${seen[$key]}"; done | sort | md5sum
tac sorted.csv | paste -d: - sorted.csv | wc
"""


@program("pipeline", needs=["bash", "sort", "awk"], images=["bash", "sort"])
def pipeline(box: Sandbox) -> None:
    rng = random.Random(11)
    with open(box.work / "input.csv", "w", encoding="ascii") as file:
        for number in range(500_000):
            file.write(f"row{number:x},ab{rng.randrange(30_000)},{rng.randrange(10 ** rng.randrange(1, 9))}\n")
    box.keep_run("stdout", ["bash", "-c", PIPELINE])
    box.keep("sorted.csv", (box.work / "sorted.csv").read_bytes())
