"""Work for python3: what interpreters do to a malloc, with one line of checksum per part."""

import ctypes
import decimal
import hashlib
import io
import json
import multiprocessing
import os
import pickle
import random
import re
import sqlite3
import sys
import threading
import zlib


def show(name, data):
    digest = hashlib.sha256(data if isinstance(data, bytes) else repr(data).encode()).hexdigest()
    print(f"{name} {digest}", flush=True)


def records(seed, count):
    rng = random.Random(seed)
    return [
        {"id": i, "name": "n%x" % rng.getrandbits(40), "tags": ["t%d" % rng.randrange(50) for _ in range(rng.randrange(6))],
         "text": "lorem ipsum " * rng.randrange(12), "score": rng.random()}
        for i in range(count)
    ]


def churn_containers():
    rng = random.Random(1)
    table, queue = {}, []
    for i in range(250_000):
        key = rng.randrange(20_000)
        if key in table and key & 1:
            queue.append(table.pop(key))
        else:
            table[key] = [i, str(i) * (key % 9), (i, key)]
        if len(queue) > 5_000:
            del queue[::2]
    show("containers", (sorted(table.items())[:1000], len(queue)))
    grown = []
    for i in range(200_000):
        grown.append(bytes(i % 61))
    show("list", b"".join(grown))


def use_json_and_re():
    text = json.dumps(records(2, 15_000), sort_keys=True)
    again = json.dumps(json.loads(text), sort_keys=True)
    assert text == again
    show("json", text.encode())
    words = re.findall(r"n([0-9a-f]+)\b|\"t(\d+)\"", text)
    show("re", words)
    show("sub", re.sub(r"(lorem)\s+(ipsum)", r"\2 \1!", text).encode())


def use_sqlite():
    base = sqlite3.connect(":memory:")
    base.execute("create table r (id integer primary key, name text, text text, score real)")
    base.executemany("insert into r values (:id, :name, :text, :score)", records(3, 20_000))
    base.execute("create index r_name on r (name)")
    show("sqlite", base.execute("select a.id, b.name from r a join r b on a.id = b.id + 7 order by b.name limit 500").fetchall())


def use_buffers():
    rng = random.Random(4)
    blob = b"".join(bytes([rng.randrange(32)]) * rng.randrange(200) for _ in range(40_000))
    packed = zlib.compress(blob, 6)
    assert zlib.decompress(packed) == blob
    show("zlib", packed)
    stream = io.BytesIO()
    for i in range(0, len(blob), 777):
        stream.write(blob[i:i + 777])
    show("bytesio", stream.getvalue())
    growing = bytearray()
    for i in range(60_000):
        growing += b"%d;" % i
    show("bytearray", bytes(growing))
    show("pickle", pickle.dumps(records(5, 3_000)))


def use_decimal():
    decimal.getcontext().prec = 1_500
    total, term = decimal.Decimal(0), decimal.Decimal(1)
    for n in range(1, 700):
        total += term
        term /= n
    show("decimal", str(total).encode())
    show("bigint", str(7 ** 40_000 // 3 ** 20_000 % 10 ** 2_000).encode())


def use_threads():
    results = {}

    def work(seed):
        results[seed] = hashlib.sha256(json.dumps(records(seed, 4_000)).encode()).hexdigest()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(100, 106)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    show("threads", sorted(results.items()))


def in_child(seed):
    return hashlib.sha256(json.dumps(records(seed, 3_000)).encode()).hexdigest()


def use_fork():
    with multiprocessing.get_context("fork").Pool(3) as pool:
        show("fork", pool.map(in_child, range(200, 206)))
    child = os.fork()
    if child == 0:
        churned = [str(i) * 5 for i in range(50_000)]
        os._exit(len(churned) % 251)
    show("exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def tell_malloc_owner():
    """Which file the process-wide malloc family comes from; read by the test, not compared.

    Asked of malloc_usable_size: the address of malloc itself is python's own jump into it, python not being relocatable.
    """

    class DlInfo(ctypes.Structure):
        _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("name", ctypes.c_char_p), ("address", ctypes.c_void_p)]

    whole = ctypes.CDLL(None)
    info = DlInfo()
    whole.dladdr(ctypes.cast(whole.malloc_usable_size, ctypes.c_void_p), ctypes.byref(info))
    with open("malloc_owner", "w", encoding="utf-8") as file:
        file.write(os.fsdecode(info.file))


if __name__ == "__main__":
    assert os.environ["PYTHONMALLOC"] == "malloc"
    for part in (churn_containers, use_json_and_re, use_sqlite, use_buffers, use_decimal, use_threads, use_fork, tell_malloc_owner):
        part()
    sys.exit(0)
