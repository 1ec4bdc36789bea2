"""gdb commands that look into a hakmem heap, of a running process or a core file.

  (gdb) source hakmem_gdb.py
  (gdb) hak ptr ADDRESS    whose memory is it: slab, class, block, free or not
  (gdb) hak slab ADDRESS   the slab that ADDRESS lies in, and its bitmap
  (gdb) hak classes        slabs and blocks of each class
  (gdb) hak check          do masks, tags, records and bitmaps agree?

Needs the library's debug information (an unstripped libhakmem.so, or its .debug file), of the very build
that ran. Reads only. In a process that gdb stopped in the middle of malloc a check may find what is just
being changed. What lies in thread caches and messages counts as taken: its bit is 0.
"""
import struct

import gdb

SLOT_SHIFT = 16
SUPER_BYTES = 2 << 20
SLOTS = 32
TAG_CLASS_BITS = 8
INTERIOR_OWNER = 0xfffffd
STATES = ("UNUSED", "ACTIVE", "EMPTY")


def memory(address, size):
    try:
        return gdb.selected_inferior().read_memory(address, size).tobytes()
    except gdb.MemoryError:
        raise gdb.GdbError(f"{size} bytes at {address:#x} cannot be read: the core does not have them")


def counted(count, noun):
    """"1 slot", "2 slots"."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def offsets(type_name):
    """Where each member of a type lies, by name."""
    found = {}
    for field in gdb.lookup_type(type_name).strip_typedefs().fields():
        if hasattr(field, "bitpos") and field.name is not None:
            found[field.name] = field.bitpos // 8
    return found


def number(value):
    """Of an integer, or a std::atomic of one."""
    if value.type.strip_typedefs().code != gdb.TYPE_CODE_STRUCT:
        return int(value)
    return int.from_bytes(memory(int(value.address), value.type.sizeof), "little")


class Slab:
    """The record of a slot that is a slab's first."""

    def __init__(self, heap, record, tag):
        self.heap, self.record, self.tag = heap, record, tag
        data = memory(record, heap.slab_bytes)
        at = heap.slab_at
        word = lambda name, form: struct.unpack_from("<" + form, data, at[name])[0]  # noqa: E731
        self.base, self.bitmap = word("base", "Q"), word("bitmap", "Q")
        self.free_count, self.blocks = word("free_count", "I"), word("blocks", "H")
        self.size_class, self.slots = word("size_class", "B"), word("slots", "B")
        self.head_distance = word("head_distance", "B")

    @property
    def block_bytes(self):
        return self.heap.classes[self.size_class][0]

    @property
    def is_large(self):
        return self.blocks == 1

    @property
    def owner(self):
        return self.tag >> TAG_CLASS_BITS

    def bits(self):
        """A 1 for each free block, the first block lowest. A large slab has no bitmap."""
        if self.is_large:
            return 0
        words = (self.blocks + 63) // 64
        return int.from_bytes(memory(self.bitmap, words * 8), "little")

    def describe(self):
        return (f"slab {self.base:#x}: {counted(self.slots, 'slot')}, class {self.size_class} of {self.block_bytes} bytes, "
                f"{self.free_count} of {counted(self.blocks, 'block')} free, cache {self.owner}")


