"""Two threads read JSON records, keep them in SQLite, and ask it questions. SQLite runs outside Python's lock."""
import hashlib
import json
import random
import sqlite3
import threading

RECORDS, ROUNDS = 2500, 3


def make_records(seed):
    choose = random.Random(seed)
    return json.dumps([{"id": number, "name": f"name-{choose.randrange(10**9)}",
                        "tags": [f"t{choose.randrange(500)}" for _ in range(choose.randint(1, 12))],
                        "text": "x" * choose.randint(10, 600)} for number in range(RECORDS)])


def work(seed, results):
    digest = hashlib.sha256()
    text = make_records(seed)
    for _ in range(ROUNDS):
        records = json.loads(text)
        base = sqlite3.connect(":memory:", check_same_thread=False)
        base.execute("create table record (id integer primary key, name text, text text)")
        base.execute("create table tag (record integer, name text)")
        base.executemany("insert into record values (?, ?, ?)", ((r["id"], r["name"], r["text"]) for r in records))
        base.executemany("insert into tag values (?, ?)", ((r["id"], t) for r in records for t in r["tags"]))
        base.execute("create index tag_name on tag (name, record)")
        rows = base.execute("select t.name, count(*), group_concat(r.name), sum(length(r.text)) from tag t "
                            "join record r on r.id = t.record group by t.name order by 4 desc, 1").fetchall()
        base.close()
        text = json.dumps(records)
        digest.update(repr(rows).encode())
    results[seed] = digest.hexdigest()


results = {}
threads = [threading.Thread(target=work, args=(seed, results)) for seed in (1, 2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*(results[seed] for seed in sorted(results)))