class Heap:
    def __init__(self):
        try:
            registry = gdb.parse_and_eval("hakmem::g_registry")
            table = gdb.parse_and_eval("hakmem::kClassTable")["_M_elems"]
            self.slab_at, self.super_at = offsets("hakmem::Slab"), offsets("hakmem::SuperSlab")
            self.slab_bytes = gdb.lookup_type("hakmem::Slab").sizeof
            self.super_bytes = gdb.lookup_type("hakmem::SuperSlab").sizeof
        except gdb.error as error:
            raise gdb.GdbError(f"no heap of hakmem with debug information in this program ({error})")
        low, high = table.type.strip_typedefs().range()
        self.classes = [(int(table[i]["block_bytes"]), int(table[i]["blocks"]), int(table[i]["slots"]))
                        for i in range(low, high + 1)]
        self.reservations = []
        for i in range(number(registry["count_"])):
            one = registry["reservations_"][i]
            self.reservations.append((int(one["base"]), int(one["size"]), int(one["tags"]), int(one["supers"]),
                                      number(one["committed"])))

    def supers(self):
        """(base, masks, tags of its slots, address of its record) of each SuperSlab that was opened."""
        for base, _, tags, records, committed in self.reservations:
            for i in range(committed // SUPER_BYTES):
                record = records + i * self.super_bytes
                data = memory(record, self.super_at["slabs"])
                if struct.unpack_from("<Q", data, self.super_at["base_"])[0] == 0:
                    continue
                masks = struct.unpack_from("<3I", data, self.super_at["masks_"])
                yield (base + i * SUPER_BYTES, masks, struct.unpack("<32I", memory(tags + i * SLOTS * 4, SLOTS * 4)),
                       record)

    def slabs(self, tags, record):
        for slot, tag in enumerate(tags):
            if tag == 0 or tag >> TAG_CLASS_BITS == INTERIOR_OWNER:
                continue
            slab = Slab(self, record + self.super_at["slabs"] + slot * self.slab_bytes, tag)
            if slab.head_distance == 0:
                yield slot, slab

    def find(self, address):
        """(reservation, slot, tag, state, slab or None); nothing where the address is not in a committed slot."""
        for base, _, tags, records, committed in self.reservations:
            if not base <= address < base + committed:
                continue
            offset = address - base
            tag = struct.unpack("<I", memory(tags + (offset >> SLOT_SHIFT) * 4, 4))[0]
            slot = (offset >> SLOT_SHIFT) % SLOTS
            record = records + offset // SUPER_BYTES * self.super_bytes
            masks = struct.unpack("<3I", memory(record + self.super_at["masks_"], 12))
            state = next((STATES[i] for i in range(3) if masks[i] >> slot & 1), "in no state")
            return slot, tag, state, self.slab_of(record, slot, tag)
        return None

    def slab_of(self, record, slot, tag):
        if tag == 0:
            return None
        at = record + self.super_at["slabs"]
        slab = Slab(self, at + slot * self.slab_bytes, tag)
        if slab.head_distance != 0 and slab.head_distance <= slot:
            slab = Slab(self, at + (slot - slab.head_distance) * self.slab_bytes, tag)
        # The slots of a huge block are INTERIOR without a slab.
        return slab if slab.base != 0 else None

    def huge(self, address):
        """(start, size) of the huge block that `address` lies in."""
        blocks = gdb.parse_and_eval("'hakmem::(anonymous namespace)::g_huge_blocks'")
        entries, capacity = blocks["table_"]["table_"], int(blocks["table_"]["capacity_"])
        table, entry = int(entries), entries.type.target().sizeof
        data = memory(table, capacity * entry) if capacity else b""
        for at in range(0, len(data), entry):
            start, size = struct.unpack_from("<2Q", data, at)
            if start > 1 and start <= address < start + size:  # 1: was removed
                return start, size
        return None


def address_of(argument):
    arguments = gdb.string_to_argv(argument)
    if len(arguments) != 1:
        raise gdb.GdbError("takes one ADDRESS, or an expression that has one")
    return int(gdb.parse_and_eval(arguments[0]).cast(gdb.lookup_type("unsigned long")))


class Hak(gdb.Command):
    """Look into a hakmem heap: hak ptr, hak slab, hak classes, hak check."""

    def __init__(self):
        super().__init__("hak", gdb.COMMAND_DATA, prefix=True)


class Ptr(gdb.Command):
    """hak ptr ADDRESS: whose memory it is, and whether its block is free."""

    def __init__(self):
        super().__init__("hak ptr", gdb.COMMAND_DATA)

    def invoke(self, argument, _):
        address = address_of(argument)
        heap = Heap()
        huge = heap.huge(address)
        if huge is not None:
            print(f"{address:#x}: byte {address - huge[0]} of the huge block {huge[0]:#x} of {huge[1]} bytes")
            return
        found = heap.find(address)
        if found is None:
            print(f"{address:#x}: not in a slot of hakmem's")
            return
        slot, tag, state, slab = found
        if slab is None:
            print(f"{address:#x}: in slot {slot}, which is {state}, tag {tag:#x}, and in no slab")
            return
        index, offset = divmod(address - slab.base, slab.block_bytes)
        if index >= slab.blocks:
            print(f"{address:#x}: behind the last block; {slab.describe()}")
            return
        start = slab.base + index * slab.block_bytes
        fate = "free" if slab.bits() >> index & 1 else "taken (in use, or in a thread cache or message)"
        print(f"{address:#x}: byte {offset} of block {index} ({start:#x}, {slab.block_bytes} bytes), {fate}")
        print(slab.describe())


class OneSlab(gdb.Command):
    """hak slab ADDRESS: the slab that ADDRESS lies in; a 1 is a free block."""

    def __init__(self):
        super().__init__("hak slab", gdb.COMMAND_DATA)

    def invoke(self, argument, _):
        found = Heap().find(address_of(argument))
        if found is None or found[3] is None:
            raise gdb.GdbError("no slab there (hak ptr says more)")
        slab = found[3]
        print(slab.describe())
        if slab.is_large:
            return
        bits = slab.bits()
        row = "".join("1" if bits >> i & 1 else "." for i in range(slab.blocks))
        for start in range(0, slab.blocks, 64):
            print(f"{slab.base + start * slab.block_bytes:#x} {row[start:start + 64]}")


class Classes(gdb.Command):
    """hak classes: slabs and blocks of each class, the most free bytes first."""

    def __init__(self):
        super().__init__("hak classes", gdb.COMMAND_DATA)

    def invoke(self, argument, _):
        heap = Heap()
        sums = {}
        for _, _, tags, record in heap.supers():
            for _, slab in heap.slabs(tags, record):
                sum_of = sums.setdefault(slab.size_class, [0, 0, 0])
                sum_of[0] += 1
                sum_of[1] += slab.blocks
                sum_of[2] += slab.free_count
        print("     block    slabs     blocks       free      free bytes")
        for size_class, (slabs, blocks, free) in sorted(sums.items(), key=lambda one: -one[1][2] * heap.classes[one[0]][0]):
            size = heap.classes[size_class][0]
            print(f"{size:>10} {slabs:>8} {blocks:>10} {free:>10} {free * size:>15}")


class Check(gdb.Command):
    """hak check: do masks, tags, records and bitmaps agree? Prints each disagreement."""

    def __init__(self):
        super().__init__("hak check", gdb.COMMAND_DATA)

    def invoke(self, argument, _):
        heap = Heap()
        supers = slabs = 0
        problems = []
        for base, masks, tags, record in heap.supers():
            supers += 1
            if masks[0] ^ masks[1] ^ masks[2] != 0xffffffff or masks[0] & masks[1] or masks[1] & masks[2]:
                problems.append(f"SuperSlab {base:#x}: a slot is in no state, or in two: {[hex(m) for m in masks]}")
            for slot, tag in enumerate(tags):
                if tag != 0 and not masks[1] >> slot & 1:
                    problems.append(f"slot {base + (slot << SLOT_SHIFT):#x} has tag {tag:#x}, and is not ACTIVE")
            for slot, slab in heap.slabs(tags, record):
                slabs += 1
                problems += self.problems_of(heap, slab, base + (slot << SLOT_SHIFT), tags[slot:slot + slab.slots])
        for problem in problems:
            print(problem)
        found = counted(len(problems), "problem") if problems else "no problem"
        print(f"{counted(supers, 'SuperSlab')}, {counted(slabs, 'slab')}: {found}")

    @staticmethod
    def problems_of(heap, slab, address, tags):
        name = f"slab {address:#x}"
        size, blocks, slots = heap.classes[slab.size_class]
        if slab.base != address:
            yield f"{name}: its record says {slab.base:#x}"
            return
        if slab.size_class != slab.tag & 0xff or (slab.blocks, slab.slots) != (blocks, slots):
            yield f"{name}: record and tag {slab.tag:#x} are of different classes"
            return
        if any(tag != slab.tag and tag >> TAG_CLASS_BITS != INTERIOR_OWNER for tag in tags):
            yield f"{name}: its slots carry different tags"
        if slab.is_large:
            return
        bits = slab.bits()
        if bits >> slab.blocks:
            yield f"{name}: its bitmap has more bits than it has blocks"
        elif bin(bits).count("1") != slab.free_count:
            yield f"{name}: {bin(bits).count('1')} bits for {slab.free_count} free blocks"


for command in (Hak, Ptr, OneSlab, Classes, Check):
    command()
